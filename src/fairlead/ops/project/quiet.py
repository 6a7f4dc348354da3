"""Hours in which nobody is to be told of what can wait."""

from __future__ import annotations

import re
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fairlead.contract.errors import UsageError
from fairlead.ops.project.calendar import Span, parse_span

_ZONE = re.compile(r"(.*\d)\s+([A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+/-]+)?)", re.DOTALL)
# People write 22:00-07:00 without the spaces that dates need.
_TIGHT = re.compile(r"(\d{1,2}:\d{2})\s*[-–]\s*(?=\w)")


class Quiet(NamedTuple):
    """A recurring span by the clock on the wall of `zone`."""

    span: Span
    zone: ZoneInfo

    def until(self, now: float) -> float | None:
        """When the quiet that holds now ends, in seconds since the epoch; None if none holds."""
        return self.span.until(now, self.zone)


def parse_quiet(text: str) -> Quiet | None:
    """`alerts.quiet`, such as "22:00-07:00 Europe/Berlin" (UTC without a zone); None for "". Raises UsageError.

    >>> parse_quiet("22:00-07:00").until(23 * 3600.0)
    111600.0
    """
    if not text.strip():
        return None
    zoned = _ZONE.fullmatch(text.strip())
    span, zone = (zoned[1], zoned[2]) if zoned else (text.strip(), "UTC")
    try:
        where = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"{zone!r} is no time zone: write it as 22:00-07:00 Europe/Berlin.") from None
    return Quiet(parse_span(_TIGHT.sub(r"\1 - ", span)), where)
