"""Hours in which nobody is to be told of what can wait."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fairlead.contract.errors import UsageError

_FORM = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})(?:\s+(\S+))?")


class Quiet(NamedTuple):
    """Every day from `start` to `end` by the clock on the wall of `zone`; over midnight if end is not after start."""

    start: time
    end: time
    zone: ZoneInfo

    def until(self, now: float) -> float | None:
        """When the quiet that holds now ends, in seconds since the epoch; None if none holds."""
        local = datetime.fromtimestamp(now, self.zone)
        clock = local.time().replace(tzinfo=None)
        if self.start < self.end:
            holds = self.start <= clock < self.end
        else:
            holds = clock >= self.start or clock < self.end
        if not holds:
            return None
        day = local.date() + timedelta(days=1 if self.start >= self.end and clock >= self.start else 0)
        return datetime.combine(day, self.end, self.zone).timestamp()


def parse_quiet(text: str) -> Quiet | None:
    """`alerts.quiet`, such as "22:00-07:00 Europe/Berlin" (UTC without a zone); None for "". Raises UsageError.

    >>> parse_quiet("22:00-07:00").until(23 * 3600.0)
    111600.0
    """
    if not text.strip():
        return None
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text!r} is no time of day: write it as 22:00-07:00 Europe/Berlin.")
    try:
        start, end = (time(int(found[n]), int(found[n + 1])) for n in (1, 3))
    except ValueError:
        raise UsageError(f"{text!r}: hours go from 00:00 to 23:59.") from None
    if start == end:
        raise UsageError(f"{text!r} begins when it ends: for a whole day take every address out of alerts.to.")
    try:
        zone = ZoneInfo(found[5] or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"{found[5]!r} is no time zone: write it as Europe/Berlin.") from None
    return Quiet(start, end, zone)
