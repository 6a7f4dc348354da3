"""An additive model of high accuracy: boosted trees that each look at one feature alone, several fits averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from fairlead.lab.stats.measures import Floats


class _Additive(BaseEstimator):  # type: ignore[misc]
    """Sums of one curve a feature, on the scale of log-odds or of the number.

    bags: fits on rows drawn with replacement, whose sums are averaged, which smooths the curves. monotonic_cst: as of
    scikit-learn's. members_: the fitted HistGradientBoosting of each bag. Source: Lou, Caruana and Gehrke,
    Intelligible models for classification and regression (2012); Nori et al., InterpretML (2019).
    """

    def __init__(
        self,
        bags: int = 4,
        learning_rate: float = 0.05,
        max_iter: int = 200,
        max_leaf_nodes: int = 4,
        min_samples_leaf: int = 10,
        l2_regularization: float = 1.0,
        monotonic_cst: Sequence[int] | None = None,
        random_state: int = 0,
    ) -> None:
        self.bags, self.learning_rate, self.max_iter = bags, learning_rate, max_iter
        self.max_leaf_nodes, self.min_samples_leaf = max_leaf_nodes, min_samples_leaf
        self.l2_regularization, self.monotonic_cst, self.random_state = l2_regularization, monotonic_cst, random_state

    def _fitted(self, classifies: bool, features: Any, truth: np.ndarray, sample_weight: Any) -> list[Any]:
        weights = np.ones(len(truth)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        self.n_features_in_ = int(np.shape(features)[1])
        found = []
        for bag in range(self.bags):
            random = np.random.default_rng([self.random_state, 7, bag])
            # With one bag there is nothing to average, and every row counts once.
            drawn = np.bincount(random.integers(0, len(truth), len(truth)), minlength=len(truth))
            member = self.member(classifies)
            found.append(member.fit(features, truth, sample_weight=weights * (drawn if self.bags > 1 else 1)))
        return found

    def member(self, classifies: bool) -> Any:
        """One bag's model, unfitted."""
        kind = HistGradientBoostingClassifier if classifies else HistGradientBoostingRegressor
        return kind(
            learning_rate=self.learning_rate,
            max_iter=self.max_iter,
            max_leaf_nodes=self.max_leaf_nodes,
            min_samples_leaf=self.min_samples_leaf,
            l2_regularization=self.l2_regularization,
            interaction_cst="no_interactions",
            monotonic_cst=self.monotonic_cst,
            early_stopping=False,
            random_state=self.random_state,
        )


class AdditiveClassifier(ClassifierMixin, _Additive):  # type: ignore[misc]
    """Probabilities of the averaged log-odds."""

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> AdditiveClassifier:
        """features: (n, f); truth: (n,) labels; sample_weight: (n,) or None."""
        self.classes_ = np.unique(np.asarray(truth))
        self.members_ = self._fitted(True, features, np.asarray(truth), sample_weight)
        return self

    def decision_function(self, features: Any) -> Any:
        """Log-odds of the second class, (n,), or a sum a class, (n, classes)."""
        return sum(member.decision_function(features) for member in self.members_) / len(self.members_)

    def predict_proba(self, features: Any) -> Any:
        """Probabilities, shape (n, classes)."""
        raw: Floats = np.asarray(self.decision_function(features), dtype=np.float64)
        if raw.ndim == 1:
            tilt = np.exp(-np.abs(raw))
            second = np.where(raw >= 0.0, 1.0, tilt) / (1.0 + tilt)
            return np.column_stack((1.0 - second, second))
        shares = np.exp(raw - raw.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)

    def predict(self, features: Any) -> Any:
        """Labels, shape (n,)."""
        return self.classes_[np.argmax(self.predict_proba(features), axis=1)]


class AdditiveRegressor(RegressorMixin, _Additive):  # type: ignore[misc]
    """The averaged sum."""

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> AdditiveRegressor:
        """features: (n, f); truth: (n,); sample_weight: (n,) or None."""
        self.members_ = self._fitted(False, features, np.asarray(truth), sample_weight)
        return self

    def predict(self, features: Any) -> Any:
        """Numbers, shape (n,)."""
        return sum(member.predict(features) for member in self.members_) / len(self.members_)
