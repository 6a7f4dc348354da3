"""Weekdays and hours of the day that the windows a limit rests on never were of: there nobody knows what is usual."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fairlead.contract.events import Window
from fairlead.ops.monitor.windows import DAY

WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
HOUR = 3600.0
THURSDAY = 3
"""The first day of the epoch."""


def unseen(window: Window, known: Iterable[tuple[float, float]]) -> str:
    """The weekday or hour of a window that none of `known` was of, "" where there is none, or windows have no time.

    known: start and end of each. Windows of a week or longer hold every weekday, those of a day or longer every hour.
    A window is of the weekday and hour of its middle, so that whole days of any time zone are told apart.

    >>> unseen(Window("m", 9, 2 * DAY, 3 * DAY), [(day * DAY, (day + 1) * DAY) for day in (0, 1, 4, 5, 6)])
    'Saturdays'
    """
    spans = np.asarray([(start, end) for start, end in known if end > start], dtype=np.float64).reshape(-1, 2)
    length = window.end - window.start
    if not len(spans) or not 0.0 < length < 7.0 * DAY:
        return ""
    middles, middle = spans.mean(axis=1), (window.start + window.end) / 2.0
    weekday = _weekday(middle)
    if weekday not in _weekday(middles):
        return WEEKDAYS[int(weekday)]
    hour = _hour(middle)
    return f"{int(hour)}:00 to {int(hour) + 1}:00" if length < DAY and hour not in _hour(middles) else ""


def _weekday(at: np.ndarray | float) -> np.ndarray:
    return np.asarray((np.floor(np.asarray(at) / DAY) + THURSDAY) % 7, dtype=np.int64)


def _hour(at: np.ndarray | float) -> np.ndarray:
    return np.asarray(np.floor(np.asarray(at) % DAY / HOUR), dtype=np.int64)
