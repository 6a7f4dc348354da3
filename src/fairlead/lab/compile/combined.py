"""Weighted means of linear models, or of trees, as one such model: exactly, on the scale on which they sum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.lab.compile.tree_sums import TreeSum
from fairlead.lab.compile.tree_tables import TreeTable

NAME = "Combined"
"""Of `lab.train.estimators`."""
CERTAIN = 4.0
"""Log-odds of a member that answers every row alike; `lab.train.estimators.combined` has the same."""


def is_combined(estimator: Any) -> bool:
    """Whether this is such a mean."""
    return type(estimator).__name__ == NAME and type(estimator).__module__.startswith("fairlead.")


def refusal(estimator: Any, accepts: Callable[[Any], str | None]) -> str | None:
    """Why a form that `accepts` single models cannot hold this mean of them; None if it can."""
    told = [member for member in estimator.members if not _is_constant(member)]
    if not told:
        return "all of its members answer every row alike"
    return next((why for why in map(accepts, told) if why is not None), None)


def line_of(estimator: Any, features: int, line: Callable[[Any], tuple[np.ndarray, float]]) -> tuple[np.ndarray, float]:
    """Weights (features,) and intercept of the log-odds of the second class. line: those of a member's."""
    width = features - len(estimator.offsets)
    weights, intercept = np.zeros(width), 0.0
    for member, share in zip(estimator.members, estimator.weights, strict=True):
        own, start = (np.zeros(width), _certain(member)) if _is_constant(member) else line(member)
        if len(own) != width:
            raise NotCompilable(f"a member of the mean was fitted on {len(own)} features and gets {width}.")
        weights, intercept = weights + share * own, intercept + share * start
    whole = np.concatenate([weights, np.asarray(estimator.offsets, dtype=np.float64)])
    return (-whole, -intercept) if estimator.flipped else (whole, intercept)


def sum_of(estimator: Any, features: int, summed: Callable[[Any], TreeSum]) -> TreeSum:
    """One sum of all members' trees, their leaves weighted. summed: that of a member's."""
    told = [(m, w) for m, w in zip(estimator.members, estimator.weights, strict=True) if not _is_constant(m)]
    parts = [(summed(member), weight) for member, weight in told]
    first = parts[0][0]
    if len({(part.link, part.precision, part.targets) for part, _ in parts}) != 1 or first.targets != 1:
        raise NotCompilable("the members of the mean are not of one kind.")
    sign = -1.0 if estimator.flipped else 1.0
    if first.link == "second":
        return _of_shares(estimator, parts, first)
    if first.link != "logistic" or first.precision == "single":
        raise NotCompilable(f"a mean of models with the link {first.link!r} in {first.precision} is not compiled.")
    base = sum(float(part.base[0]) * part.slope * weight / part.count for part, weight in parts)
    base += sum(_certain(m) * w for m, w in zip(estimator.members, estimator.weights, strict=True) if _is_constant(m))
    trees = [_scaled(tree, sign * part.slope * weight / part.count) for part, weight in parts for tree in part.trees]
    start = features - len(estimator.offsets)
    trees += [_mark(start + at, sign * float(offset)) for at, offset in enumerate(estimator.offsets) if offset]
    return TreeSum(trees, 1, np.array([sign * base]), "logistic", precision=first.precision)


def _of_shares(estimator: Any, parts: list[tuple[TreeSum, float]], first: TreeSum) -> TreeSum:
    """Of forests: the mean of their probabilities of the positive class."""
    if len(estimator.offsets):
        raise NotCompilable("the answers of a forest are no log-odds that offsets could be added to.")
    constant = sum(
        float(_certain(m) > 0.0) * w
        for m, w in zip(estimator.members, estimator.weights, strict=True)
        if _is_constant(m)
    )
    sign = -1.0 if estimator.flipped else 1.0
    trees = [_scaled(tree, sign * weight / part.count) for part, weight in parts for tree in part.trees]
    base = 1.0 - constant if estimator.flipped else constant
    return TreeSum(trees, 1, np.array([base]), "second", precision=first.precision)


def _scaled(tree: TreeTable, by: float) -> TreeTable:
    from dataclasses import replace

    return replace(tree, value=tree.value * by)


def _mark(feature: int, offset: float) -> TreeTable:
    """A tree that adds `offset` where a feature of 0 and 1 is 1."""
    return TreeTable(
        leaf=np.array([False, True, True]),
        feature=np.array([feature, 0, 0]),
        threshold=np.array([0.5, 0.0, 0.0]),
        left=np.array([1, 0, 0]),
        right=np.array([2, 0, 0]),
        missing_left=np.array([True, False, False]),
        value=np.array([0.0, 0.0, offset]),
        target=0,
    )


def _is_constant(member: Any) -> bool:
    return type(member).__name__ == "DummyClassifier"


def _certain(member: Any) -> float:
    return CERTAIN if float(np.ravel(member.constant)[0]) > 0.5 else -CERTAIN
