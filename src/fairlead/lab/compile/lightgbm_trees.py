"""Boosted trees of LightGBM, exactly, in double."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fairlead.lab.compile.tree_sums import Link, TreeSum, onnx_of
from fairlead.lab.compile.tree_tables import TreeTable
from fairlead.runtime.bundle.manifest import TAIL_ONNX

MODELS = ("LGBMClassifier", "LGBMRegressor")
LINKS: dict[str, Link] = {
    "binary": "logistic", "multiclass": "softmax", "multiclassova": "sigmoid",
    "regression": "identity", "regression_l1": "identity", "huber": "identity", "fair": "identity",
    "quantile": "identity", "mape": "identity", "poisson": "exp", "gamma": "exp", "tweedie": "exp",
}  # fmt: skip
ZERO = float(np.float32(1e-35))
"""LightGBM takes every cell of a full row whose size is at most this for 0, before it compares it with any split."""
OF_CLASSES = ("binary", "multiclass", "multiclassova")


class LightGBMTrees:
    """Port `emitter`: TreeEnsemble in double, as LightGBM itself computes."""

    form = "lightgbm"
    tolerance = 1e-9
    file = TAIL_ONNX

    def accepts(self, estimator: Any) -> str | None:
        """See Emitter."""
        name, module = type(estimator).__name__, type(estimator).__module__.split(".")[0]
        if module not in ("lightgbm", "fairlead") or name not in MODELS:
            return f"{name} is not a model of LightGBM that can be compiled"
        return _reason(estimator.booster_.dump_model(), hasattr(estimator, "classes_"))

    def emit(self, estimator: Any, features: int) -> bytes:
        """ONNX bytes: `x` double (rows, features) to `value` double (rows, outputs)."""
        return onnx_of(_as_sum(estimator.booster_.dump_model(), full=True), features)

    def emit_sparse(self, estimator: Any, features: int) -> bytes:
        """As `emit`, of a model that is fed sparse rows, whose cells LightGBM compares as they are."""
        return onnx_of(_as_sum(estimator.booster_.dump_model(), full=False), features)


def boosted_sum(estimator: Any) -> TreeSum:
    """The trees of a fitted model that is fed full rows."""
    return _as_sum(estimator.booster_.dump_model(), full=True)


def _reason(dump: dict[str, Any], classifies: bool) -> str | None:
    words = str(dump.get("objective", "")).split()
    objective = words[0] if words else "of its own"
    if objective not in LINKS or "sqrt" in words:
        return f"LightGBM's objective {' '.join(words) or objective} is not compiled"
    if classifies != (objective in OF_CLASSES):
        return f"objective {objective!r} gives no {'probabilities' if classifies else 'number'}"
    for node in _nodes(dump):
        if "leaf_value" in node:
            if "leaf_const" in node:
                return "LightGBM's linear trees are not compiled"
        elif node["decision_type"] != "<=":
            return "LightGBM's native categorical splits are not compiled: encode categories ahead of it"
        elif node["missing_type"] == "Zero":
            return "LightGBM takes zeros for missing (zero_as_missing), which is not compiled"
    return None


def _nodes(dump: dict[str, Any]) -> Iterator[dict[str, Any]]:
    waiting = [tree["tree_structure"] for tree in dump["tree_info"]]
    while waiting:
        node = waiting.pop()
        yield node
        if "leaf_value" not in node:
            waiting += [node["left_child"], node["right_child"]]


def _as_sum(dump: dict[str, Any], full: bool) -> TreeSum:
    words = str(dump["objective"]).split()
    slope = next((float(word.partition(":")[2]) for word in words if word.startswith("sigmoid:")), 1.0)
    targets = dump["num_tree_per_iteration"]
    trees = [_table(tree["tree_structure"], at % targets, full) for at, tree in enumerate(dump["tree_info"])]
    count = len(trees) // targets if dump["average_output"] else 1
    return TreeSum(trees, targets, np.zeros(targets), LINKS[words[0]], count=count, slope=slope)


def _table(root: dict[str, Any], target: int, full: bool) -> TreeTable:
    """One tree; its nodes are numbered as they are met, children after parents."""
    nodes = [root]
    left, right = [0], [0]
    for at, node in enumerate(nodes):
        if "leaf_value" in node:
            continue
        left[at], right[at] = len(nodes), len(nodes) + 1
        nodes += [node["left_child"], node["right_child"]]
        left += [0, 0]
        right += [0, 0]
    leaf = np.array(["leaf_value" in node for node in nodes])
    thresholds = np.array([node.get("threshold", 0.0) for node in nodes], np.float64)
    return TreeTable(
        leaf=leaf,
        feature=np.array([node.get("split_feature", 0) for node in nodes], np.int64),
        threshold=_around_zero(thresholds) if full else thresholds,
        left=np.array(left, np.int64),
        right=np.array(right, np.int64),
        missing_left=np.array([_missing_left(node) for node in nodes]),
        value=np.array([node.get("leaf_value", 0.0) for node in nodes], np.float64),
        target=target,
    )


def _around_zero(thresholds: np.ndarray) -> np.ndarray:
    """Splits that treat all of [-ZERO, ZERO] as LightGBM treats 0.

    LightGBM puts splits at +-ZERO itself, to tell zeros from the rest: a cell of just -ZERO is not below the lower one.
    """
    below = np.where((thresholds >= -ZERO) & (thresholds < 0.0), np.nextafter(-ZERO, -np.inf), thresholds)
    return np.where((below >= 0.0) & (below <= ZERO), ZERO, below)


def _missing_left(node: dict[str, Any]) -> bool:
    if "leaf_value" in node:
        return False
    # Where training met no missing cell at a split, LightGBM takes one for a zero.
    return bool(node["default_left"]) if node["missing_type"] == "NaN" else node["threshold"] >= 0.0
