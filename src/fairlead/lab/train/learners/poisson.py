"""Poisson regression: the linear model of counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task


class Poisson:
    """The logarithm of the mean is linear in the prepared features; for counts and amounts, which are never negative.

    Source: McCullagh and Nelder, Generalized linear models (1989).
    """

    name = "poisson"
    tasks: tuple[Task, ...] = ("regression",)
    complexity = 1

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """Shrinkage over seven orders of magnitude."""
        return {"alpha": trial.suggest_float("alpha", 1e-5, 1e2, log=True)}

    def default(self, rows: int) -> dict[str, Any]:
        """Hardly any."""
        return {"alpha": 1e-3}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted PoissonCounts, whose fit has no randomness."""
        from fairlead.lab.train.estimators.counts import PoissonCounts

        return PoissonCounts(**parameters, solver="newton-cholesky", max_iter=300)
