"""A linear model that learns label by label: of a table one after the other, of a stream as they come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task
from fairlead.lab.train.learners.asking import library


class OnlineLinear:
    """Stochastic gradients of river, whose step does not shrink. Needs the extra `drift` to learn."""

    name = "online_linear"
    libraries = ("river",)
    tasks: tuple[Task, ...] = ("classification", "regression")
    complexity = 1

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """Size of a step, shrinkage."""
        return {
            "step": trial.suggest_float("step", 3e-3, 0.1, log=True),
            "shrink": trial.suggest_float("shrink", 1e-6, 1e-2, log=True),
        }

    def default(self, rows: int) -> dict[str, Any]:
        """Steps that forget a row after some hundreds."""
        return {"step": 0.02, "shrink": 1e-4}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted OnlineLineClassifier or -Regressor, which have no randomness. Raises MissingExtra."""
        library("river", "drift")
        from fairlead.lab.train.streaming.online_line import OnlineLineClassifier, OnlineLineRegressor

        return (OnlineLineClassifier if task == "classification" else OnlineLineRegressor)(**parameters)
