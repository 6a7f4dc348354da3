"""One decision tree: a model that fits on a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.contract.signature import Task
from fairlead.lab.train.learners.asking import constrained_trees


class DecisionTree:
    """One tree (Breiman et al., CART, 1984) with few and large leaves, so that people can read it."""

    name = "decision_tree"
    tasks: tuple[Task, ...] = ("classification", "regression")
    complexity = 1

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """Depth, leaves, and rows in each."""
        return {
            "max_depth": trial.suggest_int("max_depth", 2, 12),
            "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 4, 128, log=True),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 2, max(3, min(200, rows // 20)), log=True),
        }

    def default(self, rows: int) -> dict[str, Any]:
        """At most 32 leaves, of a fiftieth of the rows each."""
        return {"max_depth": 8, "max_leaf_nodes": 32, "min_samples_leaf": max(5, min(100, rows // 50))}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted DecisionTreeClassifier or -Regressor."""
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        kind = DecisionTreeClassifier if task == "classification" else DecisionTreeRegressor
        return kind(**parameters, random_state=seed)

    def constrain(self, estimator: Any, signs: Sequence[int]) -> Any:
        """See `Learner`."""
        return constrained_trees(estimator, signs)
