"""Elastic net: between ridge and lasso, for columns that say the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task


class ElasticNet:
    """Linear under both penalties: columns that go together stay together (Zou and Hastie, 2005).

    share: of the penalty that leaves nothing; l1_ratio: how much of it is on absolute weights.
    """

    name = "elastic_net"
    tasks: tuple[Task, ...] = ("classification", "regression")
    complexity = 1

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """The penalty over four orders of magnitude, and its mixture."""
        return {
            "share": trial.suggest_float("share", 1e-4, 0.5, log=True),
            "l1_ratio": trial.suggest_float("l1_ratio", 0.05, 0.95),
        }

    def default(self, rows: int) -> dict[str, Any]:
        """A hundredth of what leaves nothing, half and half."""
        return {"share": 0.01, "l1_ratio": 0.5}

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted RelativeNet or RelativeLogistic."""
        if task == "classification":
            from fairlead.lab.train.estimators.relative_logistic import RelativeLogistic

            return RelativeLogistic(**parameters, random_state=seed)
        from fairlead.lab.train.estimators.relative_net import RelativeNet

        return RelativeNet(**parameters)
