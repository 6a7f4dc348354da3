"""Linear regression: least squares without shrinkage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task


class LinearRegression:
    """Least squares; of many solutions (one column a category makes them so) the one with the smallest weights.

    Nothing is tuned, so its first trial is its only different one. For more columns than rows take ridge.
    """

    name = "linear"
    tasks: tuple[Task, ...] = ("regression",)
    complexity = 1

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """Nothing to choose."""
        return {}

    def default(self, rows: int) -> dict[str, Any]:
        """Nothing to choose."""
        return {}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted LinearRegression, which has no randomness."""
        from sklearn import linear_model

        return linear_model.LinearRegression(**parameters)
