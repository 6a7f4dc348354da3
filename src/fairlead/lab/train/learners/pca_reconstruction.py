"""PCA reconstruction: rows that the directions in which rows vary do not explain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task


class PCAReconstruction:
    """See `estimators.reconstruction`."""

    name = "pca_reconstruction"
    tasks: tuple[Task, ...] = ("anomaly",)
    complexity = 1

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """The share of the variance that is explained."""
        return {"share": trial.suggest_float("share", 0.5, 0.99)}

    def default(self, rows: int) -> dict[str, Any]:
        """Nine tenths of the variance."""
        return {"share": 0.9}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted Reconstruction."""
        from fairlead.lab.train.estimators.reconstruction import Reconstruction

        return Reconstruction(**parameters)
