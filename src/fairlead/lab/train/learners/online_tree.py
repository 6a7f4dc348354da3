"""A Hoeffding tree, which learns label by label and replaces branches that have begun to err."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task
from fairlead.lab.train.learners.asking import library


class OnlineTree:
    """Adaptive Hoeffding trees of river. Needs the extra `drift` to learn."""

    name = "online_tree"
    libraries = ("river",)
    tasks: tuple[Task, ...] = ("classification", "regression")
    complexity = 2

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """How many rows a leaf waits for, how sure a split must be, depth."""
        return {
            "grace": trial.suggest_int("grace", 30, 300, log=True),
            "sure": trial.suggest_float("sure", 1e-7, 1e-2, log=True),
            "depth": trial.suggest_int("depth", 4, 16),
        }

    def default(self, rows: int) -> dict[str, Any]:
        """A look at a leaf every hundred rows."""
        return {"grace": 100, "sure": 1e-4, "depth": 12}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted OnlineTreeClassifier or -Regressor. Raises MissingExtra."""
        library("river", "drift")
        from fairlead.lab.train.streaming.online_tree import OnlineTreeClassifier, OnlineTreeRegressor

        kind = OnlineTreeClassifier if task == "classification" else OnlineTreeRegressor
        return kind(**parameters, random_state=seed)
