"""How well scores part two kinds of rows, with an interval, and the difference of two scores on the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np


@dataclass(frozen=True)
class Auc:
    """value in [0, 1] with its interval; se: the standard error of `value`."""

    value: float
    low: float
    high: float
    se: float


def auc(scores: np.ndarray, truth: np.ndarray, level: float = 0.95) -> Auc:
    """The chance that a true row scores above a false one (ties count half), with DeLong's interval on the logit.

    scores: (rows,) or (rows,) of any scale; truth: (rows,) bool, both kinds present. Source: DeLong, DeLong and
    Clarke-Pearson (1988), by the ranks of Sun and Xu, Fast implementation of DeLong's algorithm (2014).
    """
    placed_true, placed_false = _placements(scores, truth)
    value = float(placed_true.mean())
    variance = _var(placed_true) / len(placed_true) + _var(placed_false) / len(placed_false)
    # Where every pair is in order the variance is estimated as none: a bound by the rule of three stands in.
    se = max(float(np.sqrt(variance)), 1.0 / (3.0 * min(len(placed_true), len(placed_false)) + 3.0) / 3.0)
    z = NormalDist().inv_cdf(0.5 + level / 2)
    if not 0.0 < value < 1.0:
        return Auc(value, max(0.0, value - z * se), min(1.0, value + z * se), se)
    logit, width = np.log(value / (1 - value)), z * se / (value * (1 - value))
    low, high = (float(1 / (1 + np.exp(-np.clip(logit + s * width, -700, 700)))) for s in (-1.0, 1.0))
    return Auc(value, low, high, se)


def auc_difference(one: np.ndarray, other: np.ndarray, truth: np.ndarray, level: float = 0.95) -> Auc:
    """AUC of `one` less AUC of `other` on the same rows, with DeLong's paired interval. Shapes (rows,)."""
    a_true, a_false = _placements(one, truth)
    b_true, b_false = _placements(other, truth)
    value = float(a_true.mean() - b_true.mean())
    variance = _var(a_true - b_true) / len(a_true) + _var(a_false - b_false) / len(a_false)
    se = float(np.sqrt(variance))
    z = NormalDist().inv_cdf(0.5 + level / 2)
    return Auc(value, value - z * se, value + z * se, se)


def _placements(scores: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each true row the share of false ones below it, for each false row the share of true ones above it."""
    yes, no = np.sort(scores[truth]), np.sort(scores[~truth])
    mine, theirs = scores[truth], scores[~truth]
    below = (np.searchsorted(no, mine, "left") + np.searchsorted(no, mine, "right")) / (2 * len(no))
    above = 1 - (np.searchsorted(yes, theirs, "left") + np.searchsorted(yes, theirs, "right")) / (2 * len(yes))
    return below, above


def _var(values: np.ndarray) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else 0.0
