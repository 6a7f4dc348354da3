"""Rare categories as one group."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

RARE = "(rare)"


class RareCategories(TransformerMixin, BaseEstimator):  # type: ignore[misc, unused-ignore]
    """Categories in fewer than a share of training rows become one; so do those never seen, where there is a group.

    share: in [0, 1). group: the text that stands for them. Missing cells stay missing. Compiles.
    """

    def __init__(self, share: float = 0.01, group: str = RARE) -> None:
        self.share = share
        self.group = group

    def fit(self, X: Any, y: Any = None) -> RareCategories:
        """Count the categories of X, shape (rows, columns), texts. `kept_`: None for a column without rare ones."""
        if hasattr(X, "columns"):
            self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        cells = np.asarray(X, dtype=object)
        self.n_features_in_ = cells.shape[1]
        self.kept_: list[frozenset[str] | None] = []
        for at in range(cells.shape[1]):
            counts: dict[str, int] = {}
            for cell in cells[:, at].tolist():
                if cell is not None and cell == cell:
                    counts[cell] = counts.get(cell, 0) + 1
            kept = frozenset(cell for cell, count in counts.items() if count >= self.share * len(cells))
            self.kept_.append(None if len(kept) == len(counts) else kept)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The same texts but for the rare ones, objects of shape (rows, columns)."""
        check_is_fitted(self, "kept_")
        found = np.array(np.asarray(X, dtype=object), copy=True)
        for at, kept in enumerate(self.kept_):
            if kept is not None:
                found[:, at] = [
                    cell if cell is None or cell != cell or cell in kept else self.group for cell in found[:, at]
                ]
        return found

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """The names of the columns."""
        names = getattr(self, "feature_names_in_", input_features)
        if names is None:
            names = [f"x{at}" for at in range(self.n_features_in_)]
        return np.asarray(names, dtype=object)
