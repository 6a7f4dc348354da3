"""Beats of all workers put together: what a server did and used in a minute."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from fairlead.contract.beats import BEAT_S, LATENCIES, Answered, Beat

MINUTE_S = 60.0


class Worker(msgspec.Struct, frozen=True):
    """One worker in a minute. Shares are of `seconds`, the time that its beats cover; -1: the system does not tell.

    busy: its answering thread had a processor; waited: that could have run and others had it; held: the process did
    not run although it was due; held_most_s: the longest of these; throttled: by the limit of its control group.
    sync_most_s, sync: bringing captured rows to the disk, longest and share of the time.
    """

    name: str
    role: str
    seconds: float
    busy: float
    waited: float
    held: float
    held_most_s: float
    throttled: float
    resident_bytes: int
    spool: float
    sync: float
    sync_most_s: float
    written_s: float
    requests: int = 0


class Minute(msgspec.Struct, frozen=True):
    """From `start` to `end`, seconds since the epoch. answered: by variant, of one model where it was asked for.

    turned_away: requests that found no room, of any model. in_flight: most at once, of one worker.
    stolen, pressure_disk, pressure_memory: of the machine, the worst beat. dropped: rows not captured, by reason.
    """

    start: float
    end: float
    workers: tuple[Worker, ...]
    answered: tuple[Answered, ...]
    turned_away: int = 0
    in_flight: int = 0
    stolen: float = -1.0
    pressure_disk: float = -1.0
    pressure_memory: float = -1.0
    memory_free: int = -1
    memory_total: int = -1
    disk_free: int = -1
    disk_total: int = -1
    dropped: dict[str, int] = {}

    @property
    def seconds(self) -> float:
        """How much of the minute is covered by the beats of the worker that is covered best."""
        return max((worker.seconds for worker in self.workers), default=0.0)

    @property
    def requests(self) -> int:
        """All that were read, and those that found no room."""
        return sum(one.requests for one in self.answered) + self.turned_away

    @property
    def failed(self) -> int:
        """Those that failed through no fault of who asked: 500 and above, and no room."""
        return sum(one.failed for one in self.answered) + self.turned_away

    def quantile_ms(self, share: float, variant: str | None = None) -> float:
        """A quantile of the latency of answered requests in ms; 0 without any. variant: of that one alone."""
        chosen = [one for one in self.answered if variant is None or one.variant == variant]
        return quantile_ms([one.buckets for one in chosen if one.buckets], share)


def quantile_ms(buckets: Sequence[Sequence[int]], share: float) -> float:
    """A quantile of latencies in ms from counts in `LATENCIES`, linear within a bucket; 0 without any.

    What lies above the last bucket is said to be its end.
    """
    if not buckets:
        return 0.0
    counts = np.asarray(buckets, dtype=np.float64).sum(axis=0)
    total = counts.sum()
    if total <= 0:
        return 0.0
    sums = np.cumsum(counts)
    at = int(np.searchsorted(sums, share * total))
    if at >= len(LATENCIES):
        return LATENCIES[-1] * 1e3
    low = LATENCIES[at - 1] if at else 0.0
    inside = (share * total - (sums[at] - counts[at])) / counts[at] if counts[at] else 1.0
    return float(low + (LATENCIES[at] - low) * min(max(inside, 0.0), 1.0)) * 1e3


def minute_of(beats: Iterable[Beat], model: str | None = None) -> Minute | None:
    """Everything in some beats; None without any. model: whose requests are counted; None counts all."""
    every = sorted(beats, key=lambda beat: beat.end)
    if not every:
        return None
    by_worker: dict[str, list[Beat]] = {}
    for beat in every:
        by_worker.setdefault(beat.worker, []).append(beat)
    dropped: dict[str, int] = {}
    for beat in every:
        for reason, rows in beat.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + rows
    newest = every[-1]
    return Minute(
        start=min(beat.start for beat in every),
        end=newest.end,
        workers=tuple(_worker(name, own) for name, own in sorted(by_worker.items())),
        answered=tuple(_together(one for beat in every for one in beat.answered if model in (None, one.model))),
        turned_away=sum(beat.turned_away for beat in every),
        in_flight=max(beat.in_flight for beat in every),
        stolen=max(beat.stolen for beat in every),
        pressure_disk=max(beat.pressure_disk for beat in every),
        pressure_memory=max(beat.pressure_memory for beat in every),
        memory_free=newest.memory_free,
        memory_total=newest.memory_total,
        disk_free=newest.disk_free,
        disk_total=newest.disk_total,
        dropped=dropped,
    )


def newest_minute(beats: Sequence[Beat], now: float, model: str | None = None) -> Minute | None:
    """The sixty seconds up to the newest beat; None where nobody said anything for more than a minute."""
    recent = [beat for beat in beats if now - MINUTE_S - 2 * BEAT_S < beat.end <= now + BEAT_S]
    if not recent:
        return None
    end = max(beat.end for beat in recent)
    return minute_of((beat for beat in recent if beat.end > end - MINUTE_S), model)


def minutes_of(beats: Iterable[Beat], model: str | None = None) -> list[Minute]:
    """One a minute of the clock, oldest first; a beat belongs to the minute that its middle is in."""
    groups: dict[int, list[Beat]] = {}
    for beat in beats:
        groups.setdefault(int((beat.start + beat.end) / 2 // MINUTE_S), []).append(beat)
    found = [minute_of(groups[number], model) for number in sorted(groups)]
    return [minute for minute in found if minute is not None]


def _worker(name: str, beats: Sequence[Beat]) -> Worker:
    seconds = max(sum(beat.end - beat.start for beat in beats), 1e-9)
    newest = beats[-1]
    written = [beat.written_s for beat in beats if beat.written_s >= 0]

    def share(values: Sequence[float]) -> float:
        told = [value for value in values if value >= 0]
        return min(sum(told) / seconds, 1.0) if told else -1.0

    return Worker(
        name=name,
        role=newest.role,
        seconds=seconds,
        busy=share([beat.cpu_s for beat in beats]),
        waited=share([beat.waited_s for beat in beats]),
        held=share([beat.held_s for beat in beats]),
        held_most_s=max(beat.held_most_s for beat in beats),
        throttled=share([beat.throttled_s for beat in beats]),
        resident_bytes=newest.resident_bytes,
        spool=newest.spool_bytes / newest.spool_limit if newest.spool_limit > 0 else 0.0,
        sync=share([beat.sync_s for beat in beats]),
        sync_most_s=max(beat.sync_most_s for beat in beats),
        written_s=max(written, default=-1.0),
        requests=sum(one.requests for beat in beats for one in beat.answered),
    )


def _together(parts: Iterable[Answered]) -> list[Answered]:
    found: dict[tuple[str, str, str], Answered] = {}
    for one in parts:
        key = one.model, one.version, one.variant
        known = found.get(key)
        found[key] = one if known is None else _sum(known, one)
    return [found[key] for key in sorted(found)]


def _sum(a: Answered, b: Answered) -> Answered:
    buckets = a.buckets or b.buckets
    if a.buckets and b.buckets:
        buckets = tuple(x + y for x, y in zip(a.buckets, b.buckets, strict=True))
    return Answered(
        a.model, a.version, a.variant, a.requests + b.requests, a.failed + b.failed, a.refused + b.refused,
        a.rows + b.rows, a.anomalous + b.anomalous, a.seconds + b.seconds, buckets,
    )  # fmt: skip
