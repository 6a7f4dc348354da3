"""Wrong labels in many short runs of arrivals: together they are found where no run stands out alone.

Whoever sends wrong labels in bulk, a few dozen at a time, spoils several runs of a window, and each makes the others
look usual. So it is asked whether short runs differ from each other more than those of earlier windows did: as a ratio
to chance, by the F distribution. One stretch that is apart is taken out first, wherever it lies: that is a change of
the world, or an event of a few days, or one block that `doubtful` finds. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fairlead.ops.monitor.doubtful import FLOOR, RISE, TIME, Block, by_answer

LENGTH = 20
"""Labels of a run, at least."""
FEWEST_RUNS, MOST_RUNS = 8, 40
FEWEST_WINDOWS = 4
"""Earlier windows from which it is known how much runs usually differ."""
LEAST_USUAL = 0.7
"""Ratio where runs differ by chance alone, as the stretch that is taken out takes some of it along."""
BEYOND = 1.5
"""Times the largest ratio of all earlier windows, so that weeks which are wild by themselves are known."""
CLUMPED = 3.0
"""How much less runs tell where usual ones differ by more than chance: neighbours are then alike."""
APART = 2.0
"""Deviations by chance of a run that counts as wrong."""
NAME = "in short runs"


class Spread(NamedTuple):
    """How much the short runs of one window differ. ratio: mean square to that of chance; freedom: its degrees."""

    ratio: float
    freedom: float


class Scattered(NamedTuple):
    """spread: of this window. rows: (n,) those of the runs that are apart. block: what is told, None without enough
    earlier windows to say so."""

    spread: Spread
    rows: np.ndarray
    block: Block | None


def scattered_labels(
    losses: np.ndarray, scores: np.ndarray, arrived: np.ndarray, earlier: Sequence[Spread], allowed: float
) -> Scattered | None:
    """Whether labels are wrong in several short runs; None with fewer than 160 labels.

    losses: (n,) in [0, 1]. scores: (n, outputs), what was answered. arrived: (n,) when each label came. earlier: of
    quiet windows. allowed: chance to suspect one where nothing is wrong.
    """
    count = min(len(losses) // LENGTH, MOST_RUNS)
    if count < FEWEST_RUNS:
        return None
    cells, sums, squares, counts = by_answer(losses, scores)
    mean = sums / np.maximum(counts, 1.0)
    variance = np.maximum(squares / np.maximum(counts, 1.0) - mean**2, 1e-6)
    runs = np.array_split(np.argsort(arrived, kind="stable"), count)
    excess = np.array([(losses[run] - mean[cells[run]]).mean() for run in runs])
    chance = np.array([variance[cells[run]].mean() / len(run) for run in runs])
    expected = np.array([mean[cells[run]].mean() for run in runs])
    spread = Spread(_apart_from_one_stretch(excess, 1.0 / chance) / (count - 3), float(count - 3))
    above = excess - np.median(excess)
    wrong = (above >= np.maximum(FLOOR, RISE * expected)) & (above >= APART * np.sqrt(chance))
    rows = np.zeros(len(losses), dtype=bool)
    for run in np.flatnonzero(wrong):
        rows[runs[run]] = True
    if len(earlier) < FEWEST_WINDOWS or wrong.sum() < 2:
        return Scattered(spread, np.zeros_like(rows), None)
    p = unlikely(spread, earlier)
    suspicious = p <= allowed and spread.ratio > BEYOND * max(one.ratio for one in earlier)
    size, error = float(above[wrong].mean()), float(np.sqrt(chance[wrong].mean() / wrong.sum()))
    block = Block(
        TIME, NAME, int(rows.sum()), size, size - 1.96 * error, size + 1.96 * error, float(expected[wrong].mean()), p,
        bool(suspicious),
    )  # fmt: skip
    return Scattered(spread, rows if suspicious else np.zeros_like(rows), block)


def unlikely(spread: Spread, earlier: Sequence[Spread]) -> float:
    """How often runs of a usual window differ as much, by the F distribution of two mean squares.

    >>> usual = [Spread(1.0, 17.0)] * 8
    >>> unlikely(Spread(1.2, 17.0), usual) > 0.2 > 0.001 > unlikely(Spread(4.0, 17.0), usual)
    True
    """
    from scipy.special import fdtrc

    freedom = sum(one.freedom for one in earlier)
    usual = max(sum(one.ratio * one.freedom for one in earlier) / freedom, LEAST_USUAL)
    fewer = 1.0 + CLUMPED * max(1.0 - 1.0 / usual, 0.0)
    return float(fdtrc(spread.freedom / fewer, freedom / fewer, spread.ratio / usual))


def _apart_from_one_stretch(values: np.ndarray, weights: np.ndarray) -> float:
    """Least weighted sum of squares about two levels, one of them of a single stretch, which may lie anywhere."""
    whole, total = weights.sum(), (weights * values).sum()
    square = (weights * values**2).sum()
    weight, sums = (np.concatenate([[0.0], np.cumsum(one)]) for one in (weights, weights * values))
    first, last = np.triu_indices(len(weight), k=1)
    inner, within = weight[last] - weight[first], sums[last] - sums[first]
    outer = whole - inner
    kept = outer > 1e-12 * whole
    explained = within[kept] ** 2 / inner[kept] + (total - within[kept]) ** 2 / outer[kept]
    return float(max(square - explained.max(), 0.0))
