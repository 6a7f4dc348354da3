"""A fitted model that is given some of the prepared features alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from fairlead.lab.stats.measures import Ints


class _Chosen(BaseEstimator):  # type: ignore[misc]
    """estimator_: fitted; chosen_: positions of the features that it takes, in its order. A compiled form leaves out of
    them what the model never reads, which changes no answer of trees.
    """

    def __init__(self, estimator: Any = None, chosen: Any = (), features: int = 0) -> None:
        self.estimator, self.chosen, self.features = estimator, chosen, features

    def fit(self, features: Any, truth: Any = None) -> Any:
        """As it is: it came out of another model's fit."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        """Whether it has a model."""
        return self.estimator is not None

    @property
    def estimator_(self) -> Any:
        """The fitted model."""
        return self.estimator

    @property
    def chosen_(self) -> Ints:
        """Positions of features."""
        return np.asarray(self.chosen, dtype=np.int64)

    @property
    def n_features_in_(self) -> int:
        """Features that it is given."""
        return self.features

    def _of(self, features: Any) -> Any:
        return np.ascontiguousarray(np.asarray(features)[:, self.chosen_])

    def predict(self, features: Any) -> Any:
        """What the model answers, shape (n,)."""
        return self.estimator.predict(self._of(features))


class ChosenClassifier(ClassifierMixin, _Chosen):  # type: ignore[misc]
    """Of a classifier."""

    @property
    def classes_(self) -> Any:
        """Labels."""
        return self.estimator.classes_

    def predict_proba(self, features: Any) -> Any:
        """Probabilities, shape (n, classes)."""
        return self.estimator.predict_proba(self._of(features))


class ChosenRegressor(RegressorMixin, _Chosen):  # type: ignore[misc]
    """Of a regressor."""


def choosing(estimator: Any, chosen: Any, features: int) -> Any:
    """A fitted model that takes these of so many features."""
    kind = ChosenClassifier if hasattr(estimator, "classes_") else ChosenRegressor
    return kind(estimator, np.asarray(chosen, dtype=np.int64), features)
