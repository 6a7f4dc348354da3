"""A network trained by torch in mini-batches, stopped early, and taken up again where it was killed.

Only the fit needs torch: what it found is kept as arrays, and answers come from numpy in double precision.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from fairlead.lab.stats.measures import Floats, Ints
from fairlead.lab.train.estimators.torch_fitting import Fitting, Recipe, Rows

HELD_BACK = 0.1
FEWEST_HELD = 10
"""Rows below which none are held back, and the fit goes through all its passes."""


class _Network(BaseEstimator):  # type: ignore[misc]
    """Layers of rectified sums, fitted by AdamW (Loshchilov and Hutter, 2019) with dropout (Srivastava et al., 2014).

    layers: sizes of the hidden layers, as 64x32. epochs: most passes over the rows. patience: passes without gain on
    a tenth of the rows held back after which it stops and takes the best; 0: all passes, no rows held back.
    ordered: rows are in order of time, and the newest are held back; else they are drawn. device: auto takes a GPU
    where there is one. coefs_, intercepts_: a matrix and a vector a layer, in double; epochs_: passes that were made;
    best_epoch_: the one that was taken; device_: where it was trained.
    Set `keep` to a folder and every pass is kept there until the fit is done; a fit of the same rows with the same
    parameters goes on from it and ends as if it had never been interrupted. Set `watch` to be told of every pass:
    watch(text, share).
    """

    keep: Path | None = None
    watch: Callable[[str, float], Any] | None = None
    activation = "relu"

    def __init__(
        self,
        layers: str = "64",
        epochs: int = 100,
        batch: int = 128,
        learning_rate: float = 3e-3,
        decay: float = 1e-2,
        dropout: float = 0.1,
        patience: int = 10,
        ordered: bool = False,
        device: str = "auto",
        random_state: int = 0,
    ) -> None:
        self.layers, self.epochs, self.batch, self.learning_rate = layers, epochs, batch, learning_rate
        self.decay, self.dropout, self.patience, self.ordered = decay, dropout, patience, ordered
        self.device, self.random_state = device, random_state

    def _fit(self, x: Floats, aims: Floats, outputs: int, kind: str, weights: Any, strata: Ints) -> None:
        given = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=np.float64)
        held = _held_back(strata, self.patience, self.ordered, self.random_state)
        recipe = Recipe(
            sizes=(x.shape[1], *(int(size) for size in self.layers.split("x")), outputs),
            kind=kind,
            epochs=self.epochs,
            batch=self.batch,
            rate=self.learning_rate,
            decay=self.decay,
            dropout=self.dropout,
            patience=self.patience if held.any() else 0,
            seed=self.random_state,
            device=self.device,
        )
        learned = Rows(x[~held], aims[~held], given[~held])
        judged = Rows(x[held], aims[held], given[held]) if held.any() else None
        checkpoint = None
        if self.keep is not None:
            checkpoint = Path(self.keep) / f"{_fingerprint(x, aims, given, recipe)}.npz"
        found = Fitting(recipe, learned, judged, checkpoint, self.watch).run()
        self.coefs_, self.intercepts_ = found.weights, found.biases
        self.epochs_, self.best_epoch_, self.device_ = found.epochs, found.best, found.device
        self.n_features_in_, self.n_outputs_ = x.shape[1], outputs

    def _raw(self, features: Any) -> Floats:
        at = np.asarray(features, dtype=np.float64)
        for depth, (weights, bias) in enumerate(zip(self.coefs_, self.intercepts_, strict=True)):
            at = at @ weights + bias
            if depth < len(self.coefs_) - 1:
                at = np.maximum(at, 0.0)
        return at


class NetworkClassifier(ClassifierMixin, _Network):  # type: ignore[misc]
    """Shares of classes by cross-entropy."""

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> NetworkClassifier:
        """features: (n, f); truth: (n,) labels; sample_weight: (n,) or None. Raises MissingExtra."""
        self.classes_, codes = np.unique(np.asarray(truth), return_inverse=True)
        two = len(self.classes_) == 2
        self.out_activation_ = "logistic" if two else "softmax"
        x = np.ascontiguousarray(features, dtype=np.float64)
        kind = "two" if two else "classes"
        self._fit(x, codes.astype(np.float64), 1 if two else len(self.classes_), kind, sample_weight, codes)
        return self

    def predict_proba(self, features: Any) -> Any:
        """Probabilities, shape (n, classes)."""
        raw = self._raw(features)
        if len(self.classes_) == 2:
            tilt = np.exp(-np.abs(raw))
            second = np.where(raw >= 0.0, 1.0, tilt) / (1.0 + tilt)
            return np.concatenate((1.0 - second, second), axis=1)
        shares = np.exp(raw - raw.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)

    def predict(self, features: Any) -> Any:
        """Labels, shape (n,)."""
        return self.classes_[np.argmax(self.predict_proba(features), axis=1)]


class NetworkRegressor(RegressorMixin, _Network):  # type: ignore[misc]
    """A number by squared errors, learned in deviations from the mean, which the last layer undoes."""

    out_activation_ = "identity"

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> NetworkRegressor:
        """features: (n, f); truth: (n,); sample_weight: (n,) or None. Raises MissingExtra."""
        y = np.asarray(truth, dtype=np.float64)
        weights = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        mean = float(np.average(y, weights=weights))
        spread = float(np.sqrt(np.average((y - mean) ** 2, weights=weights))) or 1.0
        x = np.ascontiguousarray(features, dtype=np.float64)
        ranks = np.argsort(np.argsort(y, kind="stable"), kind="stable") * 10 // max(len(y), 1)
        self._fit(x, (y - mean) / spread, 1, "number", weights, ranks)
        self.coefs_[-1] = self.coefs_[-1] * spread
        self.intercepts_[-1] = self.intercepts_[-1] * spread + mean
        return self

    def predict(self, features: Any) -> Any:
        """Numbers, shape (n,)."""
        return self._raw(features)[:, 0]


def _held_back(strata: Ints, patience: int, ordered: bool, seed: int) -> np.ndarray:
    """Which rows stopping is judged by: the newest, or of each class (or tenth of the numbers) the same share."""
    held = np.zeros(len(strata), dtype=bool)
    wanted = int(len(strata) * HELD_BACK)
    if not patience or wanted < FEWEST_HELD:
        return held
    if ordered:
        held[-wanted:] = True
    else:
        random = np.random.default_rng([seed, 8])
        for group in np.unique(strata):
            members = random.permutation(np.flatnonzero(strata == group))
            held[members[: round(len(members) * HELD_BACK)]] = True
    # Every class must be learned from.
    return held if len(np.unique(strata[~held])) == len(np.unique(strata)) or ordered else np.zeros_like(held)


def _fingerprint(x: Floats, aims: Floats, weights: Floats, recipe: Recipe) -> str:
    digest = hashlib.sha256(msgspec.json.encode(recipe))
    for array in (x, aims, weights):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:32]
