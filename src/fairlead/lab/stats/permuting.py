"""Whether two sets of blocks differ by more than chance: blocks change sides, never rows.

Neighbouring rows are alike, so tests that take rows as independent find a
difference in every pair of stretches. A block of neighbours keeps what neighbours
share; if blocks are long enough to be exchangeable, every way of dealing them out
to the two sides is as likely as the one seen.
"""

from __future__ import annotations

import numpy as np

from fairlead.lab.stats.measures import Floats, Ints

DRAWS = 999


def dealt(blocks: int, chosen: int, draws: int = DRAWS, seed: int = 0) -> Floats:
    """Ways of dealing blocks to two sides, (1 + draws, blocks): 1 for the second side, which has `chosen` of them.

    The first row is what was seen: the last `chosen` blocks are on the second side.
    """
    rng = np.random.default_rng([seed, 19])
    order = np.argsort(rng.random((draws, blocks)), axis=1)
    found = np.zeros((1 + draws, blocks))
    found[0, blocks - chosen :] = 1.0
    np.put_along_axis(found[1:], order[:, :chosen], 1.0, axis=1)
    return found


def dealt_within(strata: Ints, second: np.ndarray, draws: int = DRAWS, seed: int = 0) -> Floats:
    """Ways of dealing blocks to two sides so that each stratum keeps how many of it are on the second side:
    (1 + draws, blocks), the first row as seen.

    strata: (blocks,), such as folds, which stay as they are; second: (blocks,) bool.
    """
    rng = np.random.default_rng([seed, 37])
    found = np.tile(second.astype(np.float64), (1 + draws, 1))
    for stratum in np.unique(strata):
        at = np.flatnonzero(strata == stratum)
        found[1:, at] = found[0, at][np.argsort(rng.random((draws, len(at))), axis=1)]
    return found


def singly(statistics: Floats) -> Floats:
    """P-value of each statistic by itself, (n,). statistics: (1 + draws, n), the first row as seen.

    What was seen counts among the draws, so a p-value is never 0. Source: Phipson and Smyth (2010).
    """
    least = statistics[0] * (1.0 - 1e-12) - 1e-15
    return np.asarray((statistics >= least).mean(axis=0), dtype=np.float64)


def jointly(statistics: Floats) -> Floats:
    """P-values that hold for all statistics at once, (n,): how often the largest of all, each in its own standard
    deviations, is as large as this one was seen. Whatever depends on what; no correction by the number of them.

    statistics: (1 + draws, n). Source: Westfall and Young, Resampling-Based Multiple Testing (1993).
    """
    if not statistics.size:
        return np.zeros(statistics.shape[1])
    centre, spread = statistics.mean(axis=0), statistics.std(axis=0)
    away = np.where(spread > 1e-15, (statistics - centre) / np.where(spread > 1e-15, spread, 1.0), 0.0)
    largest = away.max(axis=1)
    return np.asarray((largest[:, None] >= away[0] - 1e-12).mean(axis=0), dtype=np.float64)
