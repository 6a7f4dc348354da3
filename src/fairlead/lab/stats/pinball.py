"""How good answers are that mean a quantile of their truth: pinball loss, and the share of truths they cover.

Source: Koenker and Bassett, Regression quantiles (1978).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fairlead.contract.signature import Signature
from fairlead.lab.stats.measures import Floats


def pinball(truth: npt.ArrayLike, answers: npt.ArrayLike, quantile: float) -> Floats:
    """Loss of each answer (n,): what it is too low by times `quantile`, or too high by times the rest.

    No other answer than the quantile has a smaller mean.

    >>> pinball([10.0, 10.0], [8.0, 12.0], 0.9).round(3).tolist()
    [1.8, 0.2]
    """
    off = np.asarray(truth, dtype=np.float64) - np.asarray(answers, dtype=np.float64)
    return np.maximum(quantile * off, (quantile - 1.0) * off)


def errors_of(truth: npt.ArrayLike, answers: npt.ArrayLike, signature: Signature) -> Floats:
    """The error of each answer of a regression (n,): pinball loss of one that answers a quantile, else its size."""
    if signature.quantile:
        return pinball(truth, answers, signature.quantile)
    return np.abs(np.asarray(truth, dtype=np.float64) - np.asarray(answers, dtype=np.float64))


def constant_quantile(truth: npt.ArrayLike, quantile: float) -> float:
    """The one number with the least pinball loss on these truths (n,)."""
    return float(np.quantile(np.asarray(truth, dtype=np.float64), quantile, method="inverted_cdf"))


def quantile_metrics(truth: Floats, answers: Floats, quantile: float, weights: Floats) -> dict[str, Floats]:
    """pinball; coverage, the share of truths at or below their answer; coverage_error, how far that is from `quantile`;
    mae. weights: (draws, n); each value (draws,).
    """
    total = weights.sum(axis=1)
    coverage = weights @ (truth <= answers).astype(np.float64) / total
    return {
        "pinball": weights @ pinball(truth, answers, quantile) / total,
        "coverage": coverage,
        "coverage_error": np.abs(coverage - quantile),
        "mae": weights @ np.abs(truth - answers) / total,
    }
