"""A network for numbers of any size: the target is learned in deviations, and the last layer undoes that."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neural_network import MLPRegressor
from sklearn.utils.validation import has_fit_parameter

from fairlead.contract.errors import UsageError


class ScaledMLP(MLPRegressor):  # type: ignore[misc]
    """MLPRegressor of (target - mean) / deviation; after the fit its last layer answers in the target's own unit."""

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> ScaledMLP:
        """features: (n, f); truth: (n,); sample_weight: (n,) or None. Raises UsageError for weights before 1.7."""
        if sample_weight is not None and not has_fit_parameter(MLPRegressor(), "sample_weight"):
            raise UsageError("mlp weighs rows with scikit-learn 1.7 or later; take it out of [train] learners.")
        more = {} if sample_weight is None else {"sample_weight": sample_weight}
        numbers = np.asarray(truth, dtype=np.float64)
        mean, deviation = float(numbers.mean()), float(numbers.std()) or 1.0
        super().fit(features, (numbers - mean) / deviation, **more)
        self.coefs_[-1] = self.coefs_[-1] * deviation
        self.intercepts_[-1] = self.intercepts_[-1] * deviation + mean
        return self
