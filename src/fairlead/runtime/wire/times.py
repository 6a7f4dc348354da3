"""Event times as people write them: numbers, dates and times, or a date column and an hour column.

Read as `lab/tables` reads the same cells in a table, so that a record's time is the one its row would have had
in training.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

from fairlead.runtime.bundle.zones import instant

_LONGEST = 40
_EPOCH = datetime(1970, 1, 1)
_OTHER_DATES = re.compile(r"(?:(\d{4})/(\d{2})/(\d{2})|(\d{2})\.(\d{2})\.(\d{4}))(?=[T ]|$)", re.ASCII)
_CLOCK = re.compile(r"\s*(\d{1,2}):(\d{2})(?::(\d{2}))?\s*", re.ASCII)


def seconds(value: object, zone: tzinfo = UTC) -> float | None:
    """Seconds since the epoch, or None when `value` is no time.

    A number is seconds since the epoch; from 1e11 on milliseconds, from 1e14 micro-, from 1e17 nanoseconds.
    Text is ISO 8601, 2011/01/31 or 31.01.2011. zone: of times that carry none.

    >>> seconds("2011-01-01T05:00:00"), seconds("01.01.2011 05:00"), seconds(12.5), seconds("soon")
    (1293858000.0, 1293858000.0, 12.5, None)
    """
    if isinstance(value, str):
        moment = _moment(value)
        if zone is UTC and moment is not None and moment.tzinfo is None:
            return (moment - _EPOCH).total_seconds()  # what `instant` says, sooner
        try:
            return None if moment is None else instant(moment, zone)
        except OverflowError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return _epoch(number) if math.isfinite(number) else None


def event_time(parts: Sequence[object], zone: tzinfo = UTC) -> float | None:
    """The time that one or two columns make: a time, or a date and an hour of the day (0 to 24, or as 17:30).

    The hour is one of the wall clock: it is added before the zone is applied.

    >>> event_time(["2011-01-01", 5]), event_time(["2011-01-01", "05:30"])
    (1293858000.0, 1293859800.0)
    """
    if not parts:
        return None
    if len(parts) == 1:
        return seconds(parts[0], zone)
    date = seconds(parts[0])
    hours = [_hour(part) for part in parts[1:]]
    if date is None or None in hours:
        return None
    wall = date + sum(hour for hour in hours if hour is not None) * 3600.0
    if zone is UTC:
        return wall
    try:
        # Microseconds, as a table's times have them: a third of an hour is no whole number of them.
        whole = round(wall * 1e6)
        moment = datetime.fromtimestamp(whole // 1_000_000, UTC).replace(tzinfo=None, microsecond=whole % 1_000_000)
        return instant(moment, zone)
    except (OverflowError, ValueError, OSError):
        return None


def wall_time(moment: float, zone: tzinfo) -> str:
    """An instant as its wall time in `zone`, ISO 8601 without offset."""
    return datetime.fromtimestamp(moment, zone).replace(tzinfo=None).isoformat()


def _moment(text: str) -> datetime | None:
    text = text.strip()
    if len(text) > _LONGEST:
        return None
    other = None if text[4:5] == "-" else _OTHER_DATES.match(text)
    if other is not None:
        year, month, day = other.group(1, 2, 3) if other.group(1) else other.group(6, 5, 4)
        text = f"{year}-{month}-{day}{text[other.end() :]}"
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _epoch(number: float) -> float:
    size = abs(number)
    if size < 1e11:
        return number
    return number / (1e9 if size >= 1e17 else 1e6 if size >= 1e14 else 1e3)


def _hour(part: object) -> float | None:
    """Hours since midnight, 0 to 24."""
    if isinstance(part, str):
        clock = _CLOCK.fullmatch(part)
        if clock is not None:
            hour, minute, second = clock.groups()
            part = int(hour) + int(minute) / 60 + int(second or 0) / 3600
        else:
            try:
                part = float(part)
            except ValueError:
                return None
    if isinstance(part, bool) or not isinstance(part, (int, float)):
        return None
    return float(part) if 0 <= part <= 24 else None
