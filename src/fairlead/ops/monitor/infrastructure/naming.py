"""What is to blame for a minute in which something was wrong: the code that answers, the machine, or the traffic.

Rules, not statistics: each says what must be seen for it to be named, and in words what was seen. What points at more
than one thing is told with weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fairlead.contract.beats import Answered
from fairlead.contract.events import Cause
from fairlead.ops.monitor.infrastructure.minutes import Minute, Worker

FEWEST = 10
"""Requests of a variant from which its failures are compared with those of others."""
TIMES_WORSE = 5.0
IDLE = 0.5
"""Share of the time below which a thread that answers is not what is short."""
BUSY = 0.85
HELD = 0.2
SLOW_SYNC_S = 0.5
SHORT = 0.05
"""Share of memory or disk that is left when it is short."""
MOST_CAUSES = 3
JUST_S = 900.0
"""A version that began to answer so long before the trouble is under suspicion by itself."""


class Deployment(msgspec.Struct, frozen=True):
    """A variant that answers now. since: wall time since which it does, 0 when not known."""

    variant: str
    version: str
    bundle: str
    since: float = 0.0


class Usual(msgspec.Struct, frozen=True):
    """What this server does at this hour; 0 or below where that is not known yet."""

    requests_per_s: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    sync_most_s: float = 0.0


def name_causes(
    minute: Minute, deployments: Sequence[Deployment] = (), usual: Usual | None = None, queue: int = 0
) -> tuple[Cause, ...]:
    """Likely causes of what is wrong in a minute, most likely first, weights adding to 1; none where nothing shows.

    queue: how many requests may wait. Pure.
    """
    known = usual or Usual()
    found: list[tuple[float, Cause]] = []
    found += _version(minute, deployments)
    found += _disk(minute, known)
    for worker in minute.workers:
        found += _starved(worker, minute)
    found += _memory(minute)
    found += _traffic(minute, known, queue)
    best: dict[tuple[str, str], tuple[float, Cause]] = {}
    for score, cause in found:
        key = cause.kind, cause.name
        if key not in best or best[key][0] < score:
            best[key] = score, cause
    ranked = sorted(best.values(), key=lambda pair: -pair[0])[:MOST_CAUSES]
    total = sum(score for score, _ in ranked)
    return tuple(msgspec.structs.replace(cause, weight=round(score / total, 3)) for score, cause in ranked)


POINTS_AT: dict[str, frozenset[str]] = {
    "sync_ms": frozenset({"slow disk", "disk full"}),
    "dropped": frozenset({"disk full", "spool full", "slow disk"}),
    "disk_free_mb": frozenset({"disk full"}),
    "spool": frozenset({"spool full", "disk full"}),
    "held": frozenset({"starved worker", "memory"}),
    "memory_mb": frozenset({"memory", "too much traffic"}),
    "memory_free_mb": frozenset({"memory"}),
}
"""What a limit that is broken can come from, where that is not everything."""


def pointed_at(limit: str, causes: Sequence[Cause]) -> tuple[Cause, ...]:
    """The causes that fit a broken limit, weights adding to 1; all that were named where none does."""
    fitting = [cause for cause in causes if cause.name in POINTS_AT.get(limit, {cause.name})] or list(causes)
    total = sum(cause.weight for cause in fitting)
    return tuple(msgspec.structs.replace(cause, weight=round(cause.weight / total, 3)) for cause in fitting)


def _cause(score: float, kind: str, name: str, why: str) -> tuple[float, Cause]:
    return score, msgspec.convert({"kind": kind, "name": name, "weight": 0.0, "why": why}, Cause)


def _version(minute: Minute, deployments: Sequence[Deployment]) -> list[tuple[float, Cause]]:
    """Failures, or time, of one variant alone."""
    asked = [one for one in minute.answered if one.variant]
    found = []
    for one in asked:
        others = [other for other in asked if other.variant != one.variant]
        named = f"{one.variant} (version {one.version})" if one.version else one.variant
        since = next((d.since for d in deployments if d.variant == one.variant and d.since > 0), 0.0)
        if one.failed >= 3 and _fails(one) >= 0.02:
            rest, wrong = sum(o.requests for o in others), sum(o.failed for o in others)
            mine = f"{one.failed} of {one.requests} requests that {named} answered failed"
            if rest >= FEWEST and _fails(one) > TIMES_WORSE * (wrong + 0.5) / rest:
                found.append(_cause(4.0, "version", named, f"{mine}, {wrong} of {rest} of the others"))
            elif not others and 0 <= minute.end - since <= JUST_S:
                ago = (minute.end - since) / 60
                found.append(_cause(3.0, "version", named, f"{mine}; it answers since {ago:.0f} minutes"))
            elif not _short_of_time(minute):
                found.append(_cause(2.0, "code", named, f"{mine}, and nothing of the machine is short"))
        if sum(one.buckets) >= 2 * FEWEST and sum(sum(o.buckets) for o in others) >= 2 * FEWEST:
            slow = minute.quantile_ms(0.9, one.variant)
            rest_ms = max(minute.quantile_ms(0.9, o.variant) for o in others)
            if slow > TIMES_WORSE * rest_ms and slow > 20.0:
                why = f"9 of 10 requests of {named} took up to {slow:.0f} ms, of the others up to {rest_ms:.0f} ms"
                found.append(_cause(2.5, "version", named, why))
    return found


def _fails(one: Answered) -> float:
    return one.failed / max(one.requests, 1)


def _short_of_time(minute: Minute) -> bool:
    """Whether failures may come from waiting: no room was left, or the machine holds workers back."""
    return minute.turned_away > 0 or any(w.busy > BUSY or max(w.held, w.waited) > HELD for w in minute.workers)


def _disk(minute: Minute, usual: Usual) -> list[tuple[float, Cause]]:
    found = []
    full = minute.dropped.get("disk_full", 0)
    if full or 0 <= minute.disk_free < min(16 << 20, 0.01 * minute.disk_total):
        left = f"{minute.disk_free / 2**20:,.0f} MB are left on its file system" if minute.disk_free >= 0 else ""
        why = f"{full} rows could not be captured, {left}" if full else left
        found.append(_cause(4.0, "infrastructure", "disk full", why))
    if minute.dropped.get("spool_full", 0):
        rows = minute.dropped["spool_full"]
        why = f"{rows} rows were not captured as the spool is at its bound: is the collector running?"
        found.append(_cause(3.5, "infrastructure", "spool full", why))
    slowest = max(minute.workers, key=lambda worker: worker.sync_most_s, default=None)
    if slowest is not None and slowest.sync_most_s >= max(SLOW_SYNC_S, 5.0 * usual.sync_most_s):
        # A process that was stopped while it wrote has a slow disk only by its watch.
        real = slowest.sync_most_s - slowest.held_most_s
        if real >= SLOW_SYNC_S and slowest.busy < BUSY:
            why = (
                f"bringing captured rows to the disk took up to {slowest.sync_most_s:.1f} s"
                f" while {slowest.name} was {max(slowest.busy, 0):.0%} busy"
            )
            found.append(_cause(3.0 + 2.0 * max(slowest.sync, 0.0), "infrastructure", "slow disk", why))
    return found


def _starved(worker: Worker, minute: Minute) -> list[tuple[float, Cause]]:
    """Held back, or waiting for a processor, while it does little itself."""
    short = max(worker.held, worker.waited)
    if short < HELD or worker.busy > 1.0 - HELD:
        return []
    seconds = short * worker.seconds
    told = f"{worker.name} could not run for {seconds:.0f} of {worker.seconds:.0f} s, while {worker.busy:.0%} busy"
    if worker.throttled > HELD / 2:
        why = f"{told}: the limit of its control group held it back for {worker.throttled:.0%} of the time"
    elif minute.stolen > 0.1:
        why = f"{told}: the host gave {minute.stolen:.0%} of this machine's time to others"
    elif worker.waited >= worker.held:
        why = f"{told}: other processes of this machine had the processors"
    else:
        why = f"{told}: it was stopped or suspended, up to {worker.held_most_s:.1f} s at once"
    return [_cause(3.0 + short, "infrastructure", "starved worker", why)]


def _memory(minute: Minute) -> list[tuple[float, Cause]]:
    if minute.memory_total <= 0:
        return []
    left = minute.memory_free / minute.memory_total
    if left >= SHORT and minute.pressure_memory < 0.1:
        return []
    why = f"{left:.0%} of {minute.memory_total / 2**30:.1f} GB memory are left"
    if minute.pressure_memory >= 0.1:
        why += f", and {minute.pressure_memory:.0%} of the time somebody waited for memory"
    return [_cause(2.5, "infrastructure", "memory", why)]


def _traffic(minute: Minute, usual: Usual, queue: int) -> list[tuple[float, Cause]]:
    workers = [worker for worker in minute.workers if not worker.role]
    busiest = max(workers, key=lambda worker: worker.busy, default=None)
    crowded = queue > 0 and minute.in_flight >= BUSY * queue
    # Busy by what it did itself: a worker that others keep waiting is starved, not asked too much.
    if busiest is None or (busiest.busy < BUSY and not (crowded and busiest.busy >= IDLE)):
        return []
    rate = minute.requests / max(minute.seconds, 1e-9)
    told = f"{busiest.name} is {busiest.busy:.0%} busy at {rate:,.0f} requests/s"
    if usual.requests_per_s > 0 and rate > 1.5 * usual.requests_per_s:
        why = f"{told}, usually {usual.requests_per_s:,.0f} at this hour"
        return [_cause(3.0, "infrastructure", "too much traffic", why)]
    if usual.requests_per_s > 0:
        return [_cause(2.0, "code", "costlier requests", f"{told}, no more than usual: each costs more than it did")]
    return [_cause(2.5, "infrastructure", "too much traffic", told)]
