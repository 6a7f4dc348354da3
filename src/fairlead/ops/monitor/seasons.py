"""What a window is compared with: all of the reference, or the same hour, weekday or hour of the week."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fairlead.contract.settings import Settings
from fairlead.ops.monitor.folding import by_phase, runs, taken, without
from fairlead.ops.monitor.grid import Grid
from fairlead.ops.monitor.statistic import Folded, Statistic
from fairlead.ops.monitor.windows import DAY

REPEATED = 8
"""Times that the reference must have seen a season before windows are compared within it."""

BETTER = 0.97
"""A season is taken where windows lie so much closer to their like than to all (mean squared value)."""


@dataclass(frozen=True)
class Season:
    """length: slots after which it repeats itself, 0 for none. step: slots of a phase. told: in words."""

    length: int
    step: int
    told: str

    @property
    def phases(self) -> int:
        """How many places a season has."""
        return max(self.length // self.step, 1) if self.length else 1

    def phase(self, slot: int) -> int:
        """The place of a slot."""
        return int(slot % self.length // self.step) % self.phases if self.length else 0

    def phases_of(self, slots: np.ndarray) -> np.ndarray:
        """The place of each slot, (n,)."""
        if not self.length:
            return np.zeros(len(slots), dtype=np.int64)
        found: np.ndarray = (slots % self.length // self.step) % self.phases
        return found


NONE = Season(0, 1, "the reference")


def seasons_for(grid: Grid) -> dict[str, Season]:
    """Seasons that windows of this grid can have: "day", "week"."""
    if not grid.block_s:
        return {}
    a_day, a_week = round(DAY / grid.block_s), round(7 * DAY / grid.block_s)
    if a_day > 1:
        step = grid.length if a_day % grid.length == 0 else 1
        return {
            "day": Season(a_day, step, "the same hours of other days"),
            "week": Season(a_week, step, "the same hours of the week"),
        }
    return {"week": Season(a_week, 1, "the same weekdays")}


def season_of(blocks: Folded, grid: Grid, settings: Settings, statistics: tuple[Statistic, ...]) -> Season:
    """The season to compare within, as asked for, or by which windows lie closest to their like."""
    asked = settings.monitor.seasons
    possible = {
        name: season
        for name, season in seasons_for(grid).items()
        if asked in ("auto", name) and grid.slots[-1] - grid.slots[0] + 1 >= REPEATED * season.length
    }
    if asked == "none" or not possible:
        return NONE
    if asked != "auto":
        return possible[asked]
    chosen, least = NONE, BETTER * _apart(blocks, grid, NONE, statistics)
    for season in possible.values():
        apart = _apart(blocks, grid, season, statistics)
        if apart < least:
            chosen, least = season, BETTER * apart
    return chosen


def _apart(blocks: Folded, grid: Grid, season: Season, statistics: tuple[Statistic, ...]) -> float:
    """How far the shortest windows lie from others like them: mean squared distance over columns and windows."""
    look = grid.looks[0]
    starts = np.arange(int(grid.slots[0]), int(grid.slots[-1]) - look + 2, look)
    first, last = np.searchsorted(grid.slots, starts), np.searchsorted(grid.slots, starts + look)
    there = last > first
    windows, phase = runs(blocks, first[there], last[there]), season.phases_of(starts[there])
    rest = without(taken(by_phase(windows, phase, season.phases), phase), windows)
    drift = [s for s in statistics if s.floor == "drift"]
    values = [v for s in drift for v in s.values(windows, rest).values()]
    return float(np.nanmean(np.square(values))) if values and np.isfinite(values).any() else np.inf
