"""Hard limits: rules that a person wrote, or would have, outside the budget of false alarms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from fairlead.contract.events import Cause, Finding
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.infrastructure.minutes import Minute
from fairlead.ops.monitor.infrastructure.naming import pointed_at
from fairlead.ops.monitor.quality import wilson

MB = 2.0**20
DEFAULTS: dict[str, float] = {
    "p99_ms": 1000.0,
    "errors": 0.02,
    "queue": 0.9,
    "held": 0.5,
    "memory_mb": 0.0,
    "memory_free_mb": 128.0,
    "disk_free_mb": 256.0,
    "spool": 0.8,
    "sync_ms": 5000.0,
    "dropped": 0.001,
}
"""What holds where `[monitor] limits` says nothing; 0 switches one off."""

FEWEST_ANSWERED = 100
"""Requests of a minute from which its 99th percentile is one."""
FEWEST_FAILED = 5
FEWEST_SECONDS = 15.0
"""Of a minute that must be covered before shares of its time are judged."""


class Over(NamedTuple):
    """One limit that a minute breaks. size with [low, high], in `unit`; says: in words, without the limit."""

    size: float
    low: float
    high: float
    unit: str
    says: str
    severity: Literal["warning", "critical"] = "warning"


Rule = Callable[[Minute, float, int], Over | None]


def _exact(size: float, unit: str, says: str, severity: Literal["warning", "critical"] = "warning") -> Over:
    return Over(size, size, size, unit, says, severity)


def _p99(minute: Minute, limit: float, queue: int) -> Over | None:
    found = minute.quantile_ms(0.99)
    if sum(sum(one.buckets) for one in minute.answered) < FEWEST_ANSWERED or found <= limit:
        return None
    return _exact(found, "ms", f"one request of a hundred takes more than {found:,.0f} ms")


def _errors(minute: Minute, limit: float, queue: int) -> Over | None:
    asked, failed = minute.requests, minute.failed
    if failed < FEWEST_FAILED or failed / asked <= limit:
        return None
    worse: Literal["warning", "critical"] = "critical" if failed / asked > 0.2 else "warning"
    return Over(
        failed / asked, *wilson(failed, asked), "share of requests", f"{failed} of {asked} requests failed", worse
    )


def _queue(minute: Minute, limit: float, queue: int) -> Over | None:
    if queue <= 0 or minute.in_flight / queue <= limit:
        return None
    share = minute.in_flight / queue
    return _exact(share, "share of the queue", f"{minute.in_flight} requests were waiting or being answered at once")


def _held(minute: Minute, limit: float, queue: int) -> Over | None:
    told = [w for w in minute.workers if w.seconds >= FEWEST_SECONDS and max(w.held, w.waited) > limit]
    if not told:
        return None
    worst = max(told, key=lambda worker: max(worker.held, worker.waited))
    share = max(worst.held, worst.waited)
    return _exact(share, "share of the time", f"{worst.name} could not run for {share:.0%} of the time")


def _memory(minute: Minute, limit: float, queue: int) -> Over | None:
    worst = max(minute.workers, key=lambda worker: worker.resident_bytes)
    used = worst.resident_bytes / MB
    return None if used <= limit else _exact(used, "MB", f"{worst.name} uses {used:,.0f} MB of memory")


def _memory_free(minute: Minute, limit: float, queue: int) -> Over | None:
    left = minute.memory_free / MB
    if minute.memory_free < 0 or left >= limit:
        return None
    return _exact(left, "MB", f"{left:,.0f} MB of memory are left")


def _disk_free(minute: Minute, limit: float, queue: int) -> Over | None:
    left = minute.disk_free / MB
    # A small file system is full by its share, not by the bytes that a large one should have.
    limit = min(limit, 0.05 * minute.disk_total / MB)
    if minute.disk_free < 0 or left >= limit:
        return None
    return _exact(left, "MB", f"{left:,.1f} MB of disk are left", "critical" if left < limit / 4 else "warning")


def _spool(minute: Minute, limit: float, queue: int) -> Over | None:
    share = max(worker.spool for worker in minute.workers)
    return None if share <= limit else _exact(share, "share of the spool", f"the spool is {share:.0%} full")


def _sync(minute: Minute, limit: float, queue: int) -> Over | None:
    # A stopped process measures its own stop.
    took = 1e3 * max(worker.sync_most_s - worker.held_most_s for worker in minute.workers)
    if took <= limit:
        return None
    return _exact(took, "ms", f"bringing captured rows to the disk takes up to {took:,.0f} ms")


def _dropped(minute: Minute, limit: float, queue: int) -> Over | None:
    lost, rows = sum(minute.dropped.values()), sum(one.rows for one in minute.answered)
    if not lost or lost <= limit * max(rows, lost):
        return None
    why = ", ".join(sorted(reason.replace("_", " ") for reason in minute.dropped))
    share = lost / max(rows, lost)
    return Over(share, *wilson(lost, max(rows, lost)), "share of rows", f"{lost} rows were not captured ({why})")


RULES: dict[str, Rule] = {
    "p99_ms": _p99,
    "errors": _errors,
    "queue": _queue,
    "held": _held,
    "memory_mb": _memory,
    "memory_free_mb": _memory_free,
    "disk_free_mb": _disk_free,
    "spool": _spool,
    "sync_ms": _sync,
    "dropped": _dropped,
}
CHECKS = frozenset(f"limit_{name}" for name in RULES)
"""Names of the checks whose findings come from here."""


def limits_of(given: Mapping[str, float]) -> dict[str, float]:
    """Limits in force: those given, the usual ones for the rest, without those switched off."""
    return {name: limit for name, limit in {**DEFAULTS, **given}.items() if limit > 0}


def over(minute: Minute, limits: Mapping[str, float], queue: int) -> dict[str, Over]:
    """By name, every limit that a minute breaks. queue: how many requests may wait."""
    found = {name: RULES[name](minute, limit, queue) for name, limit in limits.items()} if minute.workers else {}
    return {name: one for name, one in found.items() if one is not None}


def first_minute(name: str, minutes: Sequence[Minute], limits: Mapping[str, float], queue: int, since: float) -> float:
    """When the first minute began in which a limit was broken without a break since; `since` where none did."""
    first = since
    for minute in reversed(minutes):
        if minute.start >= since:
            continue
        if name not in over(minute, {name: limits[name]}, queue):
            break
        first = minute.start
    return first


def findings_of(
    model: str, minute: Minute, earlier: Sequence[Minute], limits: Mapping[str, float], queue: int,
    causes: tuple[Cause, ...],
) -> list[Finding]:  # fmt: skip
    """A finding for each limit that is broken. earlier: minutes before, oldest first; causes: of this minute. Pure."""
    named, found = causes, []
    for name, one in over(minute, limits, queue).items():
        since = first_minute(name, earlier, limits, queue, minute.start)
        check = f"limit_{name}"
        causes = pointed_at(name, named)
        by_code = bool(causes) and causes[0].kind in {"version", "code"}
        because = f": {causes[0].name}; {causes[0].why}" if causes else ""
        found.append(
            Finding(
                id=finding_id(model, check, (), since),
                model=model,
                area="code" if by_code and name in {"errors", "p99_ms"} else "infrastructure",
                check=check,
                window=-1,
                since=since,
                size=one.size,
                low=one.low,
                high=one.high,
                unit=one.unit,
                message=f"{one.says}, the limit is {limits[name]:g}{because}",
                severity=one.severity,
                evidence={"limit": limits[name], "at": minute.end},
                first=since,
                causes=causes,
            )
        )
    return found
