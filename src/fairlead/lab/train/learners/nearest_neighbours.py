"""Nearest neighbours: what the most similar rows of training were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task


class NearestNeighbours:
    """Rows that are alike have answers that are alike. The model holds training rows, and its bundle says so."""

    name = "nearest_neighbours"
    tasks: tuple[Task, ...] = ("classification", "regression")
    complexity = 2

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """How many neighbours are asked."""
        return {"k": trial.suggest_int("k", 1, max(5, min(200, rows // 10)), log=True)}

    def default(self, rows: int) -> dict[str, Any]:
        """More of them where there are more rows: about half of the root."""
        return {"k": max(5, min(50, int(rows**0.5 / 2)))}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted NeighbourClassifier or NeighbourRegressor."""
        from fairlead.lab.train.estimators.neighbours import NeighbourClassifier, NeighbourRegressor

        kind = NeighbourClassifier if task == "classification" else NeighbourRegressor
        return kind(**parameters, random_state=seed)
