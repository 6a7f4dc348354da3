"""What an explanation explains: the model's answer before its link, as a function of the features of its tail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from fairlead.contract.signature import Signature
from fairlead.runtime.bundle.manifest import TAIL_LINEAR, TAIL_ONNX
from fairlead.runtime.bundle.network_file import read_network
from fairlead.runtime.bundle.run import Model
from fairlead.runtime.bundle.tail import LinearForm
from fairlead.runtime.bundle.tail_kernel import Layer
from fairlead.runtime.bundle.tree_file import TreeFile, read_trees
from fairlead.runtime.bundle.tree_tail import TreeTail

Floats = npt.NDArray[np.float64]

LOG_ODDS, LOGITS, LOGARITHM, VALUE, PROBABILITY, SCORE = (
    "log-odds",
    "logits",
    "logarithm",
    "value",
    "probability",
    "score",
)
"""Scales of a margin. logits: scores before a softmax, of which only differences between classes mean something."""


@dataclass(frozen=True)
class Margin:
    """sign * raw + shift of each of `outputs`, k of them.

    outputs: what each is about, a class or `value`; scale: in which unit. raw: features (n, width) to (n, k).
    linear: weights (width, k) where raw is a product with them; trees: where raw is a sum of them.
    """

    outputs: tuple[str, ...]
    scale: str
    raw: Callable[[Floats], Floats]
    sign: float = 1.0
    shift: float = 0.0
    linear: Floats | None = None
    trees: TreeFile | None = None

    def __call__(self, features: Floats) -> Floats:
        """Margins, shape (n, k), of features, shape (n, width)."""
        with np.errstate(all="ignore"):
            found = self.raw(features)
        return found if self.sign == 1.0 and not self.shift else self.sign * found + self.shift


def margin_of(model: Model, files: dict[str, bytes]) -> Margin:
    """The margin of a compiled model by the verified `files` of its bundle; calibration comes after it."""
    signature = model.signature
    if TAIL_LINEAR in files:
        return _linear(msgspec.json.decode(files[TAIL_LINEAR], type=LinearForm), signature)
    trees = read_trees(files[TAIL_ONNX])
    if trees is not None:
        return _trees(trees, signature, model.front.width)
    network = read_network(files[TAIL_ONNX])
    if network is not None:
        return _network(*network, signature)
    return _answers(model)


def _linear(form: LinearForm, signature: Signature) -> Margin:
    weights = np.array(form.weights, dtype=np.float64).reshape(-1, len(form.intercept))
    intercept = np.array(form.intercept, dtype=np.float64)

    def raw(features: Floats) -> Floats:
        found: Floats = features @ weights + intercept
        return found

    return _oriented(signature, form.link, raw, linear=weights)


def _trees(trees: TreeFile, signature: Signature, width: int) -> Margin:
    sums: Callable[[Floats], Floats]
    try:
        sums = TreeTail(msgspec.structs.replace(trees, link="identity"), width).scores
    except (ValueError, OverflowError, TypeError, AssertionError):
        from fairlead.runtime.explain.tree_walks import sums_of

        sums = sums_of(trees)
    return _oriented(signature, trees.link, sums, trees=trees)


def _network(layers: list[Layer], link: str, signature: Signature) -> Margin:
    def raw(features: Floats) -> Floats:
        found = features
        for layer in layers:
            found = _ACTIVE[layer.active](found @ layer.weights + layer.bias)
        return found

    return _oriented(signature, link, raw)


_ACTIVE: dict[str, Callable[[Floats], Floats]] = {
    "": lambda x: x,
    "Relu": lambda x: np.maximum(x, 0.0),
    "Tanh": np.tanh,
    "Sigmoid": lambda x: np.where(x >= 0.0, 1.0, np.exp(-np.abs(x))) / (1.0 + np.exp(-np.abs(x))),
}

_SCALE = {
    "sigmoid": LOG_ODDS,
    "logistic": LOG_ODDS,
    "softmax": LOGITS,
    "exp": LOGARITHM,
    "second": PROBABILITY,
}


def _oriented(
    signature: Signature,
    link: str,
    raw: Callable[[Floats], Floats],
    linear: Floats | None = None,
    trees: TreeFile | None = None,
) -> Margin:
    """The margin of what `link` follows, turned to the class that is asked about where there are two."""
    if signature.task == "classification":
        scale, outputs = _SCALE.get(link, PROBABILITY), signature.classes
    else:
        scale, outputs = _SCALE.get(link, VALUE if signature.task == "regression" else SCORE), signature.outputs
    sign, shift = 1.0, 0.0
    if len(outputs) == 2 and link in ("sigmoid", "logistic", "second"):
        second = asked_about(signature) == 1
        sign, shift = (1.0, 0.0) if second else (-1.0, 1.0 if scale == PROBABILITY else 0.0)
        outputs = (outputs[1] if second else outputs[0],)
    return Margin(outputs, scale, raw, sign, shift, linear, trees)


def _answers(model: Model) -> Margin:
    """Of a model whose inside is not known: its answers, uncalibrated."""
    signature = model.signature
    tail = getattr(model.tail, "uncalibrated", model.tail)
    if signature.task == "classification" and len(signature.classes) == 2:
        at = asked_about(signature)
        return Margin((signature.classes[at],), PROBABILITY, lambda features: tail.scores(features)[:, at : at + 1])
    scale = {"classification": PROBABILITY, "regression": VALUE}.get(signature.task, SCORE)
    return Margin(signature.outputs, scale, tail.scores)


def asked_about(signature: Signature) -> int:
    """Which of two classes explanations are about: the positive one, else the second."""
    return 1 if signature.positive is None else signature.classes.index(signature.positive)
