"""Ridge regression: the linear model of regressions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task


class RidgeRegression:
    """Shrunken least squares, linear in the prepared features. alpha: the shrinkage."""

    name = "ridge"
    tasks: tuple[Task, ...] = ("regression",)
    complexity = 1

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """Shrinkage over seven orders of magnitude."""
        return {"alpha": trial.suggest_float("alpha", 1e-3, 1e4, log=True)}

    def default(self, rows: int) -> dict[str, Any]:
        """sklearn's own."""
        return {"alpha": 1.0}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted Ridge, solved by Cholesky, which has no randomness."""
        from sklearn.linear_model import Ridge

        return Ridge(**parameters, solver="cholesky")
