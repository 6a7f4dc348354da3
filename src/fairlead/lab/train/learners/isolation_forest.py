"""Isolation forest: rows that few random cuts set apart from all others are strange."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task


class IsolationForest:
    """Trees of random cuts (Liu, Ting and Zhou, Isolation forest, 2008)."""

    name = "isolation_forest"
    tasks: tuple[Task, ...] = ("anomaly",)
    complexity = 1

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """Number of trees, rows each of them sees, and the share of features it looks at."""
        return {
            "n_estimators": trial.suggest_int("n_estimators", 50, 200, step=50),
            "max_samples": trial.suggest_int("max_samples", min(32, rows), max(32, min(1024, rows)), log=True),
            "max_features": trial.suggest_float("max_features", 0.3, 1.0),
        }

    def default(self, rows: int) -> dict[str, Any]:
        """A hundred trees of 256 rows, as its authors have it."""
        return {"n_estimators": 100, "max_samples": min(256, rows), "max_features": 1.0}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted IsolationForest; the threshold is chosen by who trains it."""
        from sklearn.ensemble import IsolationForest as Forest

        return Forest(**parameters, n_jobs=1, random_state=seed)
