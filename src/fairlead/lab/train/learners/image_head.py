"""The head of a network of the user's own: what it sees in pictures, and a straight line over that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task


class ImageHead:
    """Logistic or ridge regression over the frozen network that `[train.transfer]` names. Learns without torch."""

    name = "image_head"
    tasks: tuple[Task, ...] = ("classification", "regression")
    complexity = 5
    sees = "pictures"

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """How small weights are kept."""
        return {"strength": trial.suggest_float("strength", 1e-4, 1e2, log=True)}

    def default(self, rows: int) -> dict[str, Any]:
        """Rather small."""
        return {"strength": 0.1}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted HeadClassifier or HeadRegressor."""
        from fairlead.lab.train.estimators.trunk import HeadClassifier, HeadRegressor

        kind = HeadClassifier if task == "classification" else HeadRegressor
        return kind(**parameters, random_state=seed)
