"""Quantiles of the normal distribution, for one share and for many with the same float64 result.

Source: Wichura, Algorithm AS 241: The Percentage Points of the Normal Distribution (1988), accurate to 1e-16; its
logarithm is numpy's in both forms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LOWEST, HIGHEST = -5.199337582605575, 5.19933758270342
"""Standard deviations at the ends: where the share is 1e-7 from 0 and from 1, as scikit-learn rounds them."""

_MIDDLE = (
    (2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
     1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0),
    (5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
     5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0),
)  # fmt: skip
_SIDE = (
    (7.7454501427834140764e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
     3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0),
    (1.05075007164441684324e-9, 5.475938084995344946e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
     6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0),
)  # fmt: skip
_TAIL = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
     2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0),
    (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
     1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0),
)  # fmt: skip


def _ratio(both: Sequence[Sequence[float]], r: Any) -> Any:
    above, below = both
    up, down = above[0], below[0]
    for a, b in zip(above[1:], below[1:], strict=True):
        up, down = up * r + a, down * r + b
    return up / down


def normal_quantile(share: float) -> float:
    """The standard deviations below which that share of a normal distribution lies, within LOWEST and HIGHEST."""
    if share != share:
        return share
    if share <= 0.0 or share >= 1.0:
        return LOWEST if share <= 0.0 else HIGHEST
    q = share - 0.5
    if abs(q) <= 0.425:
        found = float(q * _ratio(_MIDDLE, 0.180625 - q * q))
    else:
        r = math.sqrt(-float(np.log(share if q <= 0.0 else 1.0 - share)))
        size = float(_ratio(_SIDE, r - 1.6) if r <= 5.0 else _ratio(_TAIL, r - 5.0))
        found = -size if q < 0.0 else size
    return LOWEST if found < LOWEST else HIGHEST if found > HIGHEST else found


def normal_quantiles(shares: Floats) -> Floats:
    """`normal_quantile` of each, shape (n,)."""
    with np.errstate(all="ignore"):
        q = shares - 0.5
        r = np.sqrt(-np.log(np.where(q <= 0.0, shares, 1.0 - shares)))
        size = np.where(r <= 5.0, _ratio(_SIDE, r - 1.6), _ratio(_TAIL, r - 5.0))
        found = np.where(np.abs(q) <= 0.425, q * _ratio(_MIDDLE, 0.180625 - q * q), np.where(q < 0.0, -size, size))
        found = np.where(shares <= 0.0, LOWEST, np.where(shares >= 1.0, HIGHEST, found))
        return np.asarray(np.clip(found, LOWEST, HIGHEST))
