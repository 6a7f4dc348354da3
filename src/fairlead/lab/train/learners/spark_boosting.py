"""Gradient-boosted trees that Spark fits: one tree after the other, the rows of each shared by executors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task
from fairlead.lab.train.learners.asking import library


class SparkBoosting:
    """Boosted trees of Spark ML (Friedman, Greedy function approximation, 2001), of two classes or a number.

    Needs the extra `spark`.
    """

    name = "spark_boosting"
    libraries = ("pyspark",)
    tasks: tuple[Task, ...] = ("classification", "regression")
    complexity = 3
    distributed = True

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """Number and depth of trees, size of a step, share of rows, leaf size."""
        return {
            "trees": trial.suggest_int("trees", 20, 100, step=20),
            "max_depth": trial.suggest_int("max_depth", 2, 6),
            "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
            "subsample": trial.suggest_float("subsample", 0.5, 1.0),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, max(2, min(50, rows // 20)), log=True),
        }

    def default(self, rows: int) -> dict[str, Any]:
        """Forty small trees."""
        return {"trees": 40, "max_depth": 4, "learning_rate": 0.1, "subsample": 1.0, "min_samples_leaf": 5}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted SparkClassifier or SparkRegressor. Raises MissingExtra."""
        library("pyspark", "spark")
        from fairlead.lab.train.distributed.spark_estimators import SparkClassifier, SparkRegressor

        given = {
            "maxIter": int(parameters["trees"]),
            "maxDepth": int(parameters["max_depth"]),
            "stepSize": float(parameters["learning_rate"]),
            "subsamplingRate": float(parameters["subsample"]),
            "minInstancesPerNode": int(parameters["min_samples_leaf"]),
            "maxBins": 128,
            "seed": seed,
        }
        return (SparkClassifier if task == "classification" else SparkRegressor)("boosting", given)
