"""How sure the comparison of policies is: windows resampled in blocks, the same draws for all policies."""

from __future__ import annotations

import numpy as np

from fairlead.contract.evidence import Interval

BLOCK = 8
DRAWS = 2000


class Resampled:
    """Draws of live windows, in moving blocks of at least 8, shared by all policies so that differences are paired.

    rows: rows of each live window, (windows,). Percentiles of few blocks are too near to the mean: they are moved away
    from it by as much as Student's t of so many blocks lies beyond the normal.
    Source: Künsch, The jackknife and the bootstrap for general stationary observations (1989); circular as Politis and
    Romano (1992).
    """

    def __init__(self, rows: np.ndarray, seed: int = 0) -> None:
        from fairlead.lab.stats.intervals import resamples

        self.rows = np.asarray(rows, dtype=np.float64)
        # Of fewer windows than three such blocks nothing is judged; what is shown has an interval all the same.
        self.block = min(BLOCK, max(len(self.rows) // 3, 1))
        self.weights = np.concatenate(list(resamples(len(self.rows), DRAWS, seed, self.block)))

    @property
    def enough(self) -> bool:
        """Whether there are blocks enough for intervals to mean something: three at least."""
        return len(self.rows) >= 3 * BLOCK

    def mean(self, series: np.ndarray, level: float = 0.95) -> Interval:
        """Mean over rows of a series of window means (windows,), with its interval."""
        from fairlead.lab.stats.intervals import percentile

        found = self._widened(percentile(self._point(series), self._draws(series), level), level)
        # No mean of losses lies below 0.
        return Interval(found.value, max(found.low, 0.0), found.high) if np.min(series) >= 0.0 else found

    def ratio(self, above: np.ndarray, below: np.ndarray) -> Interval:
        """Ratio of two such means, with its 95 % interval."""
        from fairlead.lab.stats.intervals import percentile

        with np.errstate(divide="ignore", invalid="ignore"):
            drawn = self._draws(above) / self._draws(below)
            return self._widened(percentile(self._point(above) / self._point(below), drawn), 0.95)

    def _widened(self, found: Interval, level: float) -> Interval:
        from fairlead.lab.stats.quantiles import normal, student

        at, blocks = (1.0 + level) / 2.0, max(len(self.rows) / self.block, 2.0)
        # The resampled mean varies by one block less than there are; blocks that overlap know its variance as well as
        # half as many more (Meketon and Schmeiser, Overlapping batch means: something for nothing?, 1984).
        by = student(at, 1.5 * (blocks - 1.0)) / normal(at) * (blocks / (blocks - 1.0)) ** 0.5
        return Interval(
            found.value, found.value - by * (found.value - found.low), found.value + by * (found.high - found.value)
        )

    def _point(self, series: np.ndarray) -> float:
        return float(series @ self.rows / self.rows.sum())

    def _draws(self, series: np.ndarray) -> np.ndarray:
        found: np.ndarray = (self.weights @ (series * self.rows)) / (self.weights @ self.rows)
        return found


def excludes_zero(interval: Interval) -> bool:
    """Whether 0 lies outside."""
    return interval.low > 0 or interval.high < 0
