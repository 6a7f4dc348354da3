"""Recurring times as people write them: when nothing may change, when something is due.

A span has two ends of the same kind, "Fri 16:00 - Mon 08:00" (each week), "22:00 - 06:00" (each day),
"12-20 - 01-05" (each year, whole days, the last one too), "2026-12-20 - 2027-01-05" (once); a moment is one end with
a time of day, "Sun 03:00", "03:00" or "1. 03:00" (each month, days 1 to 28). All are local times of a zone.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, tzinfo

import msgspec

from fairlead.contract.errors import UsageError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = r"(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)"
_WEEKLY = re.compile(rf"^(?P<day>mon|tue|wed|thu|fri|sat|sun)[a-z]*\s+{_CLOCK}$", re.IGNORECASE)
_DAILY = re.compile(rf"^{_CLOCK}$")
_MONTHLY = re.compile(rf"^(?P<day>[1-9]|1\d|2[0-8])\.\s+{_CLOCK}$")
_YEARLY = re.compile(r"^(?P<month>0[1-9]|1[0-2])-(?P<day>0[1-9]|[12]\d|3[01])$")
_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_BETWEEN = re.compile(r"\s+(?:-|–|to)\s+")
SPAN_AS = "as 'Fri 16:00 - Mon 08:00', '22:00 - 06:00', '12-20 - 01-05' or '2026-12-20 - 2027-01-05'"
MOMENT_AS = "as 'Sun 03:00', '03:00' or '1. 03:00'"


class Span(msgspec.Struct, frozen=True):
    """kind: weekly, daily, yearly or once. start, end: minutes into the week or day; month * 100 + day; day numbers."""

    kind: str
    start: int
    end: int
    text: str

    def until(self, at: float, zone: tzinfo) -> float | None:
        """When the span that holds `at` (seconds since the epoch) is over; None where it does not hold it."""
        local = datetime.fromtimestamp(at, zone)
        if self.kind == "once":
            day = local.date().toordinal()
            return _begin(date.fromordinal(self.end + 1), zone) if self.start <= day <= self.end else None
        if self.kind == "yearly":
            return self._until_date(local.date(), zone)
        into = local.hour * 60 + local.minute
        turn = 1440
        if self.kind == "weekly":
            into, turn = into + local.weekday() * 1440, 7 * 1440
        if not _within(into, self.start, self.end):
            return None
        midnight = local.date() - timedelta(days=local.weekday() if self.kind == "weekly" else 0)
        days, minutes = divmod(self.end + (turn if self.end <= into else 0), 1440)
        return _begin(midnight + timedelta(days=days), zone, minutes)

    def _until_date(self, day: date, zone: tzinfo) -> float | None:
        here = day.month * 100 + day.day
        inside = self.start <= here <= self.end if self.start <= self.end else here >= self.start or here <= self.end
        if not inside:
            return None
        year = day.year + (self.start > self.end and here >= self.start)
        month, number = divmod(self.end, 100)
        leap = (month, number) == (2, 29) and not (year % 4 == 0 and (year % 100 != 0 or year % 400 == 0))
        return _begin(date(year, month, number - leap) + timedelta(days=1), zone)


class Moment(msgspec.Struct, frozen=True):
    """kind: weekly, daily or monthly. day: 0 for Monday, or of the month; minutes: of the day."""

    kind: str
    day: int
    minutes: int
    text: str

    def after(self, at: float, zone: tzinfo) -> float:
        """The first such moment later than `at`, seconds since the epoch."""
        day = datetime.fromtimestamp(at, zone).date()
        for ahead in range(64):
            one = day + timedelta(days=ahead)
            if self.kind == "weekly" and one.weekday() != self.day:
                continue
            if self.kind == "monthly" and one.day != self.day:
                continue
            found = _begin(one, zone, self.minutes)
            if found > at:
                return found
        raise AssertionError("every kind of moment comes within two months")


def parse_span(text: str) -> Span:
    """Raises UsageError with what would be right.

    >>> parse_span("Fri 16:00 - Mon 08:00").kind
    'weekly'
    """
    ends = _BETWEEN.split(text.strip())
    if len(ends) != 2:
        raise UsageError(f"{text!r} is no span of the calendar; write it {SPAN_AS}.")
    (kind, start), (other, end) = _end_of(ends[0], text), _end_of(ends[1], text)
    if kind != other:
        raise UsageError(f"{text!r}: both ends have to be of one kind; write it {SPAN_AS}.")
    if kind == "once" and end < start:
        raise UsageError(f"{text!r} ends before it begins.")
    if start == end and kind in ("weekly", "daily"):
        raise UsageError(f"{text!r} is empty.")
    return Span(kind, start, end, text.strip())


def parse_moment(text: str) -> Moment:
    """Raises UsageError with what would be right.

    >>> parse_moment("Sun 03:00").minutes
    180
    """
    cut = text.strip()
    for kind, pattern in (("weekly", _WEEKLY), ("daily", _DAILY), ("monthly", _MONTHLY)):
        found = pattern.match(cut)
        if found and _minutes(found) < 1440:
            day = 0
            if kind == "weekly":
                day = DAYS.index(found["day"].lower())
            elif kind == "monthly":
                day = int(found["day"])
            return Moment(kind, day, _minutes(found), cut)
    raise UsageError(f"{text!r} is no moment of the calendar; write it {MOMENT_AS}.")


def held_until(spans: tuple[str, ...], at: float, zone: tzinfo) -> tuple[float, str] | None:
    """When the last of the spans that hold `at` is over, and the one that is; None where none does.

    Spans that follow upon one another are one; at most 16 are followed.
    """
    found: tuple[float, str] | None = None
    moment = at
    parsed = [parse_span(text) for text in spans]
    for _ in range(16):
        ends = [(end, span.text) for span in parsed if (end := span.until(moment, zone)) is not None]
        if not ends or max(ends)[0] <= moment:
            break
        found = max(ends)
        moment = found[0]
    return found


def _end_of(text: str, whole: str) -> tuple[str, int]:
    if found := _WEEKLY.match(text):
        if _minutes(found) > 1440:
            raise UsageError(f"{whole!r}: {text!r} is no time of day.")
        return "weekly", (DAYS.index(found["day"].lower()) * 1440 + _minutes(found)) % (7 * 1440)
    if found := _DAILY.match(text):
        if _minutes(found) > 1440:
            raise UsageError(f"{whole!r}: {text!r} is no time of day.")
        return "daily", _minutes(found) % 1440
    if found := _YEARLY.match(text):
        try:
            date(2024, int(found["month"]), int(found["day"]))
        except ValueError as error:
            raise UsageError(f"{whole!r}: {text!r} is no day of the year.") from error
        return "yearly", int(found["month"]) * 100 + int(found["day"])
    if _DATE.match(text):
        try:
            return "once", date.fromisoformat(text).toordinal()
        except ValueError as error:
            raise UsageError(f"{whole!r}: {text!r} is no date.") from error
    raise UsageError(f"{whole!r}: {text!r} is no end of a span; write it {SPAN_AS}.")


def _minutes(found: re.Match[str]) -> int:
    return int(found["hour"]) * 60 + int(found["minute"])


def _within(into: int, start: int, end: int) -> bool:
    return start <= into < end if start < end else into >= start or into < end


def _begin(day: date, zone: tzinfo, minutes: int = 0) -> float:
    """Local time of a day as seconds since the epoch; one that a change of the clocks skips comes as it is reckoned."""
    hours, rest = divmod(minutes, 60)
    extra, hour = divmod(hours, 24)
    return datetime.combine(day + timedelta(days=extra), time(hour, rest), zone).timestamp()
