"""One-class support vector machine: a smooth border around most rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task


class OneClassMachine:
    """Rows beyond the border are strange (Schoelkopf and others, Estimating the support, 2001). Holds rows of training.

    What it takes to fit grows with the square of the rows.
    """

    name = "one_class_svm"
    tasks: tuple[Task, ...] = ("anomaly",)
    complexity = 2

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """The share of rows at the border, and how near rows must be to support each other."""
        return {
            "nu": trial.suggest_float("nu", 0.01, 0.5, log=True),
            "gamma": trial.suggest_float("gamma", 1e-3, 3.0, log=True),
        }

    def default(self, rows: int) -> dict[str, Any]:
        """A twentieth of the rows at the border."""
        return {"nu": 0.05, "gamma": "scale"}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted OneClassSVM; it has no chance in it, so `seed` changes nothing."""
        from sklearn.svm import OneClassSVM

        return OneClassSVM(**parameters)
