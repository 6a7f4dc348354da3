"""Logistic regression under an absolute penalty that is a share of the least one that leaves nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

SMALLEST = 1e-12
ROUNDS = 2000


class RelativeLogistic(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Log-odds linear in the features, shrunken by `share` of the penalty at which all weights are 0.

    share: in (0, 1]. l1_ratio: share of the penalty on absolute weights, 1 is the lasso. Solved by SAGA (Defazio et
    al., 2014), whose order of rows follows from random_state. model_: the fitted LogisticRegression.
    """

    def __init__(self, share: float = 0.01, l1_ratio: float = 1.0, random_state: int = 0) -> None:
        self.share, self.l1_ratio, self.random_state = share, l1_ratio, random_state

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> RelativeLogistic:
        """features: (n, f); truth: (n,) labels; sample_weight: (n,) or None."""
        x, y = np.asarray(features, dtype=np.float64), np.asarray(truth)
        weights = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        own = y[:, None] == np.unique(y)
        off = weights[:, None] * (own - np.average(own, axis=0, weights=weights))
        # At weights 0 the gradient of the summed loss is this; a larger penalty keeps them there.
        pull = float(np.abs(x.T @ off).max(initial=0.0))
        self.C_ = 1.0 / max(self.share * pull / self.l1_ratio, SMALLEST)
        self.model_ = _logistic(self.C_, self.l1_ratio, self.random_state).fit(x, y, sample_weight=sample_weight)
        self.classes_, self.n_features_in_ = self.model_.classes_, x.shape[1]
        return self

    def predict_proba(self, features: Any) -> Any:
        """Probabilities, shape (n, classes)."""
        return self.model_.predict_proba(features)

    def predict(self, features: Any) -> Any:
        """Labels, shape (n,)."""
        return self.model_.predict(features)


def _logistic(strength: float, l1_ratio: float, seed: int) -> Any:
    import sklearn
    from sklearn.linear_model import LogisticRegression

    given: dict[str, Any] = {"C": strength, "l1_ratio": l1_ratio, "solver": "saga", "max_iter": ROUNDS}
    if tuple(int(part) for part in sklearn.__version__.split(".")[:2]) < (1, 8):
        # Before 1.8 the ratio counts only where the penalty is named; since then naming it is deprecated.
        given["penalty"] = "elasticnet"
    return LogisticRegression(**given, tol=1e-3, random_state=seed)
