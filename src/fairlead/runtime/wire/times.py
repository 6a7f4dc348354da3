"""Event times as people write them: numbers, ISO 8601 dates and times, or a date column and an hour column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

_LONGEST = 40


def seconds(value: object) -> float | None:
    """Seconds since the epoch (UTC), or None when `value` is no time.

    A number is taken as seconds since the epoch; text as ISO 8601, where a time without zone is UTC.

    >>> seconds("2011-01-01T05:00:00"), seconds(12.5), seconds("soon")
    (1293858000.0, 12.5, None)
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def event_time(parts: Sequence[object]) -> float | None:
    """The time that one or two columns make: a time, or a date and an hour of the day (0 to 23).

    >>> event_time(["2011-01-01", 5])
    1293858000.0
    """
    if not parts:
        return None
    start = seconds(parts[0])
    if start is None or len(parts) == 1:
        return start
    total = start
    for part in parts[1:]:
        if isinstance(part, str):
            try:
                part = float(part)
            except ValueError:
                return None
        if isinstance(part, bool) or not isinstance(part, (int, float)) or not math.isfinite(part):
            return None
        total += float(part) * 3600.0
    return total
