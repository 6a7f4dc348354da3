"""How the project's windows lie on the blocks that the reference is made of, and what is judged as one.

A *block* is a day of the reference (an hour where windows are shorter than a day and the reference knows hours; so
many rows where there is no time). A *unit* is what the budget is counted in: a window with all early looks inside it,
or a day with all windows that end in it, whichever is longer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fairlead.contract.profile import Reference
from fairlead.contract.settings import Settings
from fairlead.ops.monitor.budget import JOINT
from fairlead.ops.monitor.windows import DAY, MONTH_DAYS, window_spec

HOUR = 3600.0
MOST_LOOKS = 31
MOST_RATE = 0.5
SHARE_OF_BLOCKS = 4
"""Longest window or unit that the reference can show: a quarter of its blocks."""


@dataclass(frozen=True)
class Grid:
    """slots: (blocks,) place of each block in time, counted in blocks, ascending. block_s: seconds a block, 0 without
    time. length: blocks of a window. looks: lengths at which a window is looked at, the last at its end. per_block:
    windows a block where they are shorter, else 1. unit: blocks of a unit, 0 where the reference cannot show one.
    rate: false alarms a unit. unit_s: seconds of event time of a unit. rows: of a window shorter than a block, else 0.
    """

    slots: np.ndarray
    block_s: float
    length: int
    looks: tuple[int, ...]
    per_block: float
    unit: int
    rate: float
    unit_s: float
    rows: float = 0.0

    @property
    def needed(self) -> float:
        """Units that must be known before a limit can keep the budget."""
        return 1.0 / self.rate - 1.0

    @property
    def by_day(self) -> bool:
        """Whether a unit is a day of several windows."""
        return self.unit != self.length or self.per_block > 1

    def slot_of(self, at: float) -> int:
        """The slot of an event time."""
        return int(np.floor(at / self.block_s + 1e-6)) if self.block_s else 0

    def look_of(self, elapsed: float) -> int:
        """The longest look that fits into `elapsed` blocks; the first where none does."""
        return max((look for look in self.looks if look <= elapsed + 0.5), default=self.looks[0])


def grid_of(reference: Reference, settings: Settings, seconds_per_row: float = 0.0) -> Grid:
    """Where the project's windows lie. seconds_per_row: the pace seen, 0 while unknown."""
    starts = np.asarray([b.start for b in reference.blocks])
    timed = len(starts) > 0 and all(b.end > 0 for b in reference.blocks)
    sizes = np.asarray([b.rows for b in reference.blocks], dtype=np.float64)
    usual = max(float(np.median(sizes)), 1.0) if len(sizes) else 1.0
    if timed and reference.hours is not None:
        hours = reference.hours
        return _timed(np.asarray(hours.slots) * HOUR, float(np.median(hours.rows)), settings, seconds_per_row, HOUR)
    if timed:
        block_s = DAY if len(np.unique(np.floor(starts / DAY))) == len(starts) else HOUR
        return _timed(starts, usual, settings, seconds_per_row, block_s)
    return _untimed(len(starts), usual, settings, seconds_per_row)


def _timed(starts: np.ndarray, usual: float, settings: Settings, seconds_per_row: float, block_s: float) -> Grid:
    spec = window_spec(settings)
    slots = np.floor(starts / block_s + 1e-6).astype(np.int64)
    pace = seconds_per_row or block_s / usual
    window_s = spec.seconds if spec.timed else spec.rows * pace
    covered = int(slots[-1] - slots[0]) + 1
    length = int(np.clip(round(window_s / block_s), 1, max(covered // SHARE_OF_BLOCKS, 1)))
    per_block = max(block_s / window_s, 1.0)
    unit_s = max(window_s, DAY)
    unit = max(length, round(DAY / block_s))
    rate = min(_monthly(settings) * unit_s / (MONTH_DAYS * DAY), MOST_RATE)
    looks = _looks(length) if block_s == DAY else (length,)
    rows = float(spec.rows or usual / per_block) if per_block > 1 else 0.0
    return Grid(slots, block_s, length, looks, per_block, unit, rate, unit_s, rows)


def _untimed(blocks: int, usual: float, settings: Settings, seconds_per_row: float) -> Grid:
    spec = window_spec(settings)
    rows = float(spec.rows or (spec.seconds / seconds_per_row if seconds_per_row else usual))
    window_s = rows * seconds_per_row or DAY
    length = int(np.clip(round(rows / usual), 1, max(blocks // SHARE_OF_BLOCKS, 1)))
    per_block = max(usual / rows, 1.0)
    unit_s = max(window_s, DAY)
    unit = length
    if window_s < DAY:
        whole = round(DAY / seconds_per_row / usual)
        # Rows in no order tell nothing of days; but where a day is few of them, it is made of what there is.
        unit = whole if 1 <= whole <= blocks // SHARE_OF_BLOCKS else 0
        unit = unit - unit % length if unit >= length else 0
    rate = min(_monthly(settings) * unit_s / (MONTH_DAYS * DAY), MOST_RATE)
    slots = np.arange(blocks, dtype=np.int64)
    return Grid(slots, 0.0, length, (length,), per_block, unit, rate, unit_s, rows if per_block > 1 else 0.0)


def _monthly(settings: Settings) -> float:
    return settings.monitor.false_alarms_per_month * JOINT


def _looks(length: int) -> tuple[int, ...]:
    step = -(-length // MOST_LOOKS)
    return tuple(sorted({*range(step, length, step), length}))
