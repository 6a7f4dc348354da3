"""Dense tails and answers by the compiled kernel `_tails`: for a few rows the calls of numpy and onnxruntime cost more
than what they do.

The kernel is a C file that is compiled when the package is built; where that could not be, the tails do what they do
for many rows. Sums run in one order, so a row gets the same bits alone and among others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fairlead.contract.signature import Signature

try:
    from fairlead.runtime.bundle import _tails
except ImportError:  # no compiler when the package was built
    _tails = None  # type: ignore[assignment]

answer: Any = None if _tails is None else _tails.answer
score: Any = None if _tails is None else _tails.score
calibrate: Any = None if _tails is None else _tails.calibrate

Floats = npt.NDArray[np.float64]
LINKS = {"identity": 0, "exp": 1, "sigmoid": 2, "softmax": 3, "logistic": 4, "second": 5}
"""What follows the sums; logistic and second give two columns, 1 - p and p, with p = sigmoid(x) or x."""
ACTIVATIONS = {"": 0, "Relu": 1, "Tanh": 2, "Sigmoid": 3}


def _finite(scores: list[list[float]]) -> bool:
    """Whether every number is finite, and the sum of all, which Python knows soonest."""
    return isfinite(sum(map(sum, scores)))


finite: Callable[[list[list[float]]], bool] = _finite if _tails is None else _tails.finite


class Layer(NamedTuple):
    """active(x @ weights + bias). weights: (inputs, outputs); bias: (outputs,); active: a name of ACTIVATIONS."""

    weights: Floats
    bias: Floats
    active: str = ""

    @property
    def curved(self) -> int:
        """Outputs that go through a transcendental function."""
        return len(self.bias) if self.active in ("Tanh", "Sigmoid") else 0


def has_kernel() -> bool:
    """Whether there is a kernel."""
    return _tails is not None


def dense(features: int, layers: Sequence[Layer], link: str) -> Any | None:
    """Layers in turn, then a link; None where there is no kernel, or it does not take them."""
    said: Any = tuple(
        (*layer.weights.shape, _bytes(layer.weights), _bytes(layer.bias), ACTIVATIONS[layer.active]) for layer in layers
    )
    return _tail(features, said, None, 1.0, 1.0, link)


def settling(sums: int, base: Floats | None, count: float, slope: float, link: str) -> Any | None:
    """link(((sums + base) / count) * slope) of `sums` numbers a row; None as in `dense`."""
    return _tail(sums, (), None if base is None else _bytes(base), count, slope, link)


def curves(said: tuple[Any, ...]) -> Any | None:
    """Curves of a calibration, as `calibration.Calibrating` has them; None where there is no kernel."""
    return None if _tails is None else _tails.curves(said)


def over(tail: Any, by: Any) -> Any:
    """The tail, its scores calibrated by these curves. Raises ValueError where they do not fit."""
    return _tails.over(tail, by)


def deciding(signature: Signature) -> Any | None:
    """How a row's label follows from its scores, as `run.decided` has it; None where it follows from none or one."""
    if not signature.classes:
        return None
    positive = -1
    if signature.positive is not None and len(signature.classes) == 2:
        positive = signature.classes.index(signature.positive)
    return _tails.deciding(
        signature.classes, positive, signature.threshold, signature.threshold == 0.5 and positive == 0
    )


def _tail(features: int, layers: Any, base: bytes | None, count: float, slope: float, link: str) -> Any | None:
    if _tails is None:
        return None
    try:
        return _tails.tail(features, layers, base, count, slope, LINKS[link])
    except (ValueError, OverflowError, TypeError):
        return None


def _bytes(numbers: Floats) -> bytes:
    return np.ascontiguousarray(numbers, dtype=np.float64).tobytes()
