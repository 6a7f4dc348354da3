"""Models that say themselves what they are: a sum of trees, or a line and its link. Whoever learned them is not asked.

An estimator of this package that has `tree_sum() -> TreeSum` or `line() -> Line` is compiled by what that returns; its
answers come from the same numbers by other code, so that the certificate compares two ways of computing them.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.lab.compile.tree_sums import onnx_of
from fairlead.runtime.bundle.manifest import TAIL_LINEAR, TAIL_ONNX
from fairlead.runtime.bundle.tail import LinearForm


class Line(NamedTuple):
    """link(x @ weights + intercept). weights: (features, k); intercept: (k,); sigmoid has k = 1."""

    weights: np.ndarray
    intercept: np.ndarray
    link: Literal["identity", "exp", "sigmoid", "softmax"]


class StatedTrees:
    """Port `emitter`: TreeEnsemble in double."""

    form = "stated_trees"
    tolerance = 1e-9
    file = TAIL_ONNX

    def accepts(self, estimator: Any) -> str | None:
        """See Emitter."""
        return _reason(estimator, "tree_sum", "a sum of trees")

    def emit(self, estimator: Any, features: int) -> bytes:
        """ONNX bytes: `x` double (rows, features) to `value` double (rows, outputs)."""
        return onnx_of(estimator.tree_sum(), features)


class StatedLines:
    """Port `emitter`: link(x @ w + b) in numpy."""

    form = "stated_line"
    tolerance = 1e-9
    file = TAIL_LINEAR

    def accepts(self, estimator: Any) -> str | None:
        """See Emitter."""
        return _reason(estimator, "line", "a linear model")

    def emit(self, estimator: Any, features: int) -> bytes:
        """Bytes of tail.json. Raises NotCompilable where the features are not those it was fitted on."""
        weights, intercept, link = estimator.line()
        if len(weights) != features:
            name = type(estimator).__name__
            raise NotCompilable(f"{name} was fitted on {len(weights)} features and gets {features}.")
        rows = tuple(tuple(row) for row in np.asarray(weights, dtype=np.float64).tolist())
        start = tuple(np.asarray(intercept, dtype=np.float64).tolist())
        return LinearForm(weights=rows, intercept=start, link=link).to_json()


def _reason(estimator: Any, method: str, what: str) -> str | None:
    ours = type(estimator).__module__.split(".")[0] == "fairlead"
    if ours and callable(getattr(estimator, method, None)):
        return None
    return f"{type(estimator).__name__} does not state itself as {what}"
