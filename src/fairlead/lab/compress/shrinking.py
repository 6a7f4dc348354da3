"""Smaller models of the same kind, and smaller kinds: what a compression tries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fairlead.contract.signature import Task

SHARES = (0.5, 0.25, 0.125, 0.0625)
ENSEMBLES = {
    "hist_gradient_boosting": "max_iter",
    "explainable_boosting": "max_iter",
    "random_forest": "n_estimators",
    "extra_trees": "n_estimators",
    "xgboost": "n_estimators",
    "lightgbm": "n_estimators",
}
"""How many trees each learner grows."""
LEAVES = {"hist_gradient_boosting": "max_leaf_nodes", "lightgbm": "num_leaves", "decision_tree": "max_leaf_nodes"}
DEPTHS = {
    "random_forest": "max_depth",
    "extra_trees": "max_depth",
    "xgboost": "max_depth",
    "decision_tree": "max_depth",
}
PRUNED = ("decision_tree", "random_forest", "extra_trees")
"""Learners of trees that are pruned by cost-complexity (Breiman et al., CART, 1984)."""
ALPHAS = (1e-4, 1e-3, 5e-3)
FEWEST = {"max_iter": 10, "n_estimators": 5, "max_leaf_nodes": 4, "num_leaves": 4, "max_depth": 2}
STUDENTS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "classification": (
        ("logistic", {"C": 1.0}),
        ("decision_tree", {"max_depth": 6, "max_leaf_nodes": 32, "min_samples_leaf": 10}),
        ("decision_tree", {"max_depth": 10, "max_leaf_nodes": 128, "min_samples_leaf": 10}),
    ),
    "regression": (
        ("ridge", {"alpha": 1.0}),
        ("decision_tree", {"max_depth": 6, "max_leaf_nodes": 32, "min_samples_leaf": 10}),
        ("decision_tree", {"max_depth": 10, "max_leaf_nodes": 128, "min_samples_leaf": 10}),
    ),
}


@dataclass(frozen=True)
class Smaller:
    """One thing to try. way: fewer_trees, fewer_leaves, less_deep, pruned, narrower or distilled; what: in words."""

    way: str
    what: str
    learner: str
    parameters: dict[str, Any]


def smaller_than(learner: str, parameters: Mapping[str, Any], task: Task) -> tuple[Smaller, ...]:
    """What to try for a model of this learner and parameters, without repeats, from mild to bold of each way."""
    found: dict[tuple[str, str], Smaller] = {}
    for one in (*_shrunk(learner, parameters), *_distilled(learner, parameters, task)):
        if dict(parameters) != one.parameters or learner != one.learner:
            found.setdefault((one.learner, repr(sorted(one.parameters.items(), key=str))), one)
    return tuple(found.values())


def _shrunk(learner: str, parameters: Mapping[str, Any]) -> Iterator[Smaller]:
    trees, leaves, depth = (table.get(learner) for table in (ENSEMBLES, LEAVES, DEPTHS))
    for share in SHARES:
        if trees is not None and (fewer := _less(parameters, trees, share)) is not None:
            yield Smaller("fewer_trees", f"{fewer[trees]} trees instead of {parameters[trees]}", learner, fewer)
    for share in SHARES[:2]:
        if leaves is not None and (fewer := _less(parameters, leaves, share)) is not None:
            words = f"{fewer[leaves]} leaves a tree instead of {parameters[leaves]}"
            yield Smaller("fewer_leaves", words, learner, fewer)
            if trees is not None and (both := _less(fewer, trees, share)) is not None:
                yield Smaller("fewer_leaves", f"{words}, {both[trees]} trees", learner, both)
        if depth is not None and (fewer := _less(parameters, depth, share)) is not None:
            words = f"depth {fewer[depth]} instead of {parameters[depth]}"
            yield Smaller("less_deep", words, learner, fewer)
            if trees is not None and (both := _less(fewer, trees, share)) is not None:
                yield Smaller("less_deep", f"{words}, {both[trees]} trees", learner, both)
    if learner in PRUNED:
        for alpha in ALPHAS:
            yield Smaller("pruned", f"pruned by cost-complexity {alpha:g}", learner, {**parameters, "ccp_alpha": alpha})
    if "layers" in parameters:
        yield from _narrower(learner, parameters)


def _less(parameters: Mapping[str, Any], name: str, share: float) -> dict[str, Any] | None:
    """These parameters with a share of one; None where that would be no less, or too little."""
    now = parameters.get(name)
    if not isinstance(now, int):
        return None
    fewer = max(FEWEST[name], round(now * share))
    return {**parameters, name: fewer} if fewer < now else None


def _narrower(learner: str, parameters: Mapping[str, Any]) -> Iterator[Smaller]:
    sizes = [int(size) for size in str(parameters["layers"]).split("x")]
    for share in SHARES[:2]:
        layers = "x".join(str(max(4, round(size * share))) for size in sizes)
        yield Smaller(
            "narrower", f"layers {layers} instead of {parameters['layers']}", learner, {**parameters, "layers": layers}
        )


def _distilled(learner: str, parameters: Mapping[str, Any], task: Task) -> Iterator[Smaller]:
    if learner == "distilled" or (learner == "decision_tree" and task == "regression"):
        return
    for student, own in STUDENTS.get(task, ()):
        if student != learner:
            words = f"a {student.replace('_', ' ')} that learned its answers"
            if "max_leaf_nodes" in own:
                words += f", {own['max_leaf_nodes']} leaves"
            given = {
                "teacher": learner, "teacher_parameters": dict(parameters),
                "student": student, "student_parameters": own,
            }  # fmt: skip
            yield Smaller("distilled", words, "distilled", given)
