"""Window arithmetic: which window a moment or a row belongs to, and which windows are over.

Everything is event time. The same functions serve the wall clock and a replay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
import numpy as np

from fairlead.contract.errors import ConfigInvalid, UsageError
from fairlead.contract.settings import Settings
from fairlead.ops.project.durations import parse_duration

DAY = 86_400.0
WEEK = 7 * DAY
MONTH_DAYS = 30.0
# 1970-01-05 was a Monday: whole weeks begin where people's weeks do.
MONDAY = 4 * DAY


class WindowSpec(msgspec.Struct, frozen=True):
    """How long a window is: `seconds` of event time, or `rows` rows; the other is 0.

    epoch: event time at which window 0 begins (time windows).
    """

    seconds: float = 0.0
    rows: int = 0
    epoch: float = 0.0

    @property
    def timed(self) -> bool:
        """Whether windows are intervals of event time."""
        return self.seconds > 0

    def index(self, at: float) -> int:
        """The window that holds event time `at` (time windows). Negative before the epoch."""
        return int(np.floor((at - self.epoch) / self.seconds))

    def indices(self, times: np.ndarray) -> np.ndarray:
        """The window of each row: (n,) int64; of row windows, times are ignored and rows counted in order."""
        if not self.timed:
            return np.arange(len(times), dtype=np.int64) // self.rows
        return np.floor((np.asarray(times, dtype=np.float64) - self.epoch) / self.seconds).astype(np.int64)

    def bounds(self, index: int) -> tuple[float, float]:
        """Start and end of a window: event times, or row numbers for row windows; the end is not part of it."""
        if not self.timed:
            return float(index * self.rows), float((index + 1) * self.rows)
        return self.epoch + index * self.seconds, self.epoch + (index + 1) * self.seconds

    def due(self, after: int, watermark: float) -> Iterator[int]:
        """Windows later than `after` that end at or before the watermark, oldest first (time windows)."""
        last = int(np.floor((watermark - self.epoch) / self.seconds)) - 1
        return iter(range(after + 1, last + 1))

    def per_month(self, seconds_per_row: float = 0.0) -> float:
        """Windows in 30 days. Row windows need the pace of rows; without it one window a day is assumed."""
        if self.timed:
            return MONTH_DAYS * DAY / self.seconds
        return MONTH_DAYS * DAY / (self.rows * seconds_per_row) if seconds_per_row > 0 else MONTH_DAYS


class Watermark(msgspec.Struct, frozen=True):
    """How far event time has come: everything before `at` is taken as seen.

    largest: largest event time of any record. lateness: seconds that records may come late.
    """

    largest: float = -np.inf
    lateness: float = 0.0

    def seen(self, at: float) -> Watermark:
        """The watermark after a record of event time `at`; it never goes back."""
        return msgspec.structs.replace(self, largest=max(self.largest, at))

    def at(self, now: float) -> float:
        """Largest event time less the lateness, never beyond `now`: a clock that runs ahead closes nothing early."""
        return min(self.largest, now) - self.lateness


def duration(text: str, key: str = "") -> float:
    """Seconds of "90d", "24h", "30m", "10s", "2w", as configuration reads them. Raises ConfigInvalid naming `key`."""
    try:
        return parse_duration(text)
    except UsageError as wrong:
        raise ConfigInvalid(str(wrong), key=key) from wrong


def window_spec(settings: Settings) -> WindowSpec:
    """The project's windows: `monitor.window`, else a week with event time, 500 rows without. Raises ConfigInvalid."""
    text = settings.monitor.window or ("7d" if settings.model.time_columns else "500rows")
    rows = re.fullmatch(r"\s*(\d+)\s*rows?\s*", text)
    if rows:
        if int(rows[1]) < 1:
            raise ConfigInvalid("a window needs at least one row.", key="monitor.window")
        return WindowSpec(rows=int(rows[1]))
    try:
        seconds = duration(text, "monitor.window")
    except ConfigInvalid as error:
        cure = "Write it as 7d, 24h, 30m or 500rows."
        raise ConfigInvalid(f"{text!r} is no window.", key="monitor.window", cure=cure) from error
    if seconds <= 0:
        raise ConfigInvalid("a window must last longer than nothing.", key="monitor.window")
    return WindowSpec(seconds=seconds, epoch=MONDAY if seconds % WEEK == 0 else 0.0)


def window_numbers(times: np.ndarray, settings: Settings) -> np.ndarray:
    """Consecutive window numbers of rows in time order: (n,) int64, the oldest row in window 0."""
    found = window_spec(settings).indices(times)
    return found - found[0] if found.size else found


def run_length(settings: Settings, seconds_per_row: float = 0.0) -> float:
    """Windows between two false alarms that `monitor.false_alarms_per_month` allows, for all checks together."""
    return window_spec(settings).per_month(seconds_per_row) / settings.monitor.false_alarms_per_month
