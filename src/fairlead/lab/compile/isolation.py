"""Isolation forests as sums of trees: what a leaf adds is how deep it lies."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fairlead.lab.compile.tree_sums import TreeSum
from fairlead.lab.compile.tree_tables import TreeTable, sklearn_tree


def isolation(estimator: Any) -> TreeSum:
    """How strange a row is, 2 ** -(mean depth / c), above 0 and at most 1; larger is stranger.

    The depth of a leaf is the edges above it and what c rows that ended there would need to be told apart.
    Source: Liu, Ting and Zhou, Isolation forest (2008); the negative of scikit-learn's `score_samples`.
    """
    trees = [
        _by_depth(member.tree_, chosen)
        for member, chosen in zip(estimator.estimators_, estimator.estimators_features_, strict=True)
    ]
    scale = float(path_length(np.array([estimator._max_samples]))[0])
    slope = -math.log(2.0) / scale
    return TreeSum(trees, 1, np.zeros(1), "exp", count=len(trees), precision="rounded", slope=slope)


def path_length(rows: np.ndarray) -> np.ndarray:
    """Mean number of edges to tell a row apart from so many, shape as given: 0 of one, 1 of two."""
    counts = np.asarray(rows, dtype=np.float64)
    beyond = np.maximum(counts, 3.0) - 1.0
    found = 2.0 * (np.log(beyond) + np.euler_gamma) - 2.0 * beyond / np.maximum(counts, 3.0)
    return np.where(counts <= 1.0, 0.0, np.where(counts == 2.0, 1.0, found))


def _by_depth(tree: Any, chosen: np.ndarray) -> TreeTable:
    depth = np.zeros(tree.node_count)
    # Children come after their parents.
    for node in range(tree.node_count):
        left, right = tree.children_left[node], tree.children_right[node]
        if left != -1:
            depth[left] = depth[right] = depth[node] + 1.0
    made = sklearn_tree(tree, depth + path_length(tree.n_node_samples), 0)
    feature = np.where(made.leaf, made.feature, np.asarray(chosen, dtype=np.int64)[np.maximum(made.feature, 0)])
    return TreeTable(
        made.leaf, feature, made.threshold, made.left, made.right, made.missing_left, made.value, made.target
    )  # fmt: skip
