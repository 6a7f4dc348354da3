"""The same hour on earlier days: what is usual, and what left it.

Each full hour is folded to the medians of its minutes. A new hour is compared with the same hour of day, and the two
beside it, on the days before: the logarithm of each figure against their mean, referred to Student's t with as many
degrees of freedom as there are days less one, since the hours of a day move together. Looks are few (one an hour), so
the part of the budget that infrastructure has is divided by the hours of a month and the figures looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from fairlead.contract.events import Cause, Finding
from fairlead.contract.settings import Settings
from fairlead.ops.monitor.budget import PARTS
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.infrastructure.minutes import MINUTE_S, Minute
from fairlead.ops.monitor.infrastructure.naming import Usual

HOUR_S = 3600.0
KEPT = 24 * 15
"""Hours that are remembered."""
FEWEST_DAYS = 5
FEWEST_MINUTES = 10
LEAST_FACTOR = 1.5
"""How far a figure must have moved before it matters, however sure it is."""
LEAST_SPREAD = 0.05
HOURS_A_MONTH = 720.0


class Hour(msgspec.Struct, frozen=True, array_like=True):
    """Medians over the minutes of an hour. number: hours since the epoch; cpu_ms: of the workers, a request."""

    number: int
    minutes: int
    requests: int
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    resident_mb: float
    sync_most_s: float = 0.0


FIGURES: dict[str, str] = {
    "p50_ms": "half of the requests take {now:,.1f} ms or more, usually {usual:,.1f} at this hour",
    "p99_ms": "one request of a hundred takes more than {now:,.0f} ms, usually {usual:,.0f} at this hour",
    "cpu_ms": "a request costs {now:,.2f} ms of processor, usually {usual:,.2f} at this hour",
    "resident_mb": "a worker uses {now:,.0f} MB of memory, usually {usual:,.0f}",
}
CHECKS = frozenset(f"usual_{name}" for name in FIGURES)


def hour_of(number: int, minutes: Sequence[Minute]) -> Hour | None:
    """An hour folded; None with too few minutes in which anybody asked."""
    asked = [minute for minute in minutes if minute.requests]
    if len(asked) < FEWEST_MINUTES:
        return None

    def middle(values: Sequence[float]) -> float:
        return float(np.median(values))

    return Hour(
        number=number,
        minutes=len(asked),
        requests=sum(minute.requests for minute in asked),
        p50_ms=middle([minute.quantile_ms(0.5) for minute in asked]),
        p99_ms=middle([minute.quantile_ms(0.99) for minute in asked]),
        cpu_ms=middle([_cpu_ms(minute) for minute in asked]),
        resident_mb=middle([max(w.resident_bytes for w in minute.workers) / 2**20 for minute in asked]),
        sync_most_s=middle([max(w.sync_most_s for w in minute.workers) for minute in asked]),
    )


def fold(known: Sequence[Hour], minutes: Sequence[Minute], now: float) -> tuple[list[Hour], Hour | None]:
    """Hours with the newest full one added where it is not there yet, oldest first; and that one, None else."""
    number = int(now // HOUR_S) - 1
    # Hours to come were written by a clock that was wrong: they must not keep those of now out.
    hours = sorted((hour for hour in known if hour.number <= number + 1), key=lambda hour: hour.number)[-KEPT:]
    if any(hour.number >= number for hour in hours):
        return list(hours), None
    made = hour_of(number, [m for m in minutes if int((m.end - MINUTE_S / 2) // HOUR_S) == number])
    return ([*hours, made][-KEPT:], made) if made is not None else (list(hours), None)


def same_hour(number: int, hours: Sequence[Hour]) -> list[Hour]:
    """Hours of earlier days at most one hour of day away."""
    return [
        h for h in hours if number - h.number >= 22 and min((number - h.number) % 24, (h.number - number) % 24) <= 1
    ]


def usual_of(hours: Sequence[Hour], now: float) -> Usual | None:
    """What is usual now; None where nothing is known of this hour."""
    like = same_hour(int(now // HOUR_S), hours)
    if not like:
        return None
    return Usual(
        requests_per_s=float(np.median([hour.requests / (hour.minutes * MINUTE_S) for hour in like])),
        p50_ms=float(np.median([hour.p50_ms for hour in like])),
        p99_ms=float(np.median([hour.p99_ms for hour in like])),
        sync_most_s=float(np.median([hour.sync_most_s for hour in like])),
    )


def allowed_a_look(settings: Settings) -> float:
    """False alarms that one figure of one hour may make."""
    return PARTS["infrastructure"] * settings.monitor.false_alarms_per_month / (HOURS_A_MONTH * len(FIGURES))


def changes(
    model: str, hour: Hour, hours: Sequence[Hour], allowed: float, causes: tuple[Cause, ...] = ()
) -> list[Finding]:  # fmt: skip
    """A finding for each figure of an hour that rose beyond what earlier days allow. allowed: false alarms a figure.

    Silent with fewer than five days. Pure.
    """
    from fairlead.lab.stats.quantiles import student

    like = same_hour(hour.number, hours)
    days = {(hour.number - other.number + 12) // 24 for other in like}
    if len(days) < FEWEST_DAYS:
        return []
    found = []
    height = student(1.0 - allowed, len(days) - 1) * math.sqrt(1.0 + 1.0 / len(days))
    for name, words in FIGURES.items():
        now, level, spread = getattr(hour, name), *_levels(hour, like, name)
        if now <= 0 or not math.isfinite(level):
            continue
        limit = max(height * max(spread, LEAST_SPREAD), math.log(LEAST_FACTOR))
        off = math.log(now) - level
        if off <= limit:
            continue
        usual, doubt = math.exp(level), math.exp(2.0 * spread)
        because = f": {causes[0].name}; {causes[0].why}" if causes else ""
        start = hour.number * HOUR_S
        found.append(
            Finding(
                id=finding_id(model, f"usual_{name}", (), start), model=model, area="infrastructure",
                check=f"usual_{name}", window=-1, since=start, size=now / usual, low=now / (usual * doubt),
                high=now * doubt / usual, unit="times the usual",
                message=words.format(now=now, usual=usual) + because,
                evidence={"limit": math.exp(limit), "usual": usual, "now": now, "days": float(len(days))},
                first=start, causes=causes,
            )
        )  # fmt: skip
    return found


def _levels(hour: Hour, like: Sequence[Hour], name: str) -> tuple[float, float]:
    """Mean over days of the logarithm of a figure, and its deviation between days and within them together."""
    by_day: dict[int, list[float]] = {}
    for other in like:
        value = getattr(other, name)
        if value > 0:
            by_day.setdefault((hour.number - other.number + 12) // 24, []).append(math.log(value))
    if len(by_day) < FEWEST_DAYS:
        return math.nan, 0.0
    means = np.array([np.mean(values) for values in by_day.values()])
    within = [np.var(values, ddof=1) for values in by_day.values() if len(values) > 1]
    # The mean of a day's hours varies less than one of them: what varies within a day comes on top.
    inside = float(np.mean(within)) if within else 0.0
    return float(means.mean()), math.sqrt(float(means.var(ddof=1)) + inside)


def _cpu_ms(minute: Minute) -> float:
    spent = sum(max(worker.busy, 0.0) * worker.seconds for worker in minute.workers)
    return 1e3 * spent / max(minute.requests, 1)


def encode(hours: Sequence[Hour]) -> bytes:
    """As a document."""
    return msgspec.json.encode(hours)


def decode(document: bytes | None) -> list[Hour]:
    """Hours of a document; none where there is none, or it is of another make."""
    if document is None:
        return []
    try:
        return msgspec.json.decode(document, type=list[Hour])
    except msgspec.MsgspecError:
        return []
