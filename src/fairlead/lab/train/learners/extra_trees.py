"""Extra trees: a forest whose splits are drawn, not searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.contract.signature import Task
from fairlead.lab.train.learners.asking import constrained_trees


class ExtraTrees:
    """Trees with random thresholds on all rows (Geurts et al., Extremely randomized trees, 2006): smoother, quicker."""

    name = "extra_trees"
    tasks: tuple[Task, ...] = ("classification", "regression")
    complexity = 2

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """Number, depth and leaf size of trees, and the share of features a split looks at."""
        return {
            "n_estimators": trial.suggest_int("n_estimators", 50, 200, step=50),
            "max_depth": trial.suggest_int("max_depth", 4, 16),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, max(2, min(50, rows // 20)), log=True),
            "max_features": trial.suggest_float("max_features", 0.1, 1.0),
        }

    def default(self, rows: int) -> dict[str, Any]:
        """A hundred trees of bounded depth; larger leaves of more rows, or shares of 0 and 1 are too sure."""
        leaf = max(2, min(10, rows // 500))
        return {"n_estimators": 100, "max_depth": 12, "min_samples_leaf": leaf, "max_features": 0.6}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted ExtraTreesClassifier or -Regressor."""
        from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

        kind = ExtraTreesClassifier if task == "classification" else ExtraTreesRegressor
        # One thread: several add up the trees in whatever order they finish, which changes the last bits.
        return kind(**parameters, n_jobs=1, random_state=seed)

    def constrain(self, estimator: Any, signs: Sequence[int]) -> Any:
        """See `Learner`."""
        return constrained_trees(estimator, signs)
