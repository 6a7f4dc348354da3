"""Answers of models that were learned elsewhere, from their trees or weights alone, by numpy in double."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fairlead.lab.compile.stated_models import Line
from fairlead.lab.compile.tree_sums import TreeSum
from fairlead.lab.compile.tree_tables import TreeTable
from fairlead.lab.stats.measures import Floats


def leaves_of(tree: TreeTable, x: Floats) -> np.ndarray:
    """The number of the node that each row of x, (n, features), ends in: shape (n,)."""
    at = np.zeros(len(x), dtype=np.int64)
    rows = np.arange(len(x))
    for _ in range(len(tree.leaf)):
        going = ~tree.leaf[at]
        if not going.any():
            break
        node, cells = at[going], x[rows[going], tree.feature[at[going]]]
        below = cells < tree.threshold[node] if tree.strict else cells <= tree.threshold[node]
        left = np.where(np.isnan(cells), tree.missing_left[node], below)
        at[going] = np.where(left, tree.left[node], tree.right[node])
    return at


def summed(trees: Sequence[TreeTable], targets: int, x: Floats) -> Floats:
    """Sums of leaves, (n, targets)."""
    found = np.zeros((len(x), targets))
    for tree in trees:
        found[:, tree.target] += tree.value[leaves_of(tree, x)]
    return found


def of_trees(model: TreeSum, features: np.ndarray) -> Floats:
    """Scores, (n, outputs), of a sum of trees in double with one of the links that learners here have."""
    x = np.ascontiguousarray(features, dtype=np.float64)
    raw = (summed(model.trees, model.targets, x) + model.base.reshape(1, -1)) / model.count
    if model.link == "half":
        raw = 2.0 * raw
    if model.link in ("logistic", "half"):
        raw = _sigmoid(raw)
    if model.link in ("logistic", "half", "second"):
        return np.concatenate((1.0 - raw, raw), axis=1)
    return _softmax(raw) if model.link == "softmax" else raw


def of_line(model: Line, features: np.ndarray) -> Floats:
    """Scores, (n, outputs), of a linear model."""
    raw = np.asarray(features, dtype=np.float64) @ model.weights + model.intercept
    if model.link == "sigmoid":
        second = _sigmoid(raw)
        return np.concatenate((1.0 - second, second), axis=1)
    if model.link == "softmax":
        return _softmax(raw)
    return np.asarray(np.exp(raw) if model.link == "exp" else raw)


def _sigmoid(raw: Floats) -> Floats:
    tilt = np.exp(-np.abs(raw))
    return np.asarray(np.where(raw >= 0.0, 1.0, tilt) / (1.0 + tilt))


def _softmax(raw: Floats) -> Floats:
    shares = np.exp(raw - raw.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
