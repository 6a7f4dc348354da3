"""Transformers of numbers that learn operations of the front: what they do in training is what serving does."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from fairlead.runtime.bundle.ops import AnyOp, all_for_many

Floats = npt.NDArray[np.float64]


class OnNumbers(TransformerMixin, BaseEstimator):  # type: ignore[misc, unused-ignore]
    """Base of transformers that treat every numeric column by itself, one output each; missing stays NaN.

    A subclass says what it learns from a column; that is also how it compiles, so the sealed form is exact.
    """

    def learn(self, x: Floats) -> tuple[AnyOp, ...]:
        """Operations for a column, from its training cells, shape (rows,), NaN where missing."""
        raise NotImplementedError

    def fit(self, X: Any, y: Any = None) -> OnNumbers:
        """Learn from X, shape (rows, columns), numbers."""
        if hasattr(X, "columns"):
            self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        table = np.asarray(X, dtype=np.float64)
        self.n_features_in_ = table.shape[1]
        self.ops_ = [self.learn(table[:, at]) for at in range(table.shape[1])]
        return self

    def transform(self, X: Any) -> Floats:
        """The operations applied, shape (rows, columns), float64."""
        check_is_fitted(self, "ops_")
        table = np.asarray(X, dtype=np.float64)
        found = np.empty(table.shape)
        with np.errstate(all="ignore"):
            for at, ops in enumerate(self.ops_):
                found[:, at] = all_for_many(ops, table[:, at])
        return found

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """The names of the columns."""
        names = getattr(self, "feature_names_in_", input_features)
        if names is None:
            names = [f"x{at}" for at in range(self.n_features_in_)]
        return np.asarray(names, dtype=object)
