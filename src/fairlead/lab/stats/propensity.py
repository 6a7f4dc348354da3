"""What each variant would have brought, from outcomes of the one that answered and how likely that was.

Augmented inverse propensity weighting with what was known before: for every row, whoever answered it, a score per
variant whose expectation given the past is the mean outcome of that variant. That holds however the shares moved, also
when outcomes moved them (a bandit), as long as the share of each row is known and drawn afresh. So the running mean of
the scores is a martingale around the truth, and confidence sequences of it hold under continuous looking.

Sources: Hadad, Hirshberg, Zhan, Wager and Athey, Confidence intervals for policy evaluation in adaptive experiments
(PNAS, 2021); Waudby-Smith, Wu, Ramdas, Karampatziakis and Mineiro, Anytime-valid off-policy inference for contextual
bandits (ACM/IMS Journal of Data Science, 2024).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import ShapeMismatch
from fairlead.lab.stats.evalues import CAUTION

Floats = npt.NDArray[np.float64]


def variant_scores(values: npt.ArrayLike, arms: npt.ArrayLike, shares: npt.ArrayLike, start: float = 0.0) -> Floats:
    """A score per row and variant, (n, k), each with the variant's mean outcome as its expectation given the past.

    values: (n,) outcomes in the order they came; arms: (n,) which variant answered, 0 to k - 1; shares: (n, k), how
    likely each was to, above 0 where it answered. start: what is expected before the first outcome.
    Raises ShapeMismatch.
    """
    y, arm = np.asarray(values, dtype=np.float64), np.asarray(arms, dtype=np.int64)
    p = np.asarray(shares, dtype=np.float64)
    if p.ndim != 2 or y.shape != arm.shape or len(p) != len(y):
        raise ShapeMismatch(f"{y.shape} values, {arm.shape} arms and {p.shape} shares")
    n, k = p.shape
    if n == 0:
        return np.zeros((0, k))
    met = arm[:, None] == np.arange(k)
    if np.any(p[met] <= 0.0) or not np.isfinite(y).all():
        raise ShapeMismatch("every row needs a finite value and a share above 0 of the variant that answered it")
    counts = np.cumsum(met, axis=0) - met
    sums = np.cumsum(met * y[:, None], axis=0) - met * y[:, None]
    # What is expected of a row is what came of rows before it, so that it adds nothing of its own.
    expected = (sums + start) / (counts + 1.0)
    found: Floats = expected + np.where(met, (y[:, None] - expected) / np.where(met, p, 1.0), 0.0)
    return found


def weighted_wealth(scores: npt.ArrayLike, mean: float, low: npt.ArrayLike) -> Floats:
    """Log e-process against "the mean of the scores is at most `mean`", where each has a lower bound of its own.

    scores: (n,); low: (n,), known before each score, at most `mean`. As `evalues.log_wealth`, whose bounds are the same
    for all values; here they move with the shares.
    """
    x, least = np.asarray(scores, dtype=np.float64), np.asarray(low, dtype=np.float64)
    if x.shape != least.shape:
        raise ShapeMismatch(f"{x.shape} scores and {least.shape} bounds")
    if x.size == 0:
        return np.zeros(0)
    n = np.arange(1, x.size + 1)
    # Started as if one value at `mean` with the spread of the bounds had been seen.
    means = (mean + np.cumsum(x)) / (n + 1.0)
    spread = ((mean - least[0]) ** 2 / 4.0 + np.cumsum((x - means) ** 2)) / (n + 1.0)
    centre = np.concatenate([[mean], means[:-1]])
    variance = np.maximum(np.concatenate([[(mean - least[0]) ** 2 / 4.0], spread[:-1]]), 1e-12)
    gain = centre - mean
    limit = CAUTION / np.maximum(mean - least, 1e-12)
    bets = np.clip(gain / (variance + gain * gain), 0.0, limit)
    found: Floats = np.cumsum(np.log1p(bets * (x - mean)))
    return found


def running_moments(scores: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Mean and variance of the values up to each one, (n,) each."""
    x = np.asarray(scores, dtype=np.float64)
    n = np.arange(1, x.size + 1)
    centre = x.mean() if x.size else 0.0
    first, second = np.cumsum(x - centre) / n, np.cumsum((x - centre) ** 2) / n
    return first + centre, np.maximum(second - first**2, 0.0) * n / np.maximum(n - 1.0, 1.0)
