"""Categories as the mean of the target, without a row seeing its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

FOLDS = 5


class TargetMeans(TransformerMixin, BaseEstimator):  # type: ignore[misc, unused-ignore]
    """Each category as the smoothed mean of the target over its rows; one output a class where there are more than two.

    Training rows are encoded by what the other folds say (cross-fitting), since a row that is encoded by its own
    target gives it away; all other rows by what all of training says. Unlike scikit-learn's TargetEncoder, whose
    smoothing it uses, it is deterministic in every version. Source: Micci-Barreca, SIGKDD Explorations 3 (2001).
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, X: Any, y: Any) -> TargetMeans:
        """Learn from X, shape (rows, columns), texts without gaps, and y, labels or numbers."""
        if hasattr(X, "columns"):
            self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = np.shape(X)[1]
        self.encoder_ = self._encoder(np.asarray(y)).fit(np.asarray(X, dtype=object), np.asarray(y))
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The means of all of training, shape (rows, columns x outputs)."""
        check_is_fitted(self, "encoder_")
        return np.asarray(self.encoder_.transform(np.asarray(X, dtype=object)), dtype=np.float64)

    def fit_transform(self, X: Any, y: Any = None, **others: Any) -> np.ndarray:
        """Fit, and the means by which training rows are to be learned from."""
        self.fit(X, y)
        cells, truth = np.asarray(X, dtype=object), np.asarray(y)
        found = self.transform(cells)
        for fit, judge in self._folds(truth):
            if truth.dtype.kind != "f" and set(truth[fit].tolist()) != set(truth.tolist()):
                continue  # a class that the other folds lack: all of training has to do
            part = self._encoder(truth).fit(cells[fit], truth[fit])
            found[judge] = part.transform(cells[judge])
        return found

    def _encoder(self, truth: np.ndarray) -> Any:
        from sklearn.preprocessing import TargetEncoder

        if truth.dtype.kind == "f":
            return TargetEncoder(target_type="continuous")
        return TargetEncoder(target_type="binary" if len(set(truth.tolist())) <= 2 else "multiclass")

    def _folds(self, truth: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Deals rows evenly, class by class, so that rare ones are in every fold."""
        random = np.random.default_rng([self.seed, 3])
        groups = np.zeros(len(truth), dtype=np.int64)
        if truth.dtype.kind != "f":
            groups = np.unique(truth, return_inverse=True)[1].reshape(-1)
        dealt, first = np.empty(len(truth), dtype=np.int64), 0
        for group in np.unique(groups):
            members = random.permutation(np.flatnonzero(groups == group))
            dealt[members] = (np.arange(len(members)) + first) % FOLDS
            first += len(members)
        folds = [(np.flatnonzero(dealt != f), np.flatnonzero(dealt == f)) for f in range(FOLDS)]
        return [(fit, judge) for fit, judge in folds if len(fit) and len(judge)]
