"""Lasso and elastic net whose shrinkage is a share of the least one that leaves nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import ElasticNet

SMALLEST = 1e-12


class RelativeNet(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Elastic net by `share` of the shrinkage at which all weights are 0, so that it means the same for any target.

    share: in (0, 1]; l1_ratio: share of the penalty on absolute weights, 1 is the lasso. The target is learned in
    deviations from its mean. alpha_: the penalty on those; coef_: (features,).
    Source: Friedman, Hastie and Tibshirani, Regularization paths for generalized linear models (2010).
    """

    def __init__(self, share: float = 0.01, l1_ratio: float = 1.0, max_iter: int = 5000) -> None:
        self.share, self.l1_ratio, self.max_iter = share, l1_ratio, max_iter

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> RelativeNet:
        """features: (n, f); truth: (n,); sample_weight: (n,) or None."""
        x, y = np.asarray(features, dtype=np.float64), np.asarray(truth, dtype=np.float64)
        weights = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        mean = float(np.average(y, weights=weights))
        # In deviations: the squared part of the penalty would else mean another thing in another unit.
        spread = float(np.sqrt(np.average((y - mean) ** 2, weights=weights))) or 1.0
        y = (y - mean) / spread
        off = weights * y
        pull = np.abs((x - np.average(x, axis=0, weights=weights)).T @ off) / weights.sum()
        self.alpha_ = max(self.share * float(pull.max(initial=0.0)) / self.l1_ratio, SMALLEST)
        net = ElasticNet(alpha=self.alpha_, l1_ratio=self.l1_ratio, max_iter=self.max_iter)
        net.fit(x, y, sample_weight=sample_weight)
        self.coef_, self.intercept_ = net.coef_ * spread, float(net.intercept_) * spread + mean
        self.n_features_in_ = x.shape[1]
        return self

    def predict(self, features: Any) -> Any:
        """Numbers, shape (n,)."""
        return np.asarray(features, dtype=np.float64) @ self.coef_ + self.intercept_
