"""Tensors as features: all their elements side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin


class Elements(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Columns whose cells are arrays to one feature an element, row-major, columns in their order.

    low: what becomes 0; width: how far above it lies what becomes 1. Every element is treated alike, so that a pixel
    that training saw in one colour alone does not count for more than others. Compiles.
    """

    def __init__(self, low: float = 0.0, width: float = 1.0) -> None:
        self.low = low
        self.width = width

    def fit(self, rows: Any, truth: Any = None) -> Elements:
        """Learns how many columns and features there are."""
        self.n_features_in_ = rows.shape[1]
        self.feature_names_in_ = np.array([str(name) for name in rows.columns], dtype=object)
        self.sizes_ = [np.size(rows.iloc[0, at]) for at in range(rows.shape[1])]
        return self

    def transform(self, rows: Any) -> np.ndarray:
        """Features, shape (n, elements of all columns), in double precision."""
        cells = [np.stack(rows.iloc[:, at].to_list()).reshape(len(rows), -1) for at in range(rows.shape[1])]
        return (np.concatenate(cells, axis=1, dtype=np.float64) - self.low) / self.width

    def get_feature_names_out(self, names: Any = None) -> np.ndarray:
        """The column and the element's place in it."""
        pairs = zip(self.feature_names_in_, self.sizes_, strict=True)
        return np.array([f"{name}_{at}" for name, size in pairs for at in range(size)], dtype=object)
