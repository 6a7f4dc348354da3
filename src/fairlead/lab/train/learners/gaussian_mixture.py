"""Gaussian mixture: groups of their own size and direction, with a probability of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task
from fairlead.lab.train.learners.k_means import MOST_GROUPS


class GaussianMixtures:
    """A sum of normal distributions, by expectation maximisation (Dempster, Laird and Rubin, 1977)."""

    name = "gaussian_mixture"
    tasks: tuple[Task, ...] = ("clustering",)
    complexity = 2

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """How many groups, and what shape they may have."""
        return {
            "n_components": trial.suggest_int("n_components", 2, max(2, min(MOST_GROUPS, rows // 20))),
            "covariance_type": trial.suggest_categorical("covariance_type", ["diag", "full", "tied"]),
        }

    def default(self, rows: int) -> dict[str, Any]:
        """Three groups, each with a spread of its own in every feature."""
        return {"n_components": min(3, rows), "covariance_type": "diag"}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted BoundedMixture."""
        from fairlead.lab.train.estimators.bounded_mixture import BoundedMixture

        # Enough to keep a group of equal rows from a spread of zero, on features of spread one.
        return BoundedMixture(**parameters, reg_covar=1e-4, n_init=2, random_state=seed)
