"""What comes to the door, by the clock: for how long nothing did, and how much was refused and why. Pure.

Windows follow event time, which stands still when nothing comes; so this is asked at every pass, of counters.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from fairlead.contract.events import Finding
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.quality import wilson

HOUR, DAY = 3600.0, 86_400.0
WEEK_HOURS = 168
RING = 8 * 24
"""Hours that refusals are kept of."""

LONGEST = 20
MOST_REASONS = 50
LIVED_H = 72.0
LIVED_REQUESTS = 100
"""Hours and requests from which it is known how long silences usually are."""

FEWEST = 20
SHARE = 0.05
"""Refused requests, and their share of all, that are worth a word."""

OUTAGE = 0.5
"""Share of refused requests from which on it is critical: whoever asks gets no answer."""

UNKNOWN_AFTER_S = 3600.0
"""Between two looks further apart than this, silences that ended are not known."""


class Lived(msgspec.Struct, omit_defaults=True):
    """What was seen at the door so far. answered, refused: counters at the newest look, the latter by reason.

    looked, came: when it was looked last, and when something last had come. week, hours: requests and hours by hour
    of the week, (168,) each. silences: the longest, in requests
    that would usually have come meanwhile. ring: by hour since the epoch, answered and refused by reason.
    """

    answered: int = 0
    refused: dict[str, int] = {}
    looked: float = 0.0
    came: float = 0.0
    week: list[float] = msgspec.field(default_factory=lambda: [0.0] * WEEK_HOURS)
    hours: list[float] = msgspec.field(default_factory=lambda: [0.0] * WEEK_HOURS)
    silences: list[float] = []
    ring: dict[str, tuple[int, dict[str, int]]] = {}


def lived_on(before: Lived | None, answered: int, refused: Mapping[str, int], now: float) -> Lived:
    """With a look at the counters. A server that began anew counts from 0."""
    if before is None:
        return Lived(answered, dict(refused), now, now)
    if now <= before.looked:
        return before if before.looked - now <= UNKNOWN_AFTER_S else _set_back(before, answered, refused, now)
    anew = answered < before.answered
    more = answered - (0 if anew else before.answered)
    worse = {
        key: count - before.refused.get(key, 0) if count >= before.refused.get(key, 0) else count
        for key, count in refused.items()
    }
    worse = {key: count for key, count in worse.items() if count}
    arrived = more + sum(worse.values())
    apart = now - before.looked
    week, hours = list(before.week), list(before.hours)
    silences, came = before.silences, before.came
    if apart <= UNKNOWN_AFTER_S:
        at = int(before.looked // HOUR) % WEEK_HOURS
        week[at] += arrived
        hours[at] += apart / HOUR
    if arrived:
        # It was silent until the look before at least: what came since then may have come at once.
        silence = before.looked - before.came
        if silence > 0 and apart <= UNKNOWN_AFTER_S:
            longer = [*silences, float(expected_between(before, before.came, before.looked))]
            silences = sorted(longer, reverse=True)[:LONGEST]
        came = now
    ring = dict(before.ring)
    if arrived:
        hour = str(int(now // HOUR))
        some, reasons = ring.get(hour, (0, {}))
        added = {key: reasons.get(key, 0) + worse.get(key, 0) for key in {*reasons, *worse}}
        top = dict(sorted(added.items(), key=lambda item: -item[1])[:MOST_REASONS])
        ring[hour] = (some + more, top)
    oldest = int(now // HOUR) - RING
    ring = {hour: one for hour, one in ring.items() if int(hour) > oldest}
    return Lived(answered, dict(refused), now, came, week, hours, silences, ring)


def _set_back(before: Lived, answered: int, refused: Mapping[str, int], now: float) -> Lived:
    """After a clock that was far ahead was put right: what came meanwhile is not known, and the time it told is not
    waited for."""
    ring = {hour: one for hour, one in before.ring.items() if int(hour) <= now // HOUR}
    return msgspec.structs.replace(before, answered=answered, refused=dict(refused), looked=now, came=now, ring=ring)


def expected_between(lived: Lived, start: float, end: float) -> float:
    """Requests that would usually have come in [start, end), by hour of the week; at most of four weeks."""
    rates = _rates(lived)
    end = min(end, start + 4 * 7 * DAY)
    first, last = int(start // HOUR), int(end // HOUR)
    found = 0.0
    for hour in range(first, last + 1):
        part = min(end, (hour + 1) * HOUR) - max(start, hour * HOUR)
        found += float(rates[hour % WEEK_HOURS]) * part / HOUR
    return found


def _rates(lived: Lived) -> np.ndarray:
    """Requests an hour by hour of the week, (168,): of that hour where it was lived twice, else of the hour of day."""
    counts, hours = np.asarray(lived.week).reshape(7, 24), np.asarray(lived.hours).reshape(7, 24)
    daily = counts.sum(axis=0) / np.maximum(hours.sum(axis=0), 1e-9)
    lived_daily = hours.sum(axis=0) >= 0.5
    overall = counts.sum() / max(float(hours.sum()), 1e-9)
    daily = np.where(lived_daily, daily, overall)
    found: np.ndarray = np.where(hours >= 1.5, counts / np.maximum(hours, 1e-9), daily[None, :]).reshape(-1)
    return found


def silence(lived: Lived, model: str, a_month: float) -> Finding | None:
    """Nothing came for longer than it ever should. a_month: false alarms of this check in 30 days.

    Silences are measured in requests that would have come meanwhile, so that nights are as quiet as they are; the
    limit is that of the tail of the longest ones (`lab/stats/order.run_limit`).
    """
    from fairlead.lab.stats.order import run_limit

    hours, requests = sum(lived.hours), sum(lived.week)
    if hours < LIVED_H or requests < LIVED_REQUESTS:
        return None
    lacking = expected_between(lived, lived.came, lived.looked)
    usual = max(lived.silences, default=1.0)
    limit = max(run_limit([max(one, 1.0) for one in lived.silences], int(hours), 720, a_month), 10.0)
    if lacking <= limit:
        return None
    lasts = lived.looked - lived.came
    told = f"nothing came for {_span(lasts)}: at these hours {lacking:.0f} requests usually would have, and no silence "
    told += f"was longer than that of {usual:.0f}"
    return Finding(
        id=finding_id(model, "fresh", (), lived.came), model=model, area="traffic", check="fresh", window=0,
        since=lived.came, size=lasts / HOUR, low=lasts / HOUR, high=lasts / HOUR, unit="hours", message=told,
        severity="critical", evidence={"limit": limit, "usual": usual, "lacking": lacking}, first=lived.came,
    )  # fmt: skip


def _span(seconds: float) -> str:
    if seconds >= 2 * DAY:
        return f"{seconds / DAY:.1f} days"
    return f"{seconds / HOUR:.1f} hours" if seconds >= HOUR else f"{seconds / 60.0:.0f} minutes"


SAID = {
    "ColumnMissing": "a column that the model needs was left out",
    "ColumnUnknown": "columns that the model does not know were sent",
    "CellInvalid": "a cell is of another kind than its column, or beyond stated limits",
    "BodyInvalid": "the body could not be read",
    "ExpectationBroken": "a row breaks the data contract",
    "OutsidePopulation": "a row is outside the population that the model is meant for",
}


def refusals(lived: Lived, model: str, firsts: Mapping[str, float] | None = None) -> list[Finding]:
    """Reasons for which more requests are refused than usual, of the last hour, or of a day where an hour has few.

    firsts: when each reason was first met by the server, where that is known; else the hour has to do.

    What rows must look like is stated by the sealed signature and by people, so this is no part of the
    budget; what is rare, or was so before, is left out.
    """
    now = int(lived.looked // HOUR)
    for span in (1, 24):
        recent = [one for hour, one in lived.ring.items() if int(hour) > now - span]
        total = sum(answered + sum(reasons.values()) for answered, reasons in recent)
        if total >= 2 * FEWEST or span == 24:
            break
    earlier = [one for hour, one in lived.ring.items() if int(hour) <= now - span]
    before = sum(answered + sum(reasons.values()) for answered, reasons in earlier)
    found = []
    for reason in sorted({key for _, reasons in recent for key in reasons}):
        count = sum(reasons.get(reason, 0) for _, reasons in recent)
        usual = sum(reasons.get(reason, 0) for _, reasons in earlier) / max(before, 1)
        low, high = wilson(count, total)
        if count >= FEWEST and low > usual + SHARE:
            began = min(
                int(hour) for hour, (_, reasons) in lived.ring.items() if reason in reasons and int(hour) > now - span
            )
            first = (firsts or {}).get(reason, 0.0)
            # What was met before already, and came back, is known by the hour alone.
            since = first if began * HOUR <= first < (began + 1) * HOUR else began * HOUR
            found.append(_refused(model, reason, (count, total), (low, high), usual, span, since))
    return found[:MOST_REASONS]


def _refused(
    model: str,
    reason: str,
    counts: tuple[int, int],
    interval: tuple[float, float],
    usual: float,
    span: int,
    since: float,
) -> Finding:
    cause, _, column = reason.partition("|")
    columns = (column,) if column else ()
    count, total = counts
    where = "hour" if span == 1 else "24 hours"
    told = f"{count} of {total} requests of the last {where} were refused: {SAID.get(cause, cause)}"
    told += f" (column {column})" if column else ""
    return Finding(
        id=finding_id(model, f"refused:{cause}", columns, since), model=model, area="quality",
        check=f"refused:{cause}", window=0, since=since, size=count / total, low=interval[0], high=interval[1],
        unit="share of requests", message=f"{told}; usually {usual:.1%}", columns=columns,
        evidence={"limit": usual + SHARE, "usual": usual, "refused": float(count)}, first=since,
        severity="critical" if interval[0] >= OUTAGE else "warning",
    )  # fmt: skip


def told_by_the_clock(check: str) -> bool:
    """Whether a finding of this check is made at passes, so that no window ends it."""
    return check == "fresh" or check.startswith("refused:")
