"""Lasso: a linear model that leaves out what hardly helps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task


class Lasso:
    """Linear under a penalty on absolute weights, many of which become 0 (Tibshirani, 1996).

    share: of the least penalty that leaves nothing.
    """

    name = "lasso"
    tasks: tuple[Task, ...] = ("classification", "regression")
    complexity = 1

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """The penalty, over four orders of magnitude."""
        return {"share": trial.suggest_float("share", 1e-4, 0.5, log=True)}

    def default(self, rows: int) -> dict[str, Any]:
        """A hundredth of what leaves nothing."""
        return {"share": 0.01}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted RelativeNet or RelativeLogistic."""
        if task == "classification":
            from fairlead.lab.train.estimators.relative_logistic import RelativeLogistic

            return RelativeLogistic(**parameters, l1_ratio=1.0, random_state=seed)
        from fairlead.lab.train.estimators.relative_net import RelativeNet

        return RelativeNet(**parameters, l1_ratio=1.0)
