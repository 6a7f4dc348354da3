"""Least squares that Spark fits: gradients of executors' rows, added up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task
from fairlead.lab.train.learners.asking import library


class SparkLinear:
    """The optimum that `ridge` finds, found by Spark ML. alpha: the shrinkage. Needs the extra `spark`."""

    name = "spark_linear"
    libraries = ("pyspark",)
    tasks: tuple[Task, ...] = ("regression",)
    complexity = 1
    distributed = True

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """Shrinkage over seven orders of magnitude."""
        return {"alpha": trial.suggest_float("alpha", 1e-3, 1e4, log=True)}

    def default(self, rows: int) -> dict[str, Any]:
        """As of `ridge`."""
        return {"alpha": 1.0}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted SparkRegressor, which has no randomness. Raises MissingExtra."""
        library("pyspark", "spark")
        from fairlead.lab.train.distributed.spark_estimators import SparkRegressor

        return SparkRegressor("linear", {"alpha": float(parameters["alpha"])})
