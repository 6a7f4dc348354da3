"""What is usual of one look at windows of the reference: level and spread of every statistic, and what went furthest.

Windows are measured by the others alone: a live window is not among those it is measured by.
"""

from __future__ import annotations

import dataclasses
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

Sums = tuple[np.ndarray, np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]
"""Count, sum and sum of squares of each key by phase, (keys, phases); mean of all and mean square about the means of
the phases, (keys, 1)."""

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
    keys, values = known_in(values_in(statistics, shown, compared))
    if not keys:
        return None
    sums = _sums(values, phase, own.phases)
    level = level_of(windows, keys, _usual(values, phase, sums), rest, phase, own, grid)
    apart = look if grid.unit <= grid.length else 1
    if grid.per_block > 1:
        rng = np.random.default_rng(0)
        several = [
            of_keys(values_in(statistics, thinned(windows, grid.rows, rng), compared), keys) for _ in range(DRAWS + 1)
        ]
        drawn = largest_in(several, phase, _sums(several[0], phase, own.phases), apart)[1:]
        within = drawn.std(axis=0, ddof=1) * np.sqrt(6.0) / np.pi
        return level, (starts, drawn.max(axis=0) + within * max(np.log(grid.per_block / DRAWS), 0.0))
    return level, (starts, largest_in([values], phase, sums, apart)[0])


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
    keys: Sequence[Key],
    usual: tuple[np.ndarray, np.ndarray],
    rest: Folded,
    phase: np.ndarray,
    season: Season,
    grid: Grid,
) -> Level:
    """What is usual of windows, by phase. usual: centre and scale of each key, (keys, phases) both."""
    rows = np.asarray([np.median(windows.rows[phase == p]) if (phase == p).any() else 0 for p in range(season.phases)])
    if grid.per_block > 1:
        rows = np.minimum(rows, grid.rows)
    centre, scale = (dict(zip(keys, part, strict=True)) for part in usual)
    return Level(centre, scale, rest, rows, windows, phase, season)


def fewer_rows(level: Level, statistics: tuple[Statistic, ...], rows: float) -> Level:
    """The same look where windows have fewer rows, so that chance has more to say."""
    compared = without(taken(level.rest, level.phase), level.windows)
    shown = thinned(level.windows, rows, np.random.default_rng(2))
    keys, values = known_in(values_in(statistics, shown, compared))
    if not keys:
        return dataclasses.replace(level, centre={}, scale={})
    sums = _sums(values, level.phase, level.season.phases)
    found = {key: both for key, *both in zip(keys, *_usual(values, level.phase, sums), strict=True)}
    # Never narrower than with all rows: what is drawn is chance, too.
    centre = {key: np.maximum(of[0], level.centre[key]) for key, of in found.items() if key in level.centre}
    scale = {key: np.maximum(of[1], level.scale[key]) for key, of in found.items() if key in level.centre}
    return dataclasses.replace(level, centre=centre, scale=scale)


def values_in(statistics: tuple[Statistic, ...], windows: Folded, rest: Folded) -> dict[Key, np.ndarray]:
    """Every statistic of every window."""
    return {(s.name, key): v for s in statistics for key, v in s.values(windows, rest).items()}


def known_in(values: Mapping[Key, np.ndarray]) -> tuple[list[Key], np.ndarray]:
    """The keys of which enough windows say something, and what each window says of them, (keys, n)."""
    keys = [key for key, found in values.items() if np.isfinite(found).sum() >= FEWEST]
    return keys, of_keys(values, keys)


def of_keys(values: Mapping[Key, np.ndarray], keys: Sequence[Key]) -> np.ndarray:
    """Values of these keys, (keys, n): all of them are worked on at once, as there are few windows and many keys."""
    return np.stack([values[key] for key in keys]) if keys else np.zeros((0, 0))


def largest_in(several: Sequence[np.ndarray], phase: np.ndarray, sums: Sums, apart: int) -> np.ndarray:
    """The largest deviation of each window of the reference, (draws, n); -inf where nothing can be said.

    several: values of one or more draws of the same windows, (keys, n) each; usual is what the others of the first draw
    say, whose sums are given. apart: places from which on two windows share no block.
    """
    centre, scale = _others(several[0], phase, sums, apart)
    with np.errstate(invalid="ignore"):
        found = [np.fmax.reduce((values - centre) / scale, axis=0) for values in several]
    return np.where(np.isnan(found), -np.inf, found)


def _usual(values: np.ndarray, phase: np.ndarray, sums: Sums) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread of values (keys, n) by phase, spreads shrunk towards that of all. (keys, phases) each."""
    count, total, squares, every = sums
    seen = np.maximum(count, 1.0)
    centre = np.where(count > 0, total / seen, every[0])
    left = np.maximum(squares - seen * centre**2, 0.0)
    furthest = np.nanmax(values - centre[:, phase], axis=1, keepdims=True)
    return centre, np.maximum(_scale(centre, left, np.maximum(count - 1.0, 0.0), every[1]), furthest / TAIL)


def _others(values: np.ndarray, phase: np.ndarray, sums: Sums, apart: int) -> tuple[np.ndarray, np.ndarray]:
    """The same for each window from all others of its phase, (keys, n) each: a live window is not among those it is
    measured by, so one of the reference must not be, or the reference would look calmer than what follows it.

    apart: places from which on two windows share no block.
    """
    count, total, squares, every = sums
    known = np.isfinite(values)
    own = np.where(known, values, 0.0)
    seen = count[:, phase] - known
    at_least_one = np.maximum(seen, 1.0)
    centre = np.where(seen > 0, (total[:, phase] - own) / at_least_one, every[0])
    left = np.maximum(squares[:, phase] - own**2 - at_least_one * centre**2, 0.0)
    furthest = _furthest(np.where(known, values - centre, -np.inf), apart)
    return centre, np.maximum(_scale(centre, left, np.maximum(seen - 1.0, 0.0), every[1]), furthest / TAIL)


def _furthest(excess: np.ndarray, apart: int) -> np.ndarray:
    """The largest of all others that share no block with each, (keys, n); 0 where there is none."""
    n = excess.shape[1]
    nothing = np.zeros((len(excess), apart))
    before = np.concatenate([nothing, np.maximum.accumulate(excess, axis=1)], axis=1)[:, :n]
    after = np.concatenate([np.maximum.accumulate(excess[:, ::-1], axis=1)[:, ::-1], nothing], axis=1)[:, apart:]
    found: np.ndarray = np.maximum(np.maximum(before, after), 0.0)
    return found


def _sums(values: np.ndarray, phase: np.ndarray, phases: int) -> Sums:
    """Sums over windows of values, (keys, n)."""
    keys = len(values)
    place = (phase + phases * np.arange(keys)[:, None]).ravel()

    def over(weights: np.ndarray) -> np.ndarray:
        return np.bincount(place, weights.ravel(), keys * phases).reshape(keys, phases)

    known = np.isfinite(values)
    own = np.where(known, values, 0.0)
    count, total, squares = over(known), over(own), over(own**2)
    left = squares - np.where(count > 0, total**2 / np.maximum(count, 1.0), 0.0)
    freedom = np.maximum(count.sum(axis=1) - (count > 0).sum(axis=1), 1.0)
    mean = own.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    pooled = np.maximum(left.sum(axis=1), 0.0) / freedom
    return count, total, squares, (mean[:, None], pooled[:, None])


def _scale(centre: np.ndarray, left: np.ndarray, freedom: np.ndarray, pooled: np.ndarray) -> np.ndarray:
    scale = np.sqrt((left + SHRUNK * pooled) / (freedom + SHRUNK))
    found: np.ndarray = np.maximum(np.maximum(scale, PART_OF_CENTRE * np.abs(centre)), LEAST_SCALE)
    return found


def _at_least(whole: Folded, blocks: Folded) -> Folded:
    """The reference's profile, or its blocks together where they hold what the profile lacks."""
    return whole if len(whole.scores) == len(blocks.scores) else by_phase(blocks, np.zeros(len(blocks), dtype=int), 1)
