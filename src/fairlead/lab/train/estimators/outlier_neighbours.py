"""Local outlier factors that any arithmetic computes alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin

from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.estimators.neighbours import AT_ONCE, FAR, TIE


class OutlierNeighbours(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """How much thinner the rows lie around a row than around its neighbours: about 1 inside, larger outside.

    k: how many places, distinct rows of training, are neighbours; those as near as the k-th are, too, as in the
    paper; scikit-learn takes some of them, which depends on the order of rounding. most: places that are kept; of
    more, so many drawn by random_state. places_: (p, f); reach_: (p,) distance of each from its k-th neighbour;
    density_: (p,). Source: Breunig, Kriegel, Ng and Sander, LOF: identifying density-based local outliers (2000).
    """

    tie = TIE

    def __init__(self, k: int = 20, most: int = 5_000, random_state: int = 0) -> None:
        self.k, self.most, self.random_state = k, most, random_state

    def fit(self, features: Any, truth: Any = None) -> OutlierNeighbours:
        """features: (n, f), of at least two different rows."""
        x = np.clip(np.asarray(features, dtype=np.float64), -FAR, FAR)
        places = np.unique(x, axis=0)
        if len(places) > self.most:
            drawn = np.random.default_rng([self.random_state, 6]).permutation(len(places))[: self.most]
            places = places[np.sort(drawn)]
        self.places_, self.n_features_in_ = places, x.shape[1]
        self.k_ = max(1, min(self.k, len(places) - 1))
        self.reach_ = np.ones(len(places))
        self.density_ = np.ones(len(places))
        if len(places) > 1:
            self.reach_ = np.concatenate([kth for _, _, kth in self._near(places, others=True)])
            self.density_ = 1.0 / np.concatenate(
                [_mean(near, np.maximum(apart, self.reach_)) for near, apart, _ in self._near(places, others=True)]
            )
        return self

    def score_samples(self, features: Any) -> Floats:
        """The negative of the factor, (n,), as scikit-learn has it."""
        x = np.clip(np.asarray(features, dtype=np.float64), -FAR, FAR)
        found = [
            _mean(near, np.broadcast_to(self.density_, near.shape)) * _mean(near, np.maximum(apart, self.reach_))
            for near, apart, _ in self._near(x)
        ]
        return -np.concatenate(found) if found else np.zeros(0)

    def _near(self, x: Floats, others: bool = False) -> Any:
        """In parts: which places are neighbours, (m, p); distances from all, (m, p); that of the k-th, (m,).

        others: the rows are the places, and none is its own neighbour.
        """
        own = (self.places_**2).sum(axis=1)
        step = max(1, AT_ONCE // len(self.places_))
        for at in range(0, len(x), step):
            part = x[at : at + step]
            size = (part**2).sum(axis=1, keepdims=True)
            square = np.maximum(size + own - 2.0 * (part @ self.places_.T), 0.0)
            if others:
                square[np.arange(len(part)), at + np.arange(len(part))] = np.inf
            kth = np.partition(square, self.k_ - 1, axis=1)[:, self.k_ - 1 : self.k_]
            near = square <= kth + self.tie * (kth + size)
            yield near, np.sqrt(np.where(np.isfinite(square), square, 0.0)), np.sqrt(kth[:, 0])


def _mean(near: Any, values: Floats) -> Floats:
    found: Floats = (near * values).sum(axis=1) / near.sum(axis=1)
    return found
