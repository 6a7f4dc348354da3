"""Logistic regression that Spark fits: gradients of executors' rows, added up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task
from fairlead.lab.train.learners.asking import library


class SparkLogistic:
    """The optimum that `logistic` finds, found by Spark ML. C: inverse of the shrinkage. Needs the extra `spark`."""

    name = "spark_logistic"
    libraries = ("pyspark",)
    tasks: tuple[Task, ...] = ("classification",)
    complexity = 1
    distributed = True

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """Shrinkage over five orders of magnitude."""
        return {"C": trial.suggest_float("C", 1e-3, 1e2, log=True)}

    def default(self, rows: int) -> dict[str, Any]:
        """As of `logistic`."""
        return {"C": 1.0}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted SparkClassifier, which has no randomness. Raises MissingExtra."""
        library("pyspark", "spark")
        from fairlead.lab.train.distributed.spark_estimators import SparkClassifier

        return SparkClassifier("logistic", {"C": float(parameters["C"])})
