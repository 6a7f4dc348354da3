"""What is usual of one look at windows of the reference: level and spread of every statistic, and what went furthest.

Windows are measured by the others alone: a live window is not among those it is measured by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fairlead.ops.monitor.folding import by_phase, runs, taken, thinned, without
from fairlead.ops.monitor.grid import Grid
from fairlead.ops.monitor.seasons import NONE, Season
from fairlead.ops.monitor.statistic import Folded, Statistic

Key = tuple[str, str]
"""Name of a statistic, and its key."""

FEWEST = 8
"""Windows that a usual level may be known from."""

DRAWS = 8
"""Windows drawn of each block where windows are shorter than blocks."""

LEAST_SCALE = 1e-3
PART_OF_CENTRE = 0.15
SHRUNK = 8.0
"""So many windows' worth of the spread over all seasons is added to that of one."""

TAIL = 4.0
"""The furthest that a column ever went counts as no more than this: rare great changes of one (a holiday) would else
set the limit of all."""

Sums = tuple[np.ndarray, np.ndarray, np.ndarray, tuple[float, float]]
"""Count, sum and sum of squares by phase; mean of all and mean square about the means of the phases."""

LEAST_ROWS = 30
"""Rows under which a window says nothing."""


@dataclass(frozen=True)
class Level:
    """What is usual of one look: centre, scale: by key, (phases,); rest: all windows of each phase; rows: usual."""

    centre: Mapping[Key, np.ndarray]
    scale: Mapping[Key, np.ndarray]
    rest: Folded
    rows: np.ndarray
    windows: Folded
    phase: np.ndarray
    season: Season


def level_in(
    blocks: Folded, whole: Folded, grid: Grid, look: int, season: Season, statistics: tuple[Statistic, ...]
) -> tuple[Level, tuple[np.ndarray, np.ndarray]] | None:
    """What is usual of a look, and the first slot and largest deviation of each window that shows it."""
    starts, windows = windows_in(blocks, grid, look)
    if len(starts) < FEWEST:
        return None
    own = season if look % max(season.length, 1) else NONE
    phase = own.phases_of(starts)
    rest = by_phase(windows, phase, own.phases) if own.length else _at_least(whole, blocks)
    compared = without(taken(rest, phase), windows)
    shown = windows if grid.per_block <= 1 else thinned(windows, grid.rows, np.random.default_rng(1))
    values = values_in(statistics, shown, compared)
    sums = {key: _sums(found, phase, own.phases) for key, found in values.items()}
    level = level_of(windows, values, sums, rest, phase, own, grid)
    if level is None:
        return None
    apart = look if grid.unit <= grid.length else 1
    if grid.per_block > 1:
        rng = np.random.default_rng(0)
        several = [values_in(statistics, thinned(windows, grid.rows, rng), compared) for _ in range(DRAWS + 1)]
        drawn = largest_in(several, level, apart)[1:]
        within = drawn.std(axis=0, ddof=1) * np.sqrt(6.0) / np.pi
        return level, (starts, drawn.max(axis=0) + within * max(np.log(grid.per_block / DRAWS), 0.0))
    return level, (starts, largest_in([values], level, apart, sums)[0])


def windows_in(blocks: Folded, grid: Grid, look: int) -> tuple[np.ndarray, Folded]:
    """First slots of all windows of `look` blocks that have rows, and the windows."""
    slots = grid.slots
    whole = grid.unit > grid.length
    step = grid.length if whole else 1
    begin = -(-int(slots[0]) // max(grid.unit, 1)) * grid.unit if whole else int(slots[0])
    starts = np.arange(begin, int(slots[-1]) - look + 2, step)
    first, last = np.searchsorted(slots, starts), np.searchsorted(slots, starts + look)
    there = last > first
    sums = runs(blocks, first[there], last[there])
    enough = sums.rows >= LEAST_ROWS
    return starts[there][enough], taken(sums, np.flatnonzero(enough))


def level_of(
    windows: Folded,
    shown: Mapping[Key, np.ndarray],
    sums: Mapping[Key, Sums],
    rest: Folded,
    phase: np.ndarray,
    season: Season,
    grid: Grid,
) -> Level | None:
    """Centre and scale of every statistic in windows, by phase. shown, sums: its values of each, and theirs."""
    centre: dict[Key, np.ndarray] = {}
    scale: dict[Key, np.ndarray] = {}
    for key, values in shown.items():
        if np.isfinite(values).sum() >= FEWEST:
            centre[key], scale[key] = _usual(values, phase, sums[key])
    if not centre:
        return None
    usual = np.asarray([np.median(windows.rows[phase == p]) if (phase == p).any() else 0 for p in range(season.phases)])
    if grid.per_block > 1:
        usual = np.minimum(usual, grid.rows)
    return Level(centre, scale, rest, usual, windows, phase, season)


def fewer_rows(level: Level, statistics: tuple[Statistic, ...], rows: float) -> Level:
    """The same look where windows have fewer rows, so that chance has more to say."""
    compared = without(taken(level.rest, level.phase), level.windows)
    shown = thinned(level.windows, rows, np.random.default_rng(2))
    centre: dict[Key, np.ndarray] = {}
    scale: dict[Key, np.ndarray] = {}
    for key, values in values_in(statistics, shown, compared).items():
        if key in level.centre and np.isfinite(values).sum() >= FEWEST:
            found = _usual(values, level.phase, _sums(values, level.phase, level.season.phases))
            # Never narrower than with all rows: what is drawn is chance, too.
            centre[key] = np.maximum(found[0], level.centre[key])
            scale[key] = np.maximum(found[1], level.scale[key])
    return Level(centre, scale, level.rest, level.rows, level.windows, level.phase, level.season)


def values_in(statistics: tuple[Statistic, ...], windows: Folded, rest: Folded) -> dict[Key, np.ndarray]:
    """Every statistic of every window."""
    return {(s.name, key): v for s in statistics for key, v in s.values(windows, rest).items()}


def largest_in(
    several: Sequence[Mapping[Key, np.ndarray]], level: Level, apart: int, sums: Mapping[Key, Sums] | None = None
) -> np.ndarray:
    """The largest deviation of each window of the reference, (draws, n); -inf where nothing can be said.

    several: values of one or more draws of the same windows; usual is what the others of the first draw say. apart:
    places from which on two windows share no block. sums: of the first draw, where they are known.
    """
    if sums is None:
        sums = {key: _sums(values, level.phase, level.season.phases) for key, values in several[0].items()}
    usual = {key: _others(values, level.phase, sums[key], apart) for key, values in several[0].items()}
    found = []
    for values in several:
        every = [(v - usual[key][0]) / usual[key][1] for key, v in values.items() if key in level.centre]
        with np.errstate(invalid="ignore"):
            found.append(np.fmax.reduce([*every, np.full(len(level.phase), -np.inf)]))
    return np.stack(found)


def _usual(values: np.ndarray, phase: np.ndarray, sums: Sums) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread of values by phase, spreads shrunk towards that of all. (phases,) each."""
    count, total, squares, every = sums
    seen = np.maximum(count, 1.0)
    centre = np.where(count > 0, total / seen, every[0])
    left = np.maximum(squares - seen * centre**2, 0.0)
    furthest = np.nanmax(values - centre[phase])
    return centre, np.maximum(_scale(centre, left, np.maximum(count - 1.0, 0.0), every[1]), furthest / TAIL)


def _others(values: np.ndarray, phase: np.ndarray, sums: Sums, apart: int) -> tuple[np.ndarray, np.ndarray]:
    """The same for each window from all others of its phase, (n,) each: a live window is not among those it is
    measured by, so one of the reference must not be, or the reference would look calmer than what follows it.

    apart: places from which on two windows share no block.
    """
    count, total, squares, every = sums
    known = np.isfinite(values)
    own = np.where(known, values, 0.0)
    seen = count[phase] - known
    centre = np.where(seen > 0, (total[phase] - own) / np.maximum(seen, 1.0), every[0])
    left = np.maximum(squares[phase] - own**2 - np.maximum(seen, 1.0) * centre**2, 0.0)
    furthest = _furthest(np.where(known, values - centre, -np.inf), apart)
    return centre, np.maximum(_scale(centre, left, np.maximum(seen - 1.0, 0.0), every[1]), furthest / TAIL)


def _furthest(excess: np.ndarray, apart: int) -> np.ndarray:
    """The largest of all others that share no block with each, (n,); 0 where there is none."""
    nothing = np.zeros(apart)
    before = np.concatenate([nothing, np.maximum.accumulate(excess)])[: len(excess)]
    after = np.concatenate([np.maximum.accumulate(excess[::-1])[::-1], nothing])[apart:]
    found: np.ndarray = np.maximum(np.maximum(before, after), 0.0)
    return found


def _sums(values: np.ndarray, phase: np.ndarray, phases: int) -> Sums:
    """Count, sum and sum of squares by phase; mean of all and mean square about the means of the phases."""
    known = np.isfinite(values)
    own = np.where(known, values, 0.0)
    count = np.bincount(phase, known, phases)
    total = np.bincount(phase, own, phases)
    squares = np.bincount(phase, own**2, phases)
    left = squares - np.where(count > 0, total**2 / np.maximum(count, 1.0), 0.0)
    freedom = max(float(count.sum()) - float((count > 0).sum()), 1.0)
    return count, total, squares, (float(own.sum() / max(known.sum(), 1)), max(float(left.sum()), 0.0) / freedom)


def _scale(centre: np.ndarray, left: np.ndarray, freedom: np.ndarray, pooled: float) -> np.ndarray:
    scale = np.sqrt((left + SHRUNK * pooled) / (freedom + SHRUNK))
    found: np.ndarray = np.maximum(np.maximum(scale, PART_OF_CENTRE * np.abs(centre)), LEAST_SCALE)
    return found


def _at_least(whole: Folded, blocks: Folded) -> Folded:
    """The reference's profile, or its blocks together where they hold what the profile lacks."""
    return whole if len(whole.scores) == len(blocks.scores) else by_phase(blocks, np.zeros(len(blocks), dtype=int), 1)
