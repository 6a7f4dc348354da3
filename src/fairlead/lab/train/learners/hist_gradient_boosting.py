"""Histogram gradient boosting: many small trees, each mending the ones before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.contract.signature import Task
from fairlead.lab.train.learners.asking import constrained_trees
from fairlead.lab.train.stopping import warm_rounds


class HistGradientBoosting:
    """Boosted trees on binned features (Ke et al., LightGBM, 2017, as sklearn implements it).

    Early stopping is off: it would hold rows back by its own random split, in time order the wrong ones.
    """

    name = "hist_gradient_boosting"
    tasks: tuple[Task, ...] = ("classification", "regression")
    complexity = 3

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """Learning rate, number and size of trees, shrinkage."""
        return {
            "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
            "max_iter": trial.suggest_int("max_iter", 50, 300, step=50),
            "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 4, 63, log=True),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 5, max(6, min(100, rows // 20)), log=True),
            "l2_regularization": trial.suggest_float("l2_regularization", 1e-3, 10.0, log=True),
        }

    def default(self, rows: int) -> dict[str, Any]:
        """sklearn's own; smaller leaves where there are few rows."""
        return {
            "learning_rate": 0.1,
            "max_iter": 100,
            "max_leaf_nodes": 31,
            "min_samples_leaf": max(5, min(20, rows // 50)),
            "l2_regularization": 0.0,
        }

    def starts(self, rows: int) -> list[dict[str, Any]]:
        """Small, shrunken trees, which answer better than the defaults where rows are few or noisy, and sooner.

        A short search seldom comes upon them among settings drawn at random.
        """
        return [{**self.default(rows), "max_leaf_nodes": 6, "l2_regularization": 1.0}]

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted HistGradientBoostingClassifier or -Regressor."""
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        kind = HistGradientBoostingClassifier if task == "classification" else HistGradientBoostingRegressor
        return kind(**parameters, early_stopping=False, random_state=seed)

    def constrain(self, estimator: Any, signs: Sequence[int]) -> Any:
        """See `Learner`."""
        return constrained_trees(estimator, signs)

    def at_quantile(self, estimator: Any, quantile: float) -> Any:
        """See `Learner`."""
        return estimator.set_params(loss="quantile", quantile=quantile)

    def seek_rounds(self, estimator: Any, learned: Any, judged: Any, classifies: bool, patience: int) -> dict[str, Any]:
        """See `Learner`."""
        return {"max_iter": warm_rounds(estimator, learned, judged, classifies, patience)}
