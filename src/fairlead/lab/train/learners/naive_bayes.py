"""Gaussian naive Bayes: every feature by itself, a bell curve a class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task


class NaiveBayes:
    """Features as if independent within a class, each normally distributed there. Quick; its probabilities are bold.

    var_smoothing: share of the largest variance that is added to all, without which a column that never varies in a
    class would decide alone.
    """

    name = "naive_bayes"
    tasks: tuple[Task, ...] = ("classification",)
    complexity = 1

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """How far variances are evened out."""
        return {"var_smoothing": trial.suggest_float("var_smoothing", 1e-6, 30.0, log=True)}

    def default(self, rows: int) -> dict[str, Any]:
        """Far more than sklearn's 1e-9, which lets one column a category decide alone."""
        return {"var_smoothing": 1.0}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted GaussianNB, which has no randomness."""
        from sklearn.naive_bayes import GaussianNB

        return GaussianNB(**parameters)
