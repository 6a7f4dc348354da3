"""Explainable boosting: one curve a column, as accurate as boosted trees where columns do not act together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.contract.signature import Task
from fairlead.lab.train.learners.asking import constrained_trees
from fairlead.lab.train.stopping import warm_rounds


class ExplainableBoosting:
    """A sum of one curve a prepared feature; `lab.compile.shapes` gives the curves exactly, as data.

    Source: Lou, Caruana and Gehrke, Intelligible models for classification and regression (2012).
    """

    name = "explainable_boosting"
    tasks: tuple[Task, ...] = ("classification", "regression")
    complexity = 2

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """Learning rate, number and size of trees, shrinkage."""
        return {
            "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.2, log=True),
            "max_iter": trial.suggest_int("max_iter", 50, 400, step=50),
            "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 3, 8),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 5, max(6, min(100, rows // 20)), log=True),
            "l2_regularization": trial.suggest_float("l2_regularization", 1e-2, 30.0, log=True),
        }

    def default(self, rows: int) -> dict[str, Any]:
        """Small trees with small steps."""
        return {
            "learning_rate": 0.05,
            "max_iter": 200,
            "max_leaf_nodes": 4,
            "min_samples_leaf": max(5, min(20, rows // 50)),
            "l2_regularization": 1.0,
        }

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted AdditiveClassifier or AdditiveRegressor of four bags."""
        from fairlead.lab.train.estimators.additive import AdditiveClassifier, AdditiveRegressor

        kind = AdditiveClassifier if task == "classification" else AdditiveRegressor
        return kind(**{"bags": 4, **parameters}, random_state=seed)

    def constrain(self, estimator: Any, signs: Sequence[int]) -> Any:
        """See `Learner`."""
        return constrained_trees(estimator, signs)

    def seek_rounds(self, estimator: Any, learned: Any, judged: Any, classifies: bool, patience: int) -> dict[str, Any]:
        """See `Learner`. One bag says it for all."""
        one = estimator.set_params(bags=1).member(classifies)
        return {"max_iter": warm_rounds(one, learned, judged, classifies, patience)}
