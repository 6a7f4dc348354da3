"""A Gaussian mixture whose answers far from all rows are not decided by rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.mixture import GaussianMixture

from fairlead.lab.stats.measures import Floats


class BoundedMixture(GaussianMixture):  # type: ignore[misc]
    """scikit-learn's mixture; features beyond the range of training by more than its width count as just that far.

    Where all parts have the same narrow spread, the squares of far features are equal and so large that nothing
    else is left of a sum. low_, high_: (f,), the bounds.
    """

    def fit(self, features: Any, truth: Any = None) -> BoundedMixture:
        """features: (n, f)."""
        x = np.asarray(features, dtype=np.float64)
        least, most = x.min(axis=0), x.max(axis=0)
        self.low_, self.high_ = least - (most - least), most + (most - least)
        super().fit(x)
        return self

    def predict_proba(self, features: Any) -> Floats:
        """Probabilities of the parts, (n, parts)."""
        x = np.clip(np.asarray(features, dtype=np.float64), self.low_, self.high_)
        return np.asarray(super().predict_proba(x), dtype=np.float64)

    def predict(self, features: Any) -> Any:
        """The likeliest part of each row, (n,)."""
        return self.predict_proba(features).argmax(axis=1)
