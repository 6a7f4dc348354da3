"""LightGBM: boosted trees that grow where they gain most."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fairlead.contract.signature import Task
from fairlead.lab.train.learners.asking import library
from fairlead.lab.train.stopping import MOST_ROUNDS


class LightGBM:
    """Boosted trees, leaf by leaf, on binned features (Ke et al., LightGBM, 2017). Needs the extra `boosting`."""

    name = "lightgbm"
    libraries = ("lightgbm",)
    tasks: tuple[Task, ...] = ("classification", "regression")
    complexity = 3

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """Learning rate, number and size of trees, share of features, shrinkage."""
        return {
            "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
            "n_estimators": trial.suggest_int("n_estimators", 50, 400, step=50),
            "num_leaves": trial.suggest_int("num_leaves", 4, 63, log=True),
            "min_child_samples": trial.suggest_int("min_child_samples", 5, max(6, min(100, rows // 20)), log=True),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.4, 1.0),
            "reg_lambda": trial.suggest_float("reg_lambda", 1e-3, 10.0, log=True),
        }

    def default(self, rows: int) -> dict[str, Any]:
        """Fewer leaves than LightGBM's own 31 where there are few rows."""
        leaves = 8 if rows < 2000 else 16 if rows < 20_000 else 31
        return {
            "learning_rate": 0.1,
            "n_estimators": 100,
            "num_leaves": leaves,
            "min_child_samples": max(5, min(20, rows // 50)),
        }

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted LGBMClassifier or LGBMRegressor. Raises MissingExtra."""
        lightgbm = library("lightgbm", "boosting")
        kind = lightgbm.LGBMClassifier if task == "classification" else lightgbm.LGBMRegressor
        # One thread and one way of building histograms, so that sums have one order.
        fixed = {"n_jobs": 1, "random_state": seed, "deterministic": True, "force_col_wise": True, "verbosity": -1}
        return kind(**parameters, **fixed)

    def constrain(self, estimator: Any, signs: Sequence[int]) -> Any:
        """See `Learner`."""
        return estimator.set_params(monotone_constraints=list(signs))

    def at_quantile(self, estimator: Any, quantile: float) -> Any:
        """See `Learner`."""
        return estimator.set_params(objective="quantile", alpha=quantile)

    def seek_rounds(self, estimator: Any, learned: Any, judged: Any, classifies: bool, patience: int) -> dict[str, Any]:
        """See `Learner`."""
        estimator.set_params(n_estimators=MOST_ROUNDS)
        aims, told = learned.truth, judged.truth
        if classifies:
            # As numbers: what it is judged by, LightGBM takes as it comes.
            classes, aims = np.unique(aims, return_inverse=True)
            told = np.searchsorted(classes, told)
        held: dict[str, Any] = {"eval_X": judged.features, "eval_y": told}
        if "eval_X" not in inspect.signature(estimator.fit).parameters:
            # Before 4.7.
            held = {"eval_set": [(judged.features, told)]}
        estimator.fit(
            learned.features, aims, sample_weight=learned.weights,
            eval_sample_weight=[judged.weights], **held,
            callbacks=[library("lightgbm", "boosting").early_stopping(patience, verbose=False)],
        )  # fmt: skip
        return {"n_estimators": int(estimator.best_iteration_ or MOST_ROUNDS)}
