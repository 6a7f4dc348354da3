"""Random forest: the average of trees that each saw other rows and features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.contract.signature import Task
from fairlead.lab.train.learners.asking import constrained_trees


class RandomForest:
    """Bagged trees (Breiman, Random forests, 2001), with leaves of several rows so that shares are not 0 or 1."""

    name = "random_forest"
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
        """A hundred trees of bounded depth."""
        return {"n_estimators": 100, "max_depth": 12, "min_samples_leaf": 5, "max_features": 0.4}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted RandomForestClassifier or -Regressor."""
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        kind = RandomForestClassifier if task == "classification" else RandomForestRegressor
        # One thread: several add up the trees in whatever order they finish, which changes the last bits.
        return kind(**parameters, n_jobs=1, random_state=seed)

    def constrain(self, estimator: Any, signs: Sequence[int]) -> Any:
        """See `Learner`."""
        return constrained_trees(estimator, signs)
