"""Random forest that Spark fits: its executors share the rows, and the trees come back as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task
from fairlead.lab.train.learners.asking import library


class SparkForest:
    """Bagged trees of Spark ML (Breiman, Random forests, 2001), split at quantiles. Needs the extra `spark`."""

    name = "spark_forest"
    libraries = ("pyspark",)
    tasks: tuple[Task, ...] = ("classification", "regression")
    complexity = 2
    distributed = True

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """Number, depth and leaf size of trees, and the share of features a split looks at."""
        return {
            "trees": trial.suggest_int("trees", 20, 100, step=20),
            "max_depth": trial.suggest_int("max_depth", 4, 12),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, max(2, min(50, rows // 20)), log=True),
            "max_features": trial.suggest_float("max_features", 0.1, 1.0),
        }

    def default(self, rows: int) -> dict[str, Any]:
        """Fifty trees of bounded depth."""
        return {"trees": 50, "max_depth": 10, "min_samples_leaf": 5, "max_features": 0.4}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted SparkClassifier or SparkRegressor. Raises MissingExtra."""
        library("pyspark", "spark")
        from fairlead.lab.train.distributed.spark_estimators import SparkClassifier, SparkRegressor

        given = {
            "numTrees": int(parameters["trees"]),
            "maxDepth": int(parameters["max_depth"]),
            "minInstancesPerNode": int(parameters["min_samples_leaf"]),
            "featureSubsetStrategy": str(float(parameters["max_features"])),
            "maxBins": 128,
            "seed": seed,
        }
        return (SparkClassifier if task == "classification" else SparkRegressor)("forest", given)
