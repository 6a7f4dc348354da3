"""How many of the most confident rows may be answered so that a share of hits surely holds among them."""

from __future__ import annotations

import math

import numpy as np

from fairlead.lab.stats.measures import Floats

DELTA = 0.05
"""Probability that a promise made with these bounds does not hold, at most."""


def lowest_share(hits: int, trials: int, delta: float = DELTA) -> float:
    """A share that is not undercut with confidence 1 - delta: the one-sided Clopper-Pearson bound (1934)."""
    from scipy.stats import beta

    return float(beta.ppf(delta, hits, trials - hits + 1)) if hits else 0.0


def share_bounds(hits: int, trials: int) -> tuple[float, float]:
    """The share's 95 % Clopper-Pearson interval."""
    high = 1.0 - lowest_share(trials - hits, trials, DELTA / 2)
    return lowest_share(hits, trials, DELTA / 2), high


def assured_count(confidence: Floats, hit: np.ndarray, wanted: float, delta: float = DELTA) -> int:
    """How many of the first rows may be kept so that of all such rows a share `wanted` surely are hits; 0 for none.

    confidence: (n,) falling; hit: (n,) whether. Rows of equal confidence are kept together or not at all. A
    search by halves looks at no more than ceil(log2(m + 1)) of the m places where a cut can be, so that a bound of
    delta by that number at each holds for whichever it ends at. Holds for rows drawn as these are.
    Source: Geifman and El-Yaniv, Selective classification for deep neural networks (2017), algorithm 1.
    """
    n = len(confidence)
    if not n:
        return 0
    cuts = np.append(np.flatnonzero(np.diff(confidence) < 0.0) + 1, n)
    hits = np.cumsum(hit)[cuts - 1]
    looks = max(1, math.ceil(math.log2(len(cuts) + 1)))
    low, high, found = 0, len(cuts) - 1, 0
    while low <= high:
        middle = (low + high) // 2
        if lowest_share(int(hits[middle]), int(cuts[middle]), delta / looks) >= wanted:
            found, low = int(cuts[middle]), middle + 1
        else:
            high = middle - 1
    return found
