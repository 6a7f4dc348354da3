"""How many of the most confident rows may be answered so that a share of hits surely holds among them."""

from __future__ import annotations

import numpy as np

from fairlead.lab.stats.measures import Floats

DELTA = 0.05
"""Probability that a promise made with these bounds does not hold, at most."""
STARTS = 8
"""Places, evenly spaced over the rows, from which a promise is looked for."""


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

    confidence: (n,) falling; hit: (n,) whether. Rows of equal confidence are kept together or not at all. STARTS cuts
    are tested at delta / STARTS each; from one that holds the test goes on cut by cut to the first that does not, at
    the same level, which costs nothing more. Holds with probability 1 - delta for rows drawn as these are.
    Source: Angelopoulos et al., Learn then test (2021), fixed sequences with several starts; the promise itself is that
    of Geifman and El-Yaniv, Selective classification for deep neural networks (2017), whose search by halves keeps
    fewer rows.
    """
    n = len(confidence)
    if not n:
        return 0
    cuts = np.append(np.flatnonzero(np.diff(confidence) < 0.0) + 1, n)
    hits = np.cumsum(hit)[cuts - 1]
    starts = np.unique(np.searchsorted(cuts, np.linspace(0, n, STARTS + 1)[1:].round()))

    def holds(cut: int) -> bool:
        return lowest_share(int(hits[cut]), int(cuts[cut]), delta / STARTS) >= wanted

    for start in reversed(starts.tolist()):
        if holds(start):
            last = start
            while last + 1 < len(cuts) and holds(last + 1):
                last += 1
            return int(cuts[last])
    return 0
