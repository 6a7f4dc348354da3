"""How far rows lie from the directions in which rows vary."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin

from fairlead.lab.stats.measures import Floats

FAR = 1e150
"""Features beyond this are taken for this: their squares would be infinite."""

TRIMMED = 0.05
EVEN = 1e-9
"""Directions in which rows vary by less than this share of the widest one are those of columns that repeat others."""


class Reconstruction(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """The mean squared error of a row rebuilt from its first principal components.

    share: of the variance that components are kept for; at least one direction in which rows vary is left out, or all
    errors were rounding. Directions are those of rows whose cells beyond the 0.05 and 0.95 quantiles count as these,
    or anomalies would turn them towards themselves. residual_: (f, f), what a
    centred row is multiplied by to give what the components do not explain.
    Source: Jackson and Mudholkar, Control procedures for residuals associated with principal component analysis (1979).
    """

    def __init__(self, share: float = 0.9) -> None:
        self.share = share

    def fit(self, features: Any, truth: Any = None) -> Reconstruction:
        """features: (n, f)."""
        x = np.clip(np.asarray(features, dtype=np.float64), -FAR, FAR)
        x = np.clip(x, *np.quantile(x, [TRIMMED, 1.0 - TRIMMED], axis=0))
        self.mean_, self.n_features_in_ = x.mean(axis=0), x.shape[1]
        values, vectors = np.linalg.eigh(np.cov(x, rowvar=False).reshape(x.shape[1], x.shape[1]))
        values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
        explained = np.cumsum(values) / max(float(values.sum()), 1e-300)
        vary = int((values > EVEN * max(float(values[0]), 1e-300)).sum())
        kept = max(0, min(int(np.searchsorted(explained, self.share)) + 1, vary - 1))
        self.components_ = vectors[:, :kept].T
        self.residual_ = np.eye(x.shape[1]) - self.components_.T @ self.components_
        return self

    def score_samples(self, features: Any) -> Floats:
        """The negative of the error, (n,)."""
        x = np.clip(np.asarray(features, dtype=np.float64), -FAR, FAR)
        rest = (x - self.mean_) @ self.residual_
        found: Floats = -(rest * rest).mean(axis=1)
        return found
