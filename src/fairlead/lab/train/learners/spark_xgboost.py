"""XGBoost on Spark: executors hold the rows and agree on every split of a tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task
from fairlead.lab.train.learners.asking import library
from fairlead.lab.train.learners.xgboost import XGBoost


class SparkXGBoost:
    """The learner `xgboost` over the slots of a cluster (xgboost.spark). Needs the extras `spark` and `boosting`."""

    name = "spark_xgboost"
    libraries = ("pyspark", "xgboost")
    tasks: tuple[Task, ...] = ("classification", "regression")
    complexity = 3
    distributed = True

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """As of `xgboost`."""
        return XGBoost().space(trial, rows)

    def default(self, rows: int) -> dict[str, Any]:
        """As of `xgboost`."""
        return XGBoost().default(rows)

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted SharedClassifier or SharedRegressor. Raises MissingExtra."""
        library("pyspark", "spark")
        library("xgboost", "boosting")
        from fairlead.lab.train.distributed.spark_boosters import SharedClassifier, SharedRegressor

        given = {**parameters, "random_state": seed, "tree_method": "hist"}
        return (SharedClassifier if task == "classification" else SharedRegressor)(given)
