"""Local outlier factor: rows around which fewer rows lie than around their neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task


class LocalOutlierFactor:
    """See `estimators.outlier_neighbours`. Its bundles hold rows of training, as their lineage says."""

    name = "local_outlier_factor"
    tasks: tuple[Task, ...] = ("anomaly",)
    complexity = 3

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """How many neighbours."""
        return {"k": trial.suggest_int("k", 5, max(5, min(100, rows // 4)), log=True)}

    def default(self, rows: int) -> dict[str, Any]:
        """Twenty neighbours."""
        return {"k": 20}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted OutlierNeighbours."""
        from fairlead.lab.train.estimators.outlier_neighbours import OutlierNeighbours

        return OutlierNeighbours(**parameters, random_state=seed)
