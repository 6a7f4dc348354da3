"""A fitted network as arrays that may be kept in few bytes, or multiplied as whole numbers.

It answers with numpy alone, which is what its compiled form is certified against: another engine, the same model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.estimators.compact_weights import Weights, kept_as

TOP = 127.0
"""The whole number that the largest input of a layer becomes."""
WEIGHT_TOP = 63
"""The largest whole number of a weight that is multiplied: in pairs, products then stay below 2**15, where processors
without instructions of their own for this (VNNI) would cut them off."""
TINY = 1e-300
FURTHEST = 1e30
"""Beyond this a feature is taken for it where products are in single precision, which ends at 3e38."""
ACTIVE: dict[str, Any] = {
    "identity": lambda x: x,
    "relu": lambda x: np.maximum(x, 0.0),
    "tanh": np.tanh,
    "logistic": lambda x: _logistic(x),
}


def _logistic(x: Floats) -> Floats:
    tilt = np.exp(-np.abs(x))
    found: Floats = np.where(x >= 0.0, 1.0, tilt) / (1.0 + tilt)
    return found


@dataclass(frozen=True)
class Layers:
    """weights, biases (float32 (outputs,), or double): a layer each, in turn. active: between layers; link: after the
    last: identity, logistic or softmax.

    whole: layers multiply whole numbers: the inputs of a layer become int8 by a scale. tops: the largest input that
    each layer was shown, by which its scale is fixed (static); empty: each row has its own scale (dynamic), so that no
    row's answer depends on the rows that are asked with it. single: products and sums in single precision, of features
    within FURTHEST.
    """

    weights: tuple[Weights, ...]
    biases: tuple[np.ndarray[Any, Any], ...]
    active: str
    link: str
    whole: bool = False
    tops: tuple[float, ...] = ()
    single: bool = False

    @property
    def sizes(self) -> tuple[int, ...]:
        """Inputs, then outputs of each layer."""
        return (len(self.weights[0].kept), *(len(bias) for bias in self.biases))

    def inputs(self, features: Any) -> list[Floats]:
        """What each layer is given, and at the end what the last one gives: (n, size) each."""
        at = np.asarray(features, dtype=np.float64)
        if self.single:
            at = np.clip(at, -FURTHEST, FURTHEST).astype(np.float32)
        found = [at]
        for depth in range(len(self.weights)):
            at = self._product(depth, at)
            if depth < len(self.weights) - 1:
                at = ACTIVE[self.active](at)
            found.append(at)
        found[-1] = found[-1].astype(np.float64)
        return found

    def raw(self, features: Any) -> Floats:
        """Before the link, (n, outputs)."""
        return self.inputs(features)[-1]

    def _product(self, depth: int, at: Floats) -> Floats:
        weights, bias = self.weights[depth], self.biases[depth].astype(np.float64)
        if self.single:
            with np.errstate(all="ignore"):
                narrow: Floats = at @ weights.singles + bias.astype(np.float32)
            return narrow
        if not self.whole:
            found: Floats = at @ weights.numbers + bias
            return found
        assert weights.scale is not None
        with np.errstate(all="ignore"):
            if self.tops:
                unit: Any = np.float64(max(self.tops[depth], TINY) / TOP)
                inputs = np.clip(np.rint(at / unit), -TOP, TOP)
            else:
                unit = np.maximum(np.abs(at).max(axis=1, keepdims=True), TINY) / TOP
                inputs = np.rint(at / unit)
            # Sums of whole numbers are exact in double, far below 2**53.
            sums = np.nan_to_num(inputs, nan=0.0) @ weights.kept.astype(np.float64)
            scaled: Floats = sums * unit * weights.scale.astype(np.float64) + bias
        return scaled

    def with_weights(self, numbers: list[Floats], biases: list[Floats]) -> Layers:
        """The same with other numbers, in double."""
        return replace(
            self, weights=tuple(Weights(np.asarray(w, np.float64)) for w in numbers),
            biases=tuple(np.asarray(b, np.float64) for b in biases), whole=False, tops=(), single=False,
        )  # fmt: skip

    def stored(self, form: Any) -> Layers:
        """The same in fewer bytes; vectors in float32. Raises ValueError where a number is too large for a form."""
        weights = tuple(kept_as(form, each.numbers) for each in self.weights)
        return replace(self, weights=weights, biases=tuple(_single(bias) for bias in self.biases))

    def in_single_precision(self) -> Layers:
        """The same, with products in single precision."""
        return replace(self.stored("float32"), single=True)

    def in_whole_numbers(self, tops: tuple[float, ...]) -> Layers:
        """The same, multiplying whole numbers. tops: see above."""
        weights = tuple(kept_as("int8", each.numbers, WEIGHT_TOP) for each in self.weights)
        biases = tuple(_single(bias) for bias in self.biases)
        return replace(self, weights=weights, biases=biases, whole=True, tops=tops, single=False)


def _single(bias: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return bias.astype(np.float32) if np.abs(bias).max(initial=0.0) < np.finfo(np.float32).max else bias


class _Compact(BaseEstimator):  # type: ignore[misc]
    """layers_: what it is."""

    def __init__(self, layers: Layers | None = None) -> None:
        self.layers = layers

    def fit(self, features: Any, truth: Any = None) -> Any:
        """As it is: it came out of another model's fit."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        """Whether it has layers."""
        return self.layers is not None

    @property
    def layers_(self) -> Layers:
        """Its layers. Raises AttributeError without any."""
        if self.layers is None:
            raise AttributeError("a network without layers")
        return self.layers

    @property
    def n_features_in_(self) -> int:
        """Features that it takes."""
        return self.layers_.sizes[0]


class CompactClassifier(ClassifierMixin, _Compact):  # type: ignore[misc]
    """Shares of classes; two classes have one output. classes_: their labels."""

    def __init__(self, layers: Layers | None = None, labels: Any = ()) -> None:
        super().__init__(layers)
        self.labels = labels

    @property
    def classes_(self) -> Any:
        """Labels."""
        return self.labels

    def predict_proba(self, features: Any) -> Any:
        """Probabilities, shape (n, classes)."""
        raw = self.layers_.raw(features)
        if self.layers_.link == "logistic":
            second = _logistic(raw)
            return np.concatenate((1.0 - second, second), axis=1)
        shares = np.exp(raw - raw.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)

    def predict(self, features: Any) -> Any:
        """Labels, shape (n,)."""
        return np.asarray(self.labels)[np.argmax(self.predict_proba(features), axis=1)]


class CompactRegressor(RegressorMixin, _Compact):  # type: ignore[misc]
    """A number."""

    def predict(self, features: Any) -> Any:
        """Numbers, shape (n,)."""
        return self.layers_.raw(features)[:, 0]


def compact(estimator: Any) -> Any:
    """A fitted network of scikit-learn or of ours as a CompactClassifier or CompactRegressor; None for anything else.

    Of scikit-learn's, one target; links identity, logistic and softmax.
    """
    if isinstance(estimator, _Compact):
        return estimator
    needed = ("coefs_", "intercepts_", "activation", "out_activation_")
    if not all(hasattr(estimator, name) for name in needed):
        return None
    if estimator.activation not in ACTIVE or estimator.out_activation_ not in ("identity", "logistic", "softmax"):
        return None
    layers = Layers(
        tuple(Weights(np.asarray(each, dtype=np.float64)) for each in estimator.coefs_),
        tuple(np.asarray(each, dtype=np.float64) for each in estimator.intercepts_),
        estimator.activation, estimator.out_activation_,
    )  # fmt: skip
    if hasattr(estimator, "classes_"):
        return CompactClassifier(layers, estimator.classes_)
    return CompactRegressor(layers) if layers.sizes[-1] == 1 else None


def with_layers(network: Any, layers: Layers) -> Any:
    """The same kind of network with other layers."""
    if isinstance(network, CompactClassifier):
        return CompactClassifier(layers, network.labels)
    return CompactRegressor(layers)
