"""What a worker says of itself every few seconds: what it answered, what it used, and what held it up."""

from __future__ import annotations

import msgspec

BEAT_S = 5.0
"""Seconds between two beats of a worker; twelve make a minute."""

LATENCIES: tuple[float, ...] = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075),
    *(0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
"""Upper ends of the buckets that latencies are counted in, in seconds; a last bucket holds what took longer."""


class Answered(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Requests for predictions of one variant in a beat. variant: "" for those refused before one was chosen.

    failed: answered with 500 or above; refused: with 400 to 499. buckets: of those answered, (len(LATENCIES) + 1,);
    seconds: sum of their latencies. anomalous: rows unlike those of training.
    """

    model: str
    version: str
    variant: str
    requests: int
    failed: int = 0
    refused: int = 0
    rows: int = 0
    anomalous: int = 0
    seconds: float = 0.0
    buckets: tuple[int, ...] = ()


class Beat(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One worker from `start` to `end`, seconds since the epoch. Whatever the system does not tell is -1.

    cpu_s: of the thread that answers; process_s: of the whole process. waited_s: that thread could have run and
    another had the core. held_s: the process was held back altogether, by as much as a thread that sleeps a tenth of a
    second woke late; held_most_s: the longest of these. throttled_s: by the limit of its control group. stolen: share
    of the machine's time that its host gave to others. pressure: shares of the time in which somebody on the machine
    waited for the disk, and for memory.
    synced: how often captured rows were brought to the disk; sync_s, sync_most_s: how long in all and at most.
    written_s: mean of what one write to the spool took, of ticks that were measured.
    in_flight: most requests that were being answered at once. turned_away: requests that found no room.
    """

    instance: str
    slot: int
    role: str
    start: float
    end: float
    answered: tuple[Answered, ...] = ()
    in_flight: int = 0
    turned_away: int = 0
    cpu_s: float = -1.0
    process_s: float = -1.0
    waited_s: float = -1.0
    held_s: float = 0.0
    held_most_s: float = 0.0
    throttled_s: float = -1.0
    stolen: float = -1.0
    pressure_disk: float = -1.0
    pressure_memory: float = -1.0
    resident_bytes: int = -1
    memory_free: int = -1
    memory_total: int = -1
    disk_free: int = -1
    disk_total: int = -1
    spool_bytes: int = 0
    spool_limit: int = 0
    synced: int = 0
    sync_s: float = 0.0
    sync_most_s: float = 0.0
    written_s: float = -1.0
    dropped: dict[str, int] = {}
    callers: tuple[tuple[str, int], ...] = ()

    @property
    def worker(self) -> str:
        """Which worker of which server."""
        return f"{self.instance}/{self.slot}"
