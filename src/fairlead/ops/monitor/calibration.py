"""Where alarms begin: the joint maximum of all statistics over units of the reference, and what a window is beside it.

For every window that the reference can show (all runs of as many of its blocks; of each look inside them) the same
statistics are asked as for a live one, each against the rest of the reference. What they say is put on one scale
(deviations from the usual of that look and season), the largest of all keys and looks is taken for each unit, and a
live window speaks when a unit of the reference would go as far no more often than the budget allows. It is a conformal
p-value of one maximum: days may depend on each other within a unit, columns on columns, and no distribution is taken
for granted, but for that units come as they came.
Sources: Westfall and Young, Resampling-Based Multiple Testing (1993); Vovk et al. (2005); Politis and Romano,
subsampling (Annals of Statistics, 1994).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from fairlead.contract.events import Window
from fairlead.contract.profile import Profile, Reference
from fairlead.contract.settings import Settings
from fairlead.ops.monitor.folding import taken
from fairlead.ops.monitor.grid import Grid, grid_of
from fairlead.ops.monitor.grouped import folded_blocks
from fairlead.ops.monitor.levels import FEWEST, LEAST_ROWS, Key, Level, fewer_rows, level_in
from fairlead.ops.monitor.seasons import NONE, Season, season_of
from fairlead.ops.monitor.statistic import Folded, Judged, Statistic, folded, folded_hours, merged_bins

FEWER = 0.8
"""Part of the usual rows under which a window is compared with windows of as few rows."""


@dataclass(frozen=True)
class Calibration:
    """What the reference says of windows like the project's. Made by `calibration_of`.

    units: largest deviation in each unit, weights: how many units each stands for (runs overlap). limit: deviation from
    which on a window speaks; provisional: it is a guess. live: units lived through that joined (see `joining`).
    """

    grid: Grid
    settings: Settings
    statistics: tuple[Statistic, ...]
    sealed: Profile
    levels: Mapping[int, Level]
    units: np.ndarray
    weights: np.ndarray
    season: Season
    groups: Mapping[Key, np.ndarray | None] = field(default_factory=dict)
    live: tuple[float, ...] = ()
    excluded: int = 0

    @cached_property
    def known(self) -> float:
        """Units that the limit rests on."""
        return float(self.weights.sum()) + len(self.live) + self.excluded

    @property
    def provisional(self) -> bool:
        """Whether there are too few units to keep the budget: "calibrating"."""
        return bool(self.known + 1e-9 < self.grid.needed) or not np.isfinite(self.limit)

    @property
    def days_left(self) -> float:
        """Days of live windows until it is calibrated; 0 once it is."""
        return max(self.grid.needed - self.known, 0.0) * self.grid.unit_s / 86_400.0 if self.provisional else 0.0

    @cached_property
    def limit(self) -> float:
        """Deviation from which on a window speaks; infinite where nothing at all is known."""
        return height_of(self.units, self.weights, self.live, self.excluded, self.grid.rate)

    def p(self, deviation: float) -> float:
        """How often units go as far: (1 + those that did) / (1 + all)."""
        units, above = self._above
        beyond = float(above[np.searchsorted(units, deviation)]) + sum(u >= deviation for u in self.live)
        return (1.0 + beyond + self.excluded) / (1.0 + self.known)

    @cached_property
    def _above(self) -> tuple[np.ndarray, np.ndarray]:
        """Units in ascending order, and the weight of each and all above it (and 0 at the end)."""
        order = np.argsort(self.units)
        return self.units[order], np.append(np.cumsum(self.weights[order][::-1])[::-1], 0.0)

    @property
    def why(self) -> str:
        """Of the calibration, in a sentence."""
        unit = "days" if self.grid.by_day else "windows"
        if not self.provisional:
            return f"calibrated on {self.known:.0f} {unit} of the reference" + self._of_live()
        if not self.levels:
            told = "calibrating: the reference is too short to know everyday variation"
        else:
            told = (
                f"calibrating: {self.known:.1f} of the {self.grid.needed:.1f} {unit} that the budget asks for are known"
            )
        return f"{told}; about {np.ceil(self.days_left):.0f} more days, until then drift is told as information alone"

    def _of_live(self) -> str:
        return f", {len(self.live)} of them lived through" if self.live else ""

    def deviations(self, window: Window, profile: Profile, baseline: Profile | None = None) -> dict[Key, Deviation]:
        """Every statistic of a window beside what is usual of it; empty where nothing can be compared.

        baseline: the reference's profile where a person amended it: its columns that differ are what is compared with.
        """
        if profile.rows < LEAST_ROWS or not self.levels:
            return {}
        look = self.look_of(window, profile)
        level = self.levels[look]
        live = folded([profile], self.groups)
        phase = self.phase_of(window, level)
        rest = taken(level.rest, np.asarray([phase]))
        amended = _amended(self.sealed, baseline)
        if amended and baseline is not None:
            rest = _replaced(rest, folded([baseline], self.groups), amended)
        if profile.rows < FEWER * level.rows[phase]:
            level = fewer_rows(level, self.statistics, float(profile.rows))
        found: dict[Key, Deviation] = {}
        for statistic in self.statistics:
            for key, value in statistic.values(live, rest).items():
                known = (statistic.name, key)
                if known in level.centre and np.isfinite(value[0]):
                    wider = _wider(amended.get(key, 0), profile.rows)
                    found[known] = Deviation(
                        statistic, float(value[0]), float(level.centre[known][phase]) * wider,
                        float(level.scale[known][phase]) * wider,
                    )  # fmt: skip
        return found

    def look_of(self, window: Window, profile: Profile) -> int:
        """Which look a window is compared with: that of its own length."""
        grid = self.grid
        if window.state != "open":
            return max(self.levels)
        elapsed = (window.end - window.start) / grid.block_s if grid.block_s else float(grid.length)
        return max((look for look in self.levels if look <= elapsed + 0.5), default=min(self.levels))

    def phase_of(self, window: Window, level: Level) -> int:
        """The place of a window in its season."""
        return level.season.phase(self.grid.slot_of(window.start))

    def judge(
        self, window: Window, profile: Profile, baseline: Profile | None = None
    ) -> tuple[dict[str, dict[str, Judged]], float]:
        """What every statistic says of a window, by statistic and key, and the largest deviation of all."""
        found: dict[str, dict[str, Judged]] = {s.name: {} for s in self.statistics}
        largest = -np.inf
        limit, provisional = self.limit, self.provisional
        for (name, key), deviation in self.deviations(window, profile, baseline).items():
            largest = max(largest, deviation.size)
            found[name][key] = self._judged(deviation, limit, provisional)
        return found, float(largest)

    def _judged(self, at: Deviation, height: float, provisional: bool) -> Judged:
        floor = float(getattr(self.settings.monitor.floors, at.statistic.floor))
        everyday = at.centre + height * at.scale
        limit = max(everyday, floor)
        p = self.p(at.size)
        speaks = bool(np.isfinite(limit) and at.value > limit)
        if not speaks and limit >= getattr(at.statistic, "most", np.inf):
            why = "differs from window to window as much as it can: nothing unusual could be told"
        elif not speaks and at.value > everyday:
            why = f"beyond everyday variation ({everyday:.3g}), but below the effect floor ({floor:.3g})"
        elif not speaks:
            why = f"within everyday variation, which goes up to {limit:.3g}"
        else:
            often = "no unit of the reference went" if p <= 1.0 / (1.0 + self.known) + 1e-12 else f"{p:.1%} of units go"
            why = f"beyond everyday variation, which goes up to {limit:.3g}; {often} as far"
        if provisional:
            why = f"{why} (a guess: calibrating)"
        return Judged(at.value, limit, at.centre, speaks, provisional, p, why, self.season.told)


@dataclass(frozen=True)
class Deviation:
    """One value beside what is usual."""

    statistic: Statistic
    value: float
    centre: float
    scale: float

    @property
    def size(self) -> float:
        """Deviations from the usual."""
        return (self.value - self.centre) / self.scale


def calibration_of(
    reference: Reference,
    settings: Settings,
    statistics: Sequence[Statistic],
    seconds_per_row: float = 0.0,
    live: Sequence[float] = (),
    excluded: int = 0,
) -> Calibration:
    """What the reference says of windows like the project's. Pure; some tens of milliseconds.

    live: largest deviations of quiet units lived through since, which join while calibrating. excluded: units lived
    through that were not quiet: they count as going further than any other, so that what is chosen cannot make the
    limit narrower than it would have been with all of them.
    """
    grid = grid_of(reference, settings, seconds_per_row)
    statistics = tuple(statistics)
    groups = merged_bins(reference.profile)
    none = Calibration(
        grid, settings, statistics, reference.profile, {}, np.zeros(0), np.zeros(0), NONE, groups, tuple(live), excluded
    )
    usable = [b for b in reference.blocks if len(b.columns) == len(reference.profile.columns)]
    if len(usable) < FEWEST or len(usable) != len(reference.blocks):
        return none
    hours = reference.hours
    blocks = (
        folded_blocks(reference, settings, groups) if hours is None else folded_hours(hours, reference.profile, groups)
    )
    whole = folded([reference.profile], groups)
    season = season_of(blocks, grid, settings, statistics)
    levels: dict[int, Level] = {}
    largest: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for look in grid.looks:
        made = level_in(blocks, whole, grid, look, season, statistics)
        if made is not None:
            levels[look], largest[look] = made
    if not levels:
        return none
    units, weights = units_of(grid, largest, levels)
    return Calibration(
        grid, settings, statistics, reference.profile, levels, units, weights, season, groups, tuple(live), excluded
    )


def units_of(
    grid: Grid, largest: Mapping[int, tuple[np.ndarray, np.ndarray]], levels: Mapping[int, Level]
) -> tuple[np.ndarray, np.ndarray]:
    """The largest deviation of all looks and windows in each unit, and how many units each stands for."""
    if not grid.unit:
        # Windows alone, which a guess may be made of; of days, which the budget is counted in, they tell nothing.
        found = largest[max(levels)][1]
        return found, np.full(len(found), 1e-9)
    if grid.unit > grid.length:
        starts, found = largest[max(levels)]
        number = starts // grid.unit
        units = np.unique(number)
        most = np.full(len(units), -np.inf)
        np.maximum.at(most, np.searchsorted(units, number), found)
        return most, np.ones(len(units))
    last = max(levels)
    starts, most = largest[last][0], largest[last][1].copy()
    for look, (at, found) in largest.items():
        if look != last:
            place = np.minimum(np.searchsorted(at, starts), len(at) - 1)
            same = at[place] == starts
            most[same] = np.maximum(most[same], found[place][same])
    # Runs overlap: together they stand for as many units as the blocks fill one after the other.
    filled = (len(starts) + last - 1) / max(last, 1)
    return most, np.full(len(starts), filled / len(starts))


def height_of(units: np.ndarray, weights: np.ndarray, live: Sequence[float], excluded: int, rate: float) -> float:
    """The deviation that a unit exceeds with probability `rate`; where too few are known, a guess beyond them all."""
    every = np.concatenate([units, np.asarray(live, dtype=np.float64)])
    heavy = np.concatenate([weights, np.ones(len(live))])
    finite = np.isfinite(every)
    every, heavy = every[finite], heavy[finite]
    if len(every) < FEWEST:
        return float("inf")
    room = rate * (1.0 + float(heavy.sum()) + excluded) - 1.0 - excluded
    if room >= -1e-9 or not excluded:
        order = np.argsort(-every)
        above = np.cumsum(heavy[order])
        if room >= -1e-9:
            # The largest value that may be exceeded: those above it weigh no more than there is room for.
            return float(every[order][int(np.searchsorted(above, room, side="right"))])
    return guess(every, float(heavy.sum()), rate)


def guess(largest: np.ndarray, known: float, rate: float) -> float:
    """Height that is exceeded with probability `rate` if maxima are Gumbel's, by moments with their doubt, at least
    the largest seen. Source: Gumbel, Statistics of Extremes (1958)."""
    beta = max(float(largest.std(ddof=1)), 0.25) * np.sqrt(6.0) / np.pi
    mode = float(largest.mean()) - np.euler_gamma * beta
    quantile = mode - beta * np.log(-np.log1p(-rate))
    doubt = beta * np.sqrt((1.11 + 0.52 * (-np.log(rate)) + 0.61 * np.log(rate) ** 2) / max(known, float(FEWEST)))
    return max(float(quantile + doubt), float(largest.max()))


def _amended(sealed: Profile, baseline: Profile | None) -> dict[str, int]:
    """Columns whose level a person amended, with the rows that the new one rests on."""
    if baseline is None or baseline is sealed:
        return {}
    before = {c.bins.name: c for c in sealed.columns}
    return {c.bins.name: c.rows for c in baseline.columns if c.bins.name in before and c != before[c.bins.name]}


def _replaced(rest: Folded, baseline: Folded, names: Mapping[str, int]) -> Folded:
    columns = {n: baseline.columns[n] if n in names and n in baseline.columns else c for n, c in rest.columns.items()}
    return Folded(rest.rows, columns, rest.scores)


def _wider(amended: int, rows: int) -> float:
    return float(np.sqrt(1.0 + rows / amended)) if amended else 1.0
