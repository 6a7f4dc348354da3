"""Beats as workers write them, for tests of what is made of them."""

from __future__ import annotations

from typing import Any

from fairlead.contract.beats import BEAT_S, LATENCIES, Answered, Beat

NOON = 1_790_000_040.0
"""A whole minute of the clock."""


def answered(
    requests: int = 100, ms: float = 2.0, variant: str = "champion", version: str = "1", **more: Any
) -> Answered:
    """Requests that all took about as long."""
    at = next((n for n, end in enumerate(LATENCIES) if ms / 1e3 <= end), len(LATENCIES))
    good = requests - more.get("failed", 0)
    buckets = tuple(good if n == at else 0 for n in range(len(LATENCIES) + 1))
    return Answered("m", version, variant, requests, rows=good, seconds=good * ms / 1e3, buckets=buckets, **more)


def beat(end: float, *told: Answered, slot: int = 0, **more: Any) -> Beat:
    """A worker that is healthy, but for what is said."""
    sound: dict[str, Any] = {
        "cpu_s": 0.2, "process_s": 0.3, "waited_s": 0.02, "held_s": 0.01, "held_most_s": 0.005, "throttled_s": 0.0,
        "stolen": 0.0, "pressure_disk": 0.0, "pressure_memory": 0.0, "resident_bytes": 100 << 20,
        "memory_free": 4 << 30, "memory_total": 8 << 30, "disk_free": 40 << 30, "disk_total": 80 << 30,
        "spool_bytes": 1 << 20, "spool_limit": 1 << 30, "synced": 5, "sync_s": 0.02, "sync_most_s": 0.01,
        "written_s": 1e-5, "in_flight": 2,
    }  # fmt: skip
    return Beat("here", slot, "", end - BEAT_S, end, tuple(told), **{**sound, **more})


def minute(end: float = NOON, *told: Answered, **more: Any) -> list[Beat]:
    """Twelve alike."""
    return [beat(end - BEAT_S * n, *(told or (answered(),)), **more) for n in reversed(range(12))]
