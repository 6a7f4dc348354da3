"""Nearest neighbours that answer ties alike wherever they are computed."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from fairlead.lab.stats.measures import Floats

AT_ONCE = 1 << 21
"""Distances that are held at once."""
TIE = 1e-9
"""Places whose squared distances differ by less than this share of the row's own size and distance are equally near:
far more than rounding moves them, so that every arithmetic finds the same neighbours."""
FAR = 1e150
"""Features beyond this are taken for this: their squares would be infinite."""


class _Neighbours(BaseEstimator):  # type: ignore[misc]
    """k: how many places, distinct rows of training, are asked; those as near as the k-th are asked, too.

    most: places that are kept; of more, so many drawn by random_state. places_: (p, f); counts_: (p,) weight of the
    rows at each; sums_: (p, outputs) of their targets. Source: Cover and Hart, Nearest neighbor pattern
    classification (1967).
    """

    tie = TIE

    def _keep(self, features: Any, aims: Floats, sample_weight: Any) -> None:
        x = np.clip(np.asarray(features, dtype=np.float64), -FAR, FAR)
        weights = np.ones(len(x)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        places, at = np.unique(x, axis=0, return_inverse=True)
        at = np.ravel(at)
        counts = np.bincount(at, weights=weights, minlength=len(places))
        sums = np.column_stack(
            [np.bincount(at, weights=weights * aim, minlength=len(places)) for aim in np.asarray(aims).T]
        )
        kept = np.flatnonzero(counts > 0.0)
        if len(kept) > self.most:
            kept = np.sort(np.random.default_rng([self.random_state, 6]).permutation(kept)[: self.most])
        self.places_, self.counts_, self.sums_ = places[kept], counts[kept], sums[kept]
        self.k_, self.n_features_in_ = min(self.k, len(kept)), x.shape[1]

    def _asked(self, features: Any) -> Floats:
        """Sums of targets and weights of each row's neighbours, shape (n, outputs + 1)."""
        x = np.clip(np.asarray(features, dtype=np.float64), -FAR, FAR)
        own = (self.places_**2).sum(axis=1)
        told = np.column_stack((self.sums_, self.counts_))
        found = np.empty((len(x), told.shape[1]))
        step = max(1, AT_ONCE // len(self.places_))
        for at in range(0, len(x), step):
            part = x[at : at + step]
            size = (part**2).sum(axis=1, keepdims=True)
            apart = np.maximum(size + own - 2.0 * (part @ self.places_.T), 0.0)
            kth = np.partition(apart, self.k_ - 1, axis=1)[:, self.k_ - 1 : self.k_]
            near = apart <= kth + self.tie * (kth + size)
            found[at : at + step] = near @ told
        return found


class NeighbourClassifier(ClassifierMixin, _Neighbours):  # type: ignore[misc]
    """Shares of the classes among the neighbours, with `shrink` rows more that are as all rows are.

    So no class has the probability 0 or 1, which a few neighbours cannot know.
    """

    def __init__(self, k: int = 15, shrink: float = 1.0, most: int = 20_000, random_state: int = 0) -> None:
        self.k, self.shrink, self.most, self.random_state = k, shrink, most, random_state

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> NeighbourClassifier:
        """features: (n, f); truth: (n,) labels; sample_weight: (n,) or None."""
        self.classes_, codes = np.unique(np.asarray(truth), return_inverse=True)
        self._keep(features, np.eye(len(self.classes_))[codes], sample_weight)
        self.shares_ = self.sums_.sum(axis=0) / self.counts_.sum()
        return self

    def predict_proba(self, features: Any) -> Any:
        """Probabilities, shape (n, classes)."""
        found = self._asked(features)
        return (found[:, :-1] + self.shrink * self.shares_) / (found[:, -1:] + self.shrink)

    def predict(self, features: Any) -> Any:
        """Labels, shape (n,)."""
        return self.classes_[np.argmax(self.predict_proba(features), axis=1)]


class NeighbourRegressor(RegressorMixin, _Neighbours):  # type: ignore[misc]
    """The mean of the neighbours' numbers."""

    def __init__(self, k: int = 10, most: int = 20_000, random_state: int = 0) -> None:
        self.k, self.most, self.random_state = k, most, random_state

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> NeighbourRegressor:
        """features: (n, f); truth: (n,); sample_weight: (n,) or None."""
        self._keep(features, np.asarray(truth, dtype=np.float64)[:, None], sample_weight)
        return self

    def predict(self, features: Any) -> Any:
        """Numbers, shape (n,)."""
        found = self._asked(features)
        return found[:, 0] / found[:, 1]
