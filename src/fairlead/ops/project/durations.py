"""Spans of time and windows as people write them."""

from __future__ import annotations

import re

import msgspec

from fairlead.contract.errors import UsageError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?)\s*([smhdw])\s*$")
_ROWS = re.compile(r"^\s*([0-9]+)\s*rows?\s*$")
LONGEST_S = 36_525 * 86_400.0
"""A hundred years: times that lie further away are no dates any more."""
MOST_ROWS = 10**12


class WindowSize(msgspec.Struct, frozen=True):
    """A window by time or by rows: exactly one of the two is above 0. seconds: of event time."""

    seconds: float = 0.0
    rows: int = 0


def parse_duration(text: str) -> float:
    """Seconds of 90s, 15m, 24h, 7d or 2w. Raises UsageError.

    >>> parse_duration("7d")
    604800.0
    """
    found = _DURATION.match(text)
    if not found:
        raise UsageError(f"{text!r} is no span of time; write a number and a unit, as 90s, 15m, 24h, 7d or 2w.")
    seconds = float(found[1]) * _UNITS[found[2]]
    if seconds > LONGEST_S:
        raise UsageError(f"{text!r} is more than a hundred years.")
    return seconds


def parse_window(text: str) -> WindowSize:
    """A window of 7d, 24h or 500rows. Raises UsageError.

    >>> parse_window("500rows")
    WindowSize(seconds=0.0, rows=500)
    """
    rows = _ROWS.match(text)
    size = WindowSize(rows=int(rows[1])) if rows else None
    if size is None:
        if not _DURATION.match(text):
            raise UsageError(f"{text!r} is no window; write a span of time or a number of rows, as 7d, 24h or 500rows.")
        size = WindowSize(seconds=parse_duration(text))
    if size.rows > MOST_ROWS:
        raise UsageError(f"{text!r} is more than {MOST_ROWS:,} rows, which no window ever holds.")
    if size.seconds <= 0 and size.rows <= 0:
        raise UsageError(f"{text!r} is an empty window.")
    return size


def parse_windows(text: str) -> tuple[int, float]:
    """A span counted in windows, "2windows", or in time, "14d": (windows, 0.0) or (0, seconds). Raises UsageError.

    >>> parse_windows("2windows")
    (2, 0.0)
    """
    counted = re.match(r"^\s*([0-9]+)\s*windows?\s*$", text)
    if counted:
        return int(counted[1]), 0.0
    try:
        return 0, parse_duration(text)
    except UsageError:
        raise UsageError(f"{text!r} is no span; write windows or time, as 2windows or 14d.") from None
