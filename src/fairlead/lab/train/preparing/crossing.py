"""Interactions: products of two columns as further features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from fairlead.contract.errors import InputInvalid

MOST = 2_000
"""Most products of one pair."""


class Crossed(TransformerMixin, BaseEstimator):  # type: ignore[misc, unused-ignore]
    """Every output of one column's transformer times every output of the next one's. Compiles.

    parts: an unfitted transformer for each column of X, in order.
    """

    def __init__(self, parts: Sequence[Any] = ()) -> None:
        self.parts = parts

    def fit(self, X: Any, y: Any = None) -> Crossed:
        """Fit each on its column. Raises InputInvalid for more than MOST products."""
        if hasattr(X, "columns"):
            self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = np.shape(X)[1]
        self.parts_ = [clone(part).fit(_column(X, at), y) for at, part in enumerate(self.parts)]
        self.width_ = int(np.prod([np.shape(m)[1] for m in self._made(X[:1])]))
        if self.width_ > MOST:
            names = " x ".join(map(str, getattr(self, "feature_names_in_", ())))
            raise InputInvalid(
                f"[preparation] interactions: {names} has {self.width_:,} products, at most {MOST:,} are made. "
                "Group rare categories with rare = 0.01, or leave the pair out."
            )
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Products, shape (rows, product of the parts' outputs), the last part's running fastest."""
        check_is_fitted(self, "parts_")
        made = self._made(X)
        found = made[0]
        for other in made[1:]:
            found = (found[:, :, None] * other[:, None, :]).reshape(len(found), -1)
        return found

    def _made(self, X: Any) -> list[np.ndarray]:
        return [np.asarray(part.transform(_column(X, at)), dtype=np.float64) for at, part in enumerate(self.parts_)]

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """`<column>_x_<column>_<number>`."""
        names = getattr(self, "feature_names_in_", input_features)
        joined = "_x_".join(map(str, names)) if names is not None else "product"
        return np.array([f"{joined}_{at}" for at in range(self.width_)], dtype=object)


def _column(X: Any, at: int) -> Any:
    return X.iloc[:, [at]] if hasattr(X, "iloc") else np.asarray(X)[:, [at]]
