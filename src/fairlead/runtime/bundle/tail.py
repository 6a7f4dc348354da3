"""The model itself: features in, scores out, float64 all the way.

Two forms: `tail.onnx`, run by onnxruntime, and `tail.json`, a linear model run by
numpy (a dot product costs less than onnxruntime's call).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import BundleRefused
from fairlead.runtime.bundle.calibration import CalibratedTail, calibrated
from fairlead.runtime.bundle.manifest import CALIBRATION, TAIL_LINEAR, TAIL_ONNX, canonical
from fairlead.runtime.bundle.network_file import read_network
from fairlead.runtime.bundle.onnx_guard import check_onnx, gathered, widest
from fairlead.runtime.bundle.tail_kernel import Layer, dense, has_kernel, score
from fairlead.runtime.bundle.tree_tail import TreeTail, compiled

Floats = npt.NDArray[np.float64]


class Tail(Protocol):
    """What every form offers."""

    def scores(self, features: Floats) -> Floats:
        """Scores, shape (n, outputs), of features, shape (n, width), C-contiguous."""


class LinearForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """tail.json: link(features @ weights + intercept).

    weights: (features, k); link: identity; exp; sigmoid (k = 1, gives two columns); softmax.
    """

    weights: tuple[tuple[float, ...], ...]
    intercept: tuple[float, ...]
    link: Literal["identity", "exp", "sigmoid", "softmax"]
    form: Literal["linear"] = "linear"
    format: int = 1

    def to_json(self) -> bytes:
        """Canonical bytes."""
        return canonical(self)


_PRODUCTS = 500_000
"""Products of one call beyond which numpy's blocks cost less than what its calls do."""
_ALIKE = 1024
"""Products of a row up to which the kernel takes any number of rows, so that a row gets the same bits alone, in a batch
and in a part of a table on another machine. It costs 7 ns a row more than numpy's blocks, of some 500 that a row of a
batch costs."""


class LinearTail:
    """A linear model. kernel: for `_tails`, None where that was not compiled; then numpy does what it does. A wide one
    takes `most` rows at once to the kernel, and more to numpy, whose sums are rounded otherwise.
    """

    def __init__(self, form: LinearForm, width: int) -> None:
        outputs = len(form.intercept)
        if len(form.weights) != width or any(len(row) != outputs for row in form.weights) or not outputs:
            raise BundleRefused(f"tail.json: its weights do not fit {width} features and {outputs} outputs")
        if form.link == "sigmoid" and outputs != 1:
            raise BundleRefused("tail.json: a sigmoid has one output")
        self._weights = np.array(form.weights, dtype=np.float64).reshape(width, outputs)
        self._intercept = np.array(form.intercept, dtype=np.float64)
        if not (np.isfinite(self._weights).all() and np.isfinite(self._intercept).all()):
            raise BundleRefused("tail.json: a weight is not finite")
        self.outputs = outputs + (form.link == "sigmoid")
        self._link = _LINKS[form.link]
        link = "logistic" if form.link == "sigmoid" else form.link
        self.most = _PRODUCTS // max(width * outputs, 1)
        self.kernel = dense(width, [Layer(self._weights, self._intercept)], link) if self.most else None
        self._alike = self.kernel is not None and self._weights.size <= _ALIKE

    def scores(self, features: Floats) -> Floats:
        """See Tail."""
        if self._alike:
            found = np.empty((len(features), self.outputs))
            score(self.kernel, len(features), features, found)
            return found
        return self._link(features @ self._weights + self._intercept)


def _identity(raw: Floats) -> Floats:
    return raw


def _sigmoid(raw: Floats) -> Floats:
    if len(raw) == 1:
        # One row is the common request; numpy's cost per call would be most of it.
        x = raw.item()
        if x >= 0.0:
            p = 1.0 / (1.0 + math.exp(-x))
        else:
            e = math.exp(x)
            p = e / (1.0 + e)
        return np.array(((1.0 - p, p),))
    tilt = np.exp(-np.abs(raw))
    second = np.where(raw >= 0.0, 1.0, tilt) / (1.0 + tilt)
    return np.concatenate((1.0 - second, second), axis=1)


def _softmax(raw: Floats) -> Floats:
    e = np.exp(raw - raw.max(axis=1, keepdims=True))
    found: Floats = e / e.sum(axis=1, keepdims=True)
    return found


def _exp(raw: Floats) -> Floats:
    # An infinite answer is for who asked to judge; a warning in the log of the first one helps nobody.
    with np.errstate(over="ignore"):
        found: Floats = np.exp(raw)
    return found


_LINKS: dict[str, Callable[[Floats], Floats]] = {
    "identity": _identity,
    "exp": _exp,
    "sigmoid": _sigmoid,
    "softmax": _softmax,
}


_CALL = 150_000
"""Products that the kernel does while onnxruntime is being called: 8 µs, and what it saves by wider registers."""
_CURVED = 128
"""Products that a tanh or a sigmoid costs."""


_HELD = 1 << 22
"""Numbers that a model over many places (support vectors, neighbours) holds at once on its way."""


class OnnxTail:
    """An ONNX model in onnxruntime, one thread unless told otherwise, loaded from verified bytes.

    kernel: a network for a few rows, `most` at once, for `_tails`; None for any other model, or where that was not
    compiled.
    """

    def __init__(self, data: bytes, width: int, threads: int = 1) -> None:
        check_onnx(data)
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as why:
            # onnxruntime raises a family of its own without a public root; the text may name internals, not cells.
            raise BundleRefused(f"tail.onnx: onnxruntime does not accept it: {type(why).__name__}") from why
        self.outputs = _check_ports(session, width)
        self._run = session.run
        # Words gather a row of numbers each, so that a text becomes many times as wide as what the front gives.
        self._step = max(1, _HELD // max(widest(data), width * gathered(data)))
        self.kernel, self.most = _network(data, width, self.outputs)

    def scores(self, features: Floats) -> Floats:
        """See Tail."""
        if len(features) > self._step:
            cuts = range(0, len(features), self._step)
            return np.concatenate([self.scores(features[at : at + self._step]) for at in cuts])
        found: Floats = self._run(["value"], {"x": features})[0]
        return found


def _network(data: bytes, width: int, outputs: int) -> tuple[Any | None, int]:
    """The kernel of a network, and the rows up to which it costs less than a call of onnxruntime."""
    network = read_network(data) if has_kernel() else None
    if network is None:
        return None, 0
    layers, link = network
    most = _CALL // sum(layer.weights.size + _CURVED * layer.curved for layer in layers)
    fits = len(layers[-1].bias) + (link == "logistic") == outputs
    kernel = dense(width, layers, link) if fits and most else None
    return kernel, most if kernel is not None else 0


def _check_ports(session: Any, width: int) -> int:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if [p.name for p in inputs] != ["x"] or [p.name for p in outputs] != ["value"]:
        raise BundleRefused("tail.onnx: it must have one input x and one output value")
    if inputs[0].type != "tensor(double)" or outputs[0].type != "tensor(double)":
        raise BundleRefused("tail.onnx: input and output must be double")
    if inputs[0].shape[1:] != [width]:
        raise BundleRefused(f"tail.onnx: it takes {inputs[0].shape[1:]} features, the front gives {width}")
    columns = outputs[0].shape[-1]
    if len(outputs[0].shape) != 2 or not isinstance(columns, int):
        raise BundleRefused("tail.onnx: its output has no fixed number of columns")
    return columns


def load_tail(
    files: dict[str, bytes], width: int, threads: int = 1
) -> LinearTail | TreeTail | OnnxTail | CalibratedTail:
    """The tail among the verified `files`, calibrated where they say how. Raises BundleRefused."""
    tail = _uncalibrated(files, width, threads)
    return tail if CALIBRATION not in files else calibrated(tail, files)


def _uncalibrated(files: dict[str, bytes], width: int, threads: int) -> LinearTail | TreeTail | OnnxTail:
    if TAIL_ONNX in files:
        data = files[TAIL_ONNX]
        check_onnx(data)
        return compiled(data, width) or OnnxTail(data, width, threads)
    try:
        form = msgspec.json.decode(files[TAIL_LINEAR], type=LinearForm)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as why:
        raise BundleRefused(f"tail.json: {why}") from why
    if form.format != 1:
        raise BundleRefused(f"tail.json: format {form.format} is not known; this version reads 1")
    return LinearTail(form, width)
