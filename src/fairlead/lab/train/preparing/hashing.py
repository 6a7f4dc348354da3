"""Categories by a hash of their text."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from fairlead.runtime.bundle.hashed import bucket_of


class HashedCategories(TransformerMixin, BaseEstimator):  # type: ignore[misc, unused-ignore]
    """Each column of texts as `buckets` columns, 1 in the one that the text's hash falls into. Compiles.

    Nothing is learned, so a category never seen is as good as any; different ones may share a bucket. Source:
    Weinberger et al., Feature hashing for large scale multitask learning (2009), without its signs.
    """

    def __init__(self, buckets: int = 64) -> None:
        self.buckets = buckets

    def fit(self, X: Any, y: Any = None) -> HashedCategories:
        """Nothing is learned but the columns."""
        if hasattr(X, "columns"):
            self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = np.shape(X)[1]
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Indicators, shape (rows, columns x buckets). A missing cell falls into none."""
        check_is_fitted(self, "n_features_in_")
        cells = np.asarray(X, dtype=object)
        found = np.zeros((len(cells), cells.shape[1] * self.buckets))
        for at in range(cells.shape[1]):
            for row, cell in enumerate(cells[:, at].tolist()):
                if cell is not None and cell == cell:
                    found[row, at * self.buckets + bucket_of(cell, self.buckets)] = 1.0
        return found

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """`<column>_<bucket>`."""
        names = getattr(self, "feature_names_in_", input_features)
        if names is None:
            names = [f"x{at}" for at in range(self.n_features_in_)]
        return np.array([f"{name}_{bucket}" for name in names for bucket in range(self.buckets)], dtype=object)
