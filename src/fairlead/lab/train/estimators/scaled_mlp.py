"""A network for numbers of any size: the target is learned in deviations, and the last layer undoes that."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neural_network import MLPRegressor


class ScaledMLP(MLPRegressor):  # type: ignore[misc]
    """MLPRegressor of (target - mean) / deviation; after the fit its last layer answers in the target's own unit."""

    def fit(self, features: Any, truth: Any, **more: Any) -> ScaledMLP:
        """features: (n, f); truth: (n,). more: sample_weight where scikit-learn's own takes it (from 1.7)."""
        numbers = np.asarray(truth, dtype=np.float64)
        mean, deviation = float(numbers.mean()), float(numbers.std()) or 1.0
        super().fit(features, (numbers - mean) / deviation, **more)
        self.coefs_[-1] = self.coefs_[-1] * deviation
        self.intercepts_[-1] = self.intercepts_[-1] * deviation + mean
        return self
