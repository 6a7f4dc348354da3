"""Linear quantile regression: a quantile of the target as a sum of the columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task


class LinearQuantile:
    """Least pinball loss with shrinkage, found as a linear programme (Koenker and Bassett, 1978).

    Of `[train] quantile`; without it the median. The programme grows with rows: of more than some tens of thousands
    boosting is quicker.
    """

    name = "linear_quantile"
    tasks: tuple[Task, ...] = ("regression",)
    complexity = 1

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """Shrinkage alone."""
        return {"alpha": trial.suggest_float("alpha", 1e-6, 1.0, log=True)}

    def default(self, rows: int) -> dict[str, Any]:
        """Hardly any shrinkage."""
        return {"alpha": 1e-4}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted QuantileRegressor of the median, which has no randomness."""
        from sklearn.linear_model import QuantileRegressor

        return QuantileRegressor(quantile=0.5, solver="highs", **parameters)

    def at_quantile(self, estimator: Any, quantile: float) -> Any:
        """See Learner."""
        return estimator.set_params(quantile=quantile)
