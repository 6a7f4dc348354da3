"""Networks that several processes fit: the estimators of `torch_network`, whose passes are made elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fairlead.contract.errors import ConfigInvalid
from fairlead.lab.train.distributed.torch_divided import Divide, fit_divided
from fairlead.lab.train.estimators.torch_fitting import Build, Change, Network, Recipe, Rows
from fairlead.lab.train.estimators.torch_network import NetworkClassifier, NetworkRegressor

MOST = 64


class _Divided:
    """divide: rows or layers; processes: how many."""

    divide: Divide = "rows"
    processes: int = 2

    def _run(
        self, recipe: Recipe, learned: Rows, judged: Rows | None, checkpoint: Path | None, build: Build,
        change: Change | None,
    ) -> Network:  # fmt: skip
        if change is not None:
            raise ConfigInvalid(
                "rows that change in every pass are for networks of one process.",
                file="fairlead.toml", key="train.augment", cure="Take neural_net.",
            )  # fmt: skip
        return fit_divided(self.divide, recipe, learned, judged, checkpoint, build, self.processes)


class DividedClassifier(_Divided, NetworkClassifier):
    """Shares of classes by cross-entropy."""


class DividedRegressor(_Divided, NetworkRegressor):
    """A number by squared errors."""


def divided(task: str, parameters: dict[str, Any], seed: int, divide: Divide, processes: int) -> Any:
    """An unfitted network for so many processes, at least two."""
    made = (DividedClassifier if task == "classification" else DividedRegressor)(**parameters, random_state=seed)
    made.divide, made.processes = divide, min(max(processes, 2), MOST)
    return made
