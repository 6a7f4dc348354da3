"""Scaling that changes the shape of a distribution: powers and quantiles."""

from __future__ import annotations

import warnings

import numpy as np

from fairlead.lab.compile.on_numbers import Floats, OnNumbers
from fairlead.runtime.bundle.curves import Power, Quantile
from fairlead.runtime.bundle.ops import AnyOp, Divide, Subtract, all_for_many

KNOTS = 256
"""Most knots of a quantile: shares are told apart to 0.4 %."""


class Powers(OnNumbers):
    """Yeo-Johnson's power that makes a column most like a normal distribution, then mean 0 and deviation 1."""

    def learn(self, x: Floats) -> tuple[AnyOp, ...]:
        """The power by maximum likelihood; 1 for a column all alike, or that no power makes finite."""
        from sklearn.preprocessing import PowerTransformer

        known = x[np.isfinite(x)]
        if not len(known):
            return ()
        by = 1.0
        if known.min() < known.max():
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                by = float(PowerTransformer(standardize=False).fit(known[:, None]).lambdas_[0])
        ops = self._standardised(known, by)
        return ops if ops is not None else self._standardised(known, 1.0) or ()

    def _standardised(self, known: Floats, by: float) -> tuple[AnyOp, ...] | None:
        if not np.isfinite(by):
            return None
        bent = all_for_many((Power("yeo-johnson", by),), known)
        with np.errstate(all="ignore"):
            mean, spread = float(np.mean(bent)), float(np.std(bent))
        if not (np.isfinite(mean) and np.isfinite(spread)):
            return None
        # As StandardScaler: what varies by no more than rounding is not blown up.
        alike = spread <= 10 * np.finfo(np.float64).eps * max(1.0, abs(mean))
        return Power("yeo-johnson", by), Subtract(mean), Divide(1.0 if alike else spread)


class Quantiles(OnNumbers):
    """The share of training below a number, or with `normal` where a normal distribution has that share.

    knots: most of them; a column has no more than it has cells.
    """

    def __init__(self, normal: bool = False, knots: int = KNOTS) -> None:
        self.normal = normal
        self.knots = knots

    def learn(self, x: Floats) -> tuple[AnyOp, ...]:
        """The quantiles of the cells that are there."""
        known = x[np.isfinite(x)]
        if not len(known):
            return ()
        found = np.quantile(known, np.linspace(0.0, 1.0, max(2, min(self.knots, len(known)))))
        # Interpolation may round a quantile below the one before it.
        return (Quantile(tuple(np.maximum.accumulate(found).tolist()), self.normal),)
