"""LightGBM's boosters not made by the `fit` of its own estimators: grown from the disk, or on from another model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator


class LGBMRegressor(BaseEstimator):  # type: ignore[misc]
    """A booster as scikit-learn would have it; compiled as LightGBM's own estimator of this name is."""

    def __init__(self, booster_: Any = None) -> None:
        self.booster_ = booster_
        self.n_features_in_ = int(booster_.num_feature())

    def fit(self, features: Any, truth: Any = None) -> LGBMRegressor:
        """Nothing is left to learn; a pipeline takes for an estimator what has this."""
        return self

    def predict(self, features: Any) -> Any:
        """Numbers, shape (n,)."""
        return np.asarray(self.booster_.predict(np.asarray(features, dtype=np.float64), num_threads=1))


class LGBMClassifier(LGBMRegressor):
    """A booster of classes with their labels."""

    def __init__(self, booster_: Any = None, labels: Sequence[str] = ()) -> None:
        super().__init__(booster_)
        self.labels = labels
        self.classes_ = np.array(list(labels))

    def predict_proba(self, features: Any) -> Any:
        """Probabilities, shape (n, classes)."""
        said = super().predict(features)
        return np.column_stack((1.0 - said, said)) if said.ndim == 1 else said

    def predict(self, features: Any) -> Any:
        """Labels, shape (n,)."""
        return self.classes_[self.predict_proba(features).argmax(axis=1)]
