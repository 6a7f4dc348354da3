"""Logistic regression: the linear model of classifications."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task


class Logistic:
    """Shrunken log-odds, linear in the prepared features. C: inverse of the shrinkage."""

    name = "logistic"
    tasks: tuple[Task, ...] = ("classification",)
    complexity = 1

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """Shrinkage over five orders of magnitude."""
        return {"C": trial.suggest_float("C", 1e-3, 1e2, log=True)}

    def default(self, rows: int) -> dict[str, Any]:
        """sklearn's own."""
        return {"C": 1.0}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted LogisticRegression; lbfgs has no randomness, `seed` is not used."""
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(**parameters, max_iter=1000)
