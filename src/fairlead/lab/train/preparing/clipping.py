"""Outliers: values far from the middle of training count as the nearest that is not."""

from __future__ import annotations

import numpy as np

from fairlead.lab.compile.on_numbers import Floats, OnNumbers
from fairlead.runtime.bundle.ops import AnyOp, Clip

USUAL = {"zscore": 3.0, "iqr": 1.5}
"""Thresholds unless said: standard deviations, and quartile distances (Tukey, Exploratory Data Analysis, 1977)."""


def bounds(x: Floats, rule: str, threshold: float | None = None) -> tuple[float, float]:
    """The least and greatest usual value of x, shape (rows,), NaN where missing; infinite where x says nothing.

    A column without spread (all alike, or more than half of it alike under iqr) has no outliers.
    """
    known = x[np.isfinite(x)]
    far = USUAL[rule] if threshold is None else threshold
    if not len(known):
        return -np.inf, np.inf
    if rule == "zscore":
        low = high = float(np.mean(known))
        spread = float(np.std(known))
    else:
        low, high = (float(q) for q in np.quantile(known, (0.25, 0.75)))
        spread = high - low
    if not spread > 0.0 or not np.isfinite(spread):
        return -np.inf, np.inf
    return low - far * spread, high + far * spread


class Outliers(OnNumbers):
    """Clips numbers to the usual range of training.

    rule: zscore (mean and standard deviations) or iqr (quartiles and their distance). threshold: how far is too far.
    """

    def __init__(self, rule: str = "iqr", threshold: float | None = None) -> None:
        self.rule = rule
        self.threshold = threshold

    def learn(self, x: Floats) -> tuple[AnyOp, ...]:
        """A clip, or nothing where no value is unusual by definition."""
        low, high = bounds(x, self.rule, self.threshold)
        return (Clip(low, high),) if np.isfinite(low) else ()


class WithinTraining(OnNumbers):
    """Clips numbers to the least and the greatest of training, from which outlying rows had been removed."""

    def learn(self, x: Floats) -> tuple[AnyOp, ...]:
        """A clip, or nothing where training had no value."""
        known = x[np.isfinite(x)]
        return (Clip(float(known.min()), float(known.max())),) if len(known) else ()
