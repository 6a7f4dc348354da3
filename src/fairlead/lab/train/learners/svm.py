"""Support vector machines: the widest gap between classes, straight or through a kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task

MOST_FOR_KERNEL = 10_000
"""Rows beyond which the kernel is not tried: its fit takes the square of them or more."""
KERNEL_BY_DEFAULT = 3_000


class SVM:
    """Linear or with radial kernel; classes have probabilities from cross-validated margins.

    With the radial kernel the model holds training rows (its support vectors), and its bundle says so.
    """

    name = "svm"
    tasks: tuple[Task, ...] = ("classification", "regression")
    complexity = 2

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """Kernel, shrinkage and, of the radial kernel, its width."""
        kernels = ["linear", "rbf"] if rows <= MOST_FOR_KERNEL else ["linear"]
        kernel = trial.suggest_categorical("kernel", kernels)
        found = {"kernel": kernel, "C": trial.suggest_float("C", 1e-3, 1e2, log=True)}
        if kernel == "rbf":
            found["width"] = trial.suggest_float("width", 0.03, 10.0, log=True)
        return found

    def default(self, rows: int) -> dict[str, Any]:
        """The radial kernel where there are few rows."""
        return {"kernel": "rbf" if rows <= KERNEL_BY_DEFAULT else "linear", "C": 1.0}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted MarginClassifier or MarginRegressor."""
        from fairlead.lab.train.estimators.margins import MarginClassifier, MarginRegressor

        kind = MarginClassifier if task == "classification" else MarginRegressor
        return kind(**parameters, random_state=seed)
