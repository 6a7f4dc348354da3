"""Latencies as counts in bins of equal ratio: exact to half a percent, added up over processes, of bounded size."""

from __future__ import annotations

import math

import numpy as np

LOWEST_S, HIGHEST_S = 1e-5, 120.0
RATIO = 1.01
BINS = math.ceil(math.log(HIGHEST_S / LOWEST_S) / math.log(RATIO)) + 1
_STEP = math.log(RATIO)
_Z = 1.959963984540054


class Latencies:
    """How many took how long. A value is given as its bin's middle, so it is within half a percent."""

    def __init__(self, counts: np.ndarray | None = None) -> None:
        self.counts = np.zeros(BINS, dtype=np.int64) if counts is None else counts

    def __len__(self) -> int:
        return int(self.counts.sum())

    def add(self, seconds: float) -> None:
        """One more."""
        at = 0 if seconds <= LOWEST_S else min(BINS - 1, 1 + int(math.log(seconds / LOWEST_S) / _STEP))
        self.counts[at] += 1

    def __add__(self, other: Latencies) -> Latencies:
        return Latencies(self.counts + other.counts)

    def quantile(self, q: float) -> float:
        """Seconds that the share `q` stayed at or below; NaN of nothing."""
        return self._at(math.ceil(q * len(self)))

    def bounds(self, q: float) -> tuple[float, float]:
        """A 95 % interval of a quantile by order statistics (normal approximation of the binomial).

        Infinite upwards where too few were seen to say: 99 % needs some 400. Source: Conover, Practical Nonparametric
        Statistics, 3.2.
        """
        n = len(self)
        if n == 0:
            return math.nan, math.inf
        spread = _Z * math.sqrt(n * q * (1 - q))
        low, high = math.floor(n * q - spread), math.ceil(n * q + spread) + 1
        return self._at(max(1, low)), math.inf if high > n else self._at(high)

    def _at(self, rank: int) -> float:
        if len(self) == 0:
            return math.nan
        found = int(np.searchsorted(np.cumsum(self.counts), max(1, rank)))
        return LOWEST_S if found == 0 else float(LOWEST_S * RATIO ** (found - 0.5))

    def sparse(self) -> dict[int, int]:
        """Bins that are not empty."""
        return {int(at): int(self.counts[at]) for at in np.flatnonzero(self.counts)}

    @classmethod
    def of(cls, sparse: dict[int, int]) -> Latencies:
        """Back from `sparse`."""
        found = cls()
        for at, count in sparse.items():
            found.counts[at] = count
        return found
