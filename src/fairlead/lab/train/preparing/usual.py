"""What is usual in a column of numbers, by the spread of training."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

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
        with np.errstate(all="ignore"):
            low = high = float(np.mean(known))
            spread = float(np.std(known))
    else:
        low, high = (float(q) for q in np.quantile(known, (0.25, 0.75)))
        spread = high - low
    if not spread > 0.0 or not np.isfinite(spread):
        return -np.inf, np.inf
    return low - far * spread, high + far * spread
