"""k-means: groups around centres."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task

MOST_GROUPS = 10


class KMeansClustering:
    """Rows go to the nearest of k centres (Lloyd, 1982; started by Arthur and Vassilvitskii's k-means++, 2007)."""

    name = "k_means"
    tasks: tuple[Task, ...] = ("clustering",)
    complexity = 1

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """How many groups."""
        return {"n_clusters": trial.suggest_int("n_clusters", 2, max(2, min(MOST_GROUPS, rows // 10)))}

    def default(self, rows: int) -> dict[str, Any]:
        """Three groups."""
        return {"n_clusters": min(3, rows)}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted KMeans, the best of five starts."""
        from sklearn.cluster import KMeans

        return KMeans(**parameters, n_init=5, random_state=seed)
