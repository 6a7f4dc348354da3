"""Poisson regression that says what is wrong with its target."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import PoissonRegressor

from fairlead.contract.errors import InputInvalid


class PoissonCounts(PoissonRegressor):  # type: ignore[misc]
    """PoissonRegressor. Raises InputInvalid for negative targets."""

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> PoissonCounts:
        """features: (n, f); truth: (n,), 0 or more; sample_weight: (n,) or None."""
        wrong = int((np.asarray(truth) < 0).sum())
        if wrong:
            raise InputInvalid(
                f"poisson learns counts and amounts, and {wrong} targets are negative; take it out of [train] learners"
            )
        super().fit(features, truth, sample_weight=sample_weight)
        return self
