"""XGBoost: boosted trees with second derivatives, in single precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fairlead.contract.signature import Task
from fairlead.lab.train.learners.asking import library
from fairlead.lab.train.stopping import MOST_ROUNDS

LOSSES = {"squared_error": "reg:squarederror", "absolute_error": "reg:absoluteerror"}


class XGBoost:
    """Boosted trees on binned features (Chen and Guestrin, XGBoost, 2016). Needs the extra `boosting`."""

    name = "xgboost"
    libraries = ("xgboost",)
    tasks: tuple[Task, ...] = ("classification", "regression")
    complexity = 3

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """Learning rate, number and depth of trees, weight of a leaf, shares of rows and features, shrinkage."""
        return {
            "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
            "n_estimators": trial.suggest_int("n_estimators", 50, 400, step=50),
            "max_depth": trial.suggest_int("max_depth", 2, 9),
            "min_child_weight": trial.suggest_float("min_child_weight", 0.5, max(1.0, min(30.0, rows / 50)), log=True),
            "subsample": trial.suggest_float("subsample", 0.5, 1.0),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.4, 1.0),
            "reg_lambda": trial.suggest_float("reg_lambda", 1e-2, 30.0, log=True),
        }

    def default(self, rows: int) -> dict[str, Any]:
        """Smaller steps and trees than XGBoost's own, which overfit tables of a few thousand rows."""
        return {"learning_rate": 0.1, "n_estimators": 100 if rows < 2000 else 200, "max_depth": 4, "subsample": 0.9}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted LabelledBooster or XGBRegressor. Raises MissingExtra."""
        xgboost = library("xgboost", "boosting")
        # One thread, so that sums have one order.
        given = {**parameters, "n_jobs": 1, "random_state": seed, "tree_method": "hist", "verbosity": 0}
        if task == "classification":
            from fairlead.lab.train.estimators.labelled_booster import LabelledBooster

            return LabelledBooster(given)
        return xgboost.XGBRegressor(**given)

    def constrain(self, estimator: Any, signs: Sequence[int]) -> Any:
        """See `Learner`."""
        return estimator.set_params(monotone_constraints=tuple(signs))

    def at_quantile(self, estimator: Any, quantile: float) -> Any:
        """See `Learner`."""
        return estimator.set_params(objective="reg:quantileerror", quantile_alpha=quantile)

    def seek_rounds(self, estimator: Any, learned: Any, judged: Any, classifies: bool, patience: int) -> dict[str, Any]:
        """See `Learner`."""
        estimator.set_params(n_estimators=MOST_ROUNDS, early_stopping_rounds=patience)
        aims, held = learned.truth, judged.truth
        if classifies:
            classes, aims = np.unique(aims, return_inverse=True)
            held = np.searchsorted(classes, held)
            estimator = library("xgboost", "boosting").XGBClassifier(**estimator.parameters)
        estimator.fit(
            learned.features, aims, sample_weight=learned.weights, verbose=False,
            eval_set=[(judged.features, held)], sample_weight_eval_set=[judged.weights],
        )  # fmt: skip
        return {"n_estimators": int(estimator.best_iteration) + 1}
