"""The fast gradient sign method over the numeric columns of models that have a gradient: linear ones and networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from fairlead.contract.errors import CellInvalid, NotOffered
from fairlead.contract.signature import Column
from fairlead.lab.evaluate.robustness.evasion import attacked_rows, mutable
from fairlead.lab.evaluate.robustness.evidence import Evasion
from fairlead.lab.evaluate.rows import Judged
from fairlead.lab.stats.intervals import bootstrap
from fairlead.lab.stats.measures import Floats
from fairlead.runtime.bundle.manifest import TAIL_LINEAR, TAIL_ONNX
from fairlead.runtime.bundle.network_file import read_network
from fairlead.runtime.bundle.tail import LinearForm
from fairlead.runtime.bundle.tail_kernel import Layer

STEPS = (0.01, 0.03, 0.1, 0.3)
"""Steps along the sign, as shares of each column's range."""
ROWS = 200
NEAR = 1e-6
"""Of a column's range: how far apart its two places are by which the preparation's slope is told."""


@dataclass(frozen=True)
class Gradient:
    """Of the raw answer before its link. layers: one of a linear model. outputs: k raw answers.

    of_second: whether the only raw answer is the log-odds of the second of two classes.
    """

    layers: tuple[Layer, ...]
    of_second: bool

    def raw(self, features: Floats) -> Floats:
        """Raw answers, shape (n, k), of features, shape (n, width)."""
        return self._forward(features)[-1]

    def _forward(self, features: Floats) -> list[Floats]:
        """What each layer is given, (n, its width); last what the last one gives."""
        found = [features]
        for layer in self.layers:
            found.append(_ACTIVE[layer.active][0](found[-1] @ layer.weights + layer.bias))
        return found

    def by_features(self, features: Floats, outer: Floats) -> Floats:
        """Gradient of sum_k outer * raw by the features, shape (n, width). outer: (n, k)."""
        given = self._forward(features)
        slope = outer
        for depth in range(len(self.layers) - 1, -1, -1):
            layer = self.layers[depth]
            slope = (slope * _ACTIVE[layer.active][1](given[depth + 1])) @ layer.weights.T
        return slope


_ACTIVE: dict[str, tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]] = {
    "": (lambda x: x, np.ones_like),
    "Relu": (lambda x: np.maximum(x, 0.0), lambda y: (y > 0.0).astype(np.float64)),
    "Tanh": (np.tanh, lambda y: 1.0 - y**2),
    "Sigmoid": (lambda x: 0.5 * (1.0 + np.tanh(0.5 * x)), lambda y: y * (1.0 - y)),
}
"""Activations, and their slopes by what they gave."""


def gradient_of(files: Mapping[str, bytes] | None) -> Gradient:
    """The gradient of a sealed model, by its verified files. Raises NotOffered, saying why there is none."""
    if files is None:
        raise NotOffered("the bundle's files are not at hand")
    if TAIL_LINEAR in files:
        form = msgspec.json.decode(files[TAIL_LINEAR], type=LinearForm)
        weights = np.array(form.weights, dtype=np.float64).reshape(-1, len(form.intercept))
        return Gradient((Layer(weights, np.array(form.intercept, dtype=np.float64), ""),), form.link == "sigmoid")
    if TAIL_ONNX in files:
        network = read_network(files[TAIL_ONNX])
        if network is not None:
            return Gradient(tuple(network[0]), network[1] == "logistic")
        raise NotOffered("only linear models and networks have a gradient; the answers of trees are steps")
    raise NotOffered("a native model shows no gradient")


def fgsm(judged: Judged, fixed: Sequence[str], seed: int, files: Mapping[str, bytes] | None) -> Evasion | None:
    """One step for each row, each numeric column by the same share of its range against the decision, within what
    training saw; whole numbers stay whole, missing cells missing, other columns as they are.

    `within` has one share, of the largest step; `steps` has that of each. distance: of the smallest step that turned a
    row, in standard deviations, the median. None without a decision or columns that may change. Raises NotOffered.
    Source: Goodfellow, Shlens and Szegedy, Explaining and harnessing adversarial examples (ICLR 2015).
    """
    columns = [c for c in mutable(judged, fixed) if c.kind in ("number", "integer") and _wide(c)]
    if judged.signature.task != "classification" or not columns:
        return None
    gradient = gradient_of(files)
    chosen = attacked_rows(judged, ROWS, seed)
    here = {name: np.array(np.asarray(values)[chosen]) for name, values in judged.columns.items()}
    first = _decided(judged, judged.scores[chosen])
    signs = np.sign(against(judged, gradient, here, columns, first))
    turned, moved = np.zeros(len(chosen), dtype=bool), np.full(len(chosen), np.nan)
    steps = []
    for step in STEPS:
        there, away = _stepped(judged, here, columns, signs, step)
        try:
            scores = np.asarray(judged.model.score_columns(there), dtype=np.float64)
        except CellInvalid:
            continue
        now = _decided(judged, scores) != first
        moved = np.where(now & ~turned, away, moved)
        turned |= now
        steps.append((step, bootstrap(turned.astype(np.float64), seed=seed, draws=500)))
    if not steps:
        return None
    median = float(np.nanmedian(moved)) if turned.any() else None
    kept = tuple(name for name in judged.signature.names if name not in {c.name for c in columns})
    return Evasion("fgsm", len(chosen), (steps[-1][1],), median, (), kept, tuple(steps))


def against(
    judged: Judged, gradient: Gradient, here: Mapping[str, Any], columns: Sequence[Column], first: np.ndarray
) -> Floats:
    """The gradient of the loss of what was decided by each column, (n, columns), 0 of missing cells.

    first: the decided classes (n,). The loss is the logarithm of the decided class's probability, negated.
    """
    encode = judged.model.front.encode
    features = np.asarray(encode(dict(here)), dtype=np.float64)
    by_features = gradient.by_features(features, _outer(gradient, features, first))
    found = np.zeros((len(features), len(columns)))
    for at, column in enumerate(columns):
        assert column.low is not None
        assert column.high is not None
        cells = np.asarray(here[column.name], dtype=np.float64)
        # Inwards, so that no edge of the range is crossed.
        apart = np.where(cells > (column.low + column.high) / 2, -1.0, 1.0) * NEAR * (column.high - column.low)
        beside = np.asarray(encode({**here, column.name: cells + apart}), dtype=np.float64)
        slope = (beside - features) / apart[:, None]
        found[:, at] = np.where(np.isfinite(cells), (by_features * np.nan_to_num(slope)).sum(axis=1), 0.0)
    return found


def _outer(gradient: Gradient, features: Floats, first: np.ndarray) -> Floats:
    """Gradient of the loss by the raw answers, (n, k): probabilities less what was decided."""
    raw = gradient.raw(features)
    if gradient.of_second:
        second = 0.5 * (1.0 + np.tanh(0.5 * raw[:, :1]))
        found: Floats = second - (first == 1).astype(np.float64)[:, None]
        return found
    shares = np.exp(raw - raw.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return np.asarray(shares - np.eye(raw.shape[1])[first])


def _stepped(
    judged: Judged, here: Mapping[str, Any], columns: Sequence[Column], signs: Floats, step: float
) -> tuple[dict[str, Any], Floats]:
    """The rows after a step, and how far each went, in standard deviations, (n,)."""
    there, squares = dict(here), np.zeros(len(signs))
    for at, column in enumerate(columns):
        assert column.low is not None
        assert column.high is not None
        cells = np.asarray(here[column.name], dtype=np.float64)
        # A row that lies beyond the range already is not drawn back into it.
        low, high = np.minimum(column.low, cells), np.maximum(column.high, cells)
        moved = np.clip(cells + signs[:, at] * step * (column.high - column.low), low, high)
        moved = np.round(moved) if column.kind == "integer" else moved
        there[column.name] = moved
        spread = float(np.nanstd(np.asarray(judged.columns[column.name], dtype=np.float64))) or 1.0
        squares += np.nan_to_num((moved - cells) / spread) ** 2
    return there, np.sqrt(squares)


def _decided(judged: Judged, scores: Floats) -> np.ndarray:
    classes = judged.signature.classes
    return np.asarray([classes.index(label) for label in judged.model.decide(scores)])


def _wide(column: Column) -> bool:
    return column.low is not None and column.high is not None and column.high > column.low
