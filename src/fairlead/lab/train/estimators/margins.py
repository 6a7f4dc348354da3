"""Support vector machines whose margins are made probabilities, and those of numbers of any size."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR

from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.estimators.platt import platt

EVEN = 1e-12
"""Added to every class's share before shares are made to sum to 1: far from all rows all of them may be 0."""


class MarginClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """One machine for two classes, else one a class against the rest, each with a sigmoid of its own.

    kernel: linear or rbf. C: inverse of the shrinkage. width: gamma in units of 1 / (features * variance).
    The sigmoids are fitted to margins from `folds` folds; the machines then to all rows.
    machines_: fitted LinearSVC or SVC; slopes_, offsets_: (machines,); gamma_: of rbf.
    Source: Cortes and Vapnik, Support-vector networks (1995); for probabilities see `platt`.
    """

    even = EVEN

    def __init__(
        self, kernel: str = "linear", C: float = 1.0, width: float = 1.0, folds: int = 4, random_state: int = 0
    ) -> None:
        self.kernel, self.C, self.width, self.folds, self.random_state = kernel, C, width, folds, random_state

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> MarginClassifier:
        """features: (n, f); truth: (n,) labels; sample_weight: (n,) or None."""
        x = np.ascontiguousarray(features, dtype=np.float64)
        self.classes_, codes = np.unique(np.asarray(truth), return_inverse=True)
        weights = np.ones(len(x)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        self.gamma_, self.n_features_in_ = _gamma(x, self.width), x.shape[1]
        sides = [codes == 1] if len(self.classes_) == 2 else [codes == at for at in range(len(self.classes_))]
        dealt = _dealt(codes, self.folds, self.random_state)
        self.machines_, slopes, offsets = [], [], []
        for side in sides:
            slope, offset = platt(self._unseen(x, side, weights, dealt), side.astype(np.float64), weights)
            self.machines_.append(self._machine().fit(x, side, sample_weight=weights))
            slopes.append(slope)
            offsets.append(offset)
        self.slopes_, self.offsets_ = np.array(slopes), np.array(offsets)
        return self

    def predict_proba(self, features: Any) -> Any:
        """Probabilities, shape (n, classes)."""
        raw = np.column_stack([machine.decision_function(features) for machine in self.machines_])
        raw = raw * self.slopes_ + self.offsets_
        tilt = np.exp(-np.abs(raw))
        shares = np.where(raw >= 0.0, 1.0, tilt) / (1.0 + tilt)
        if len(self.classes_) == 2:
            return np.column_stack((1.0 - shares[:, 0], shares[:, 0]))
        shares = shares + self.even
        return shares / shares.sum(axis=1, keepdims=True)

    def predict(self, features: Any) -> Any:
        """Labels, shape (n,)."""
        return self.classes_[np.argmax(self.predict_proba(features), axis=1)]

    def _machine(self) -> Any:
        if self.kernel == "linear":
            # The primal has no randomness and knows no limit of rows.
            return LinearSVC(C=self.C, dual=False, max_iter=2000)
        return SVC(C=self.C, kernel="rbf", gamma=self.gamma_, cache_size=400)

    def _unseen(self, x: Floats, side: np.ndarray, weights: Floats, dealt: np.ndarray) -> Floats:
        """Margins of each row by a machine that was fitted without its fold; by all rows where folds are too few."""
        margins = np.empty(len(x))
        for fold in range(int(dealt.max()) + 1):
            out = dealt == fold
            rest = ~out if (dealt != 0).any() else out
            if len(np.unique(side[rest])) < 2:
                margins[out] = 0.0
                continue
            machine = self._machine().fit(x[rest], side[rest], sample_weight=weights[rest])
            margins[out] = machine.decision_function(x[out])
        return margins


class MarginRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Support vector regression in deviations of the target from its mean (Drucker et al., 1997).

    kernel, C, width: as of MarginClassifier. epsilon: errors up to this many deviations cost nothing.
    machine_: fitted LinearSVR or SVR; the answer is scale_ * margin + mean_.
    """

    def __init__(
        self, kernel: str = "linear", C: float = 1.0, width: float = 1.0, epsilon: float = 0.1, random_state: int = 0
    ) -> None:
        self.kernel, self.C, self.width, self.epsilon, self.random_state = kernel, C, width, epsilon, random_state

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> MarginRegressor:
        """features: (n, f); truth: (n,); sample_weight: (n,) or None."""
        x, y = np.ascontiguousarray(features, dtype=np.float64), np.asarray(truth, dtype=np.float64)
        self.gamma_, self.n_features_in_ = _gamma(x, self.width), x.shape[1]
        self.mean_, self.scale_ = float(y.mean()), float(y.std()) or 1.0
        if self.kernel == "linear":
            machine = LinearSVR(
                C=self.C, epsilon=self.epsilon, loss="squared_epsilon_insensitive", dual=False, max_iter=2000
            )
        else:
            machine = SVR(C=self.C, kernel="rbf", gamma=self.gamma_, epsilon=self.epsilon, cache_size=400)
        self.machine_ = machine.fit(x, (y - self.mean_) / self.scale_, sample_weight=sample_weight)
        return self

    def predict(self, features: Any) -> Any:
        """Numbers, shape (n,)."""
        return self.machine_.predict(features) * self.scale_ + self.mean_


def _gamma(x: Floats, width: float) -> float:
    variance = float(x.var())
    return width / (x.shape[1] * variance) if variance > 0.0 else width


def _dealt(codes: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold of each row, every class dealt evenly; 0 throughout where some class has too few rows for two folds."""
    fewest = int(np.bincount(codes).min())
    count = min(folds, fewest)
    dealt = np.zeros(len(codes), dtype=np.int64)
    if count < 2:
        return dealt
    random = np.random.default_rng([seed, 5])
    for code in np.unique(codes):
        members = random.permutation(np.flatnonzero(codes == code))
        dealt[members] = np.arange(len(members)) % count
    return dealt
