"""Outliers: values far from the middle of training count as the nearest that is not."""

from __future__ import annotations

import numpy as np

from fairlead.lab.compile.on_numbers import Floats, OnNumbers
from fairlead.lab.train.preparing.usual import bounds
from fairlead.runtime.bundle.ops import AnyOp, Clip


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
