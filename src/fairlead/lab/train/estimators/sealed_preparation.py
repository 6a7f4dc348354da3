"""The preparation that is sealed in a bundle, as a step of a pipeline: nothing is learned again."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from fairlead.runtime.bundle.front import Front


class SealedPreparation(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """front: as `Front.to_json` gives it. Compiles to that very front."""

    def __init__(self, front: bytes = b"") -> None:
        self.front = front
        self.front_ = Front.from_json(front)
        self.feature_names_in_ = np.array(self.front_.columns, dtype=object)
        self.n_features_in_ = len(self.front_.columns)

    def fit(self, X: Any, y: Any = None) -> SealedPreparation:
        """Nothing is left to learn."""
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Features, (n, width), of a frame as `lab.tables.frame_of` gives it."""
        columns: dict[str, Any] = {}
        for name, numeric in zip(self.front_.columns, self.front_.numeric, strict=True):
            if numeric:
                columns[name] = X[name].to_numpy(dtype=np.float64, na_value=np.nan)
            else:
                cells = X[name].to_numpy(dtype=object, copy=True)
                cells[[cell != cell for cell in cells]] = None
                columns[name] = cells
        return self.front_.encode(columns)
