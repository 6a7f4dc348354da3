"""Fitted trees as plain arrays, one table a tree and target; those of scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

LEQ, LT, MEMBER = 0, 1, 6
"""Modes of ai.onnx.ml TreeEnsemble: x <= split; x < split; x among members."""


@dataclass(frozen=True)
class TreeTable:
    """One tree, arrays over its nodes, root first. target: the output its leaves add to.

    left is taken where x <= threshold (strict: x < threshold), or x is in `members[node]`; missing_left: where NaN
    goes.
    """

    leaf: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    missing_left: np.ndarray
    value: np.ndarray
    target: int
    members: dict[int, list[float]] = field(default_factory=dict)
    strict: bool = False


def sklearn_tree(tree: Any, values: np.ndarray, target: int) -> TreeTable:
    """A `tree_` with these leaf values, shape (nodes,)."""
    missing = getattr(tree, "missing_go_to_left", None)
    return TreeTable(
        leaf=tree.children_left == -1,
        feature=tree.feature.astype(np.int64),
        threshold=tree.threshold.astype(np.float64),
        left=tree.children_left.astype(np.int64),
        right=tree.children_right.astype(np.int64),
        missing_left=np.zeros(tree.node_count, bool) if missing is None else missing.astype(bool),
        value=values.astype(np.float64),
        target=target,
    )


def forest_trees(trees: list[Any], classes: int) -> Iterator[TreeTable]:
    """Trees of a forest: two classes need one target, the probability of the second; more need a tree each."""
    for member in trees:
        tree = member.tree_
        if classes == 2:
            yield sklearn_tree(tree, tree.value[:, 0, 1], 0)
        else:
            for target in range(max(1, classes)):
                yield sklearn_tree(tree, tree.value[:, 0, target], target)


def boosted_trees(stages: np.ndarray, rate: float) -> Iterator[TreeTable]:
    """Trees of GradientBoosting, stages: (iterations, targets) of DecisionTreeRegressor."""
    for stage in stages:
        for target, member in enumerate(stage):
            yield sklearn_tree(member.tree_, member.tree_.value[:, 0, 0] * rate, target)


def histogram_trees(predictors: list[list[Any]]) -> Iterator[TreeTable]:
    """Trees of HistGradientBoosting, native categories included."""
    for iteration in predictors:
        for target, predictor in enumerate(iteration):
            nodes = predictor.nodes
            categorical = np.flatnonzero((nodes["is_categorical"] == 1) & (nodes["is_leaf"] == 0))
            bitsets = predictor.raw_left_cat_bitsets
            yield TreeTable(
                leaf=nodes["is_leaf"] == 1,
                feature=nodes["feature_idx"].astype(np.int64),
                threshold=nodes["num_threshold"].astype(np.float64),
                left=nodes["left"].astype(np.int64),
                right=nodes["right"].astype(np.int64),
                missing_left=nodes["missing_go_to_left"] == 1,
                value=nodes["value"].astype(np.float64),
                target=target,
                members={int(n): _members(bitsets[nodes["bitset_idx"][n]]) for n in categorical},
            )


def _members(bitset: np.ndarray) -> list[float]:
    return [float(word * 32 + bit) for word in range(len(bitset)) for bit in range(32) if int(bitset[word]) >> bit & 1]
