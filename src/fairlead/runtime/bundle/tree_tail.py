"""Trees by the compiled kernel `_trees`: the sums that onnxruntime gives, in a fraction of its time.

The kernel is a C file that is compiled when the package is built; where that could not be, onnxruntime runs the
trees. Which of the two runs makes no difference that a certificate could see: sums are equal bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fairlead.runtime.bundle.tail_kernel import score as settle
from fairlead.runtime.bundle.tail_kernel import settling
from fairlead.runtime.bundle.tree_file import TreeFile, read_trees

try:
    from fairlead.runtime.bundle import _trees
except ImportError:  # no compiler when the package was built
    _trees = None  # type: ignore[assignment]

Floats = npt.NDArray[np.float64]
_NODE = np.dtype(
    [("split", "<f8"), ("true", "<i4"), ("false", "<i4"), ("feature", "<u2"), ("missing", "<u2"), ("unused", "<u4")]
)
_ROUNDED, _SINGLE, _SPARSE = 1, 2, 4
_TWICE = frozenset({"logistic", "second"})


def compiled(data: bytes, width: int) -> TreeTail | None:
    """The tail of a `tail.onnx`, None where the kernel is missing or the file is not one that it runs."""
    if _trees is None:
        return None
    trees = read_trees(data)
    if trees is None:
        return None
    try:
        return TreeTail(trees, width)
    except (ValueError, OverflowError, TypeError, AttributeError):
        return None


class TreeTail:
    """See `tail.Tail`. Raises ValueError where the kernel does not accept the nodes."""

    def __init__(self, trees: TreeFile, width: int) -> None:
        assert _trees is not None
        nodes = np.zeros(len(trees.split), _NODE)
        nodes["split"], nodes["feature"], nodes["missing"] = trees.split, trees.feature, trees.missing
        nodes["true"], nodes["false"] = trees.trues, trees.falses
        if (trees.feature < 0).any() or (trees.feature >= width).any():
            raise ValueError("a node asks for a feature that is not there")
        flags = _ROUNDED * trees.rounded | _SINGLE * trees.single | _SPARSE * trees.sparse
        self._kernel = _trees.build(
            width, trees.targets, len(nodes), len(trees.roots), len(trees.weight), flags,
            nodes.tobytes(), trees.roots.astype("<i4").tobytes(), trees.target.astype("<i4").tobytes(),
            trees.weight.astype("<f8").tobytes(),
        )  # fmt: skip
        self._score = _trees.score
        self._targets, self._link = trees.targets, trees.link
        self._base = trees.base if trees.base is None or trees.targets > 1 else float(trees.base.item())
        self._count, self._slope = trees.count, trees.slope
        base = None if trees.base is None else np.broadcast_to(trees.base, (1, trees.targets))
        self._settling = settling(trees.targets, base, trees.count, trees.slope, trees.link)
        self.outputs = 2 if trees.link in _TWICE else trees.targets

    def scores(self, features: Floats) -> Floats:
        """See Tail."""
        rows = len(features)
        sums = np.empty((rows, self._targets))
        self._score(self._kernel, rows, features, sums)
        if self._settling is not None:
            settled = np.empty((rows, self.outputs))
            settle(self._settling, rows, sums, settled)
            return settled
        if self._base is not None:
            sums += self._base
        if self._count != 1.0:
            sums /= self._count
        if self._slope != 1.0:
            sums *= self._slope
        linked: Floats = _LINKS[self._link](sums)
        return linked


def _sigmoid(x: Floats) -> Floats:
    tilt = np.exp(-np.abs(x))
    found: Floats = np.where(x >= 0.0, 1.0, tilt) / (1.0 + tilt)
    return found


def _both(p: Floats) -> Floats:
    return np.concatenate((1.0 - p, p), axis=1)


def _exp(x: Floats) -> Floats:
    with np.errstate(over="ignore"):
        found: Floats = np.exp(x)
    return found


def _softmax(x: Floats) -> Floats:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    found: Floats = e / e.sum(axis=1, keepdims=True)
    return found


_LINKS: dict[str, Any] = {
    "identity": lambda x: x,
    "exp": _exp,
    "sigmoid": _sigmoid,
    "softmax": _softmax,
    "logistic": lambda x: _both(_sigmoid(x)),
    "second": _both,
}
