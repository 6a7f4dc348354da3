"""A neural network by torch: mini-batches, early stopping, a GPU where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task
from fairlead.lab.train.learners.asking import library


class NeuralNet:
    """Layers of rectified sums with dropout, by AdamW. Needs the extra `torch` to learn, nothing of it to answer.

    A fit that is killed goes on where it was. A tenth of the rows (the newest where there is time) say when to stop.
    """

    name = "neural_net"
    libraries = ("torch",)
    tasks: tuple[Task, ...] = ("classification", "regression")
    complexity = 4

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """Layers, size of a step, shrinkage, dropout."""
        return {
            "layers": trial.suggest_categorical("layers", ["32", "64", "64x32", "128x64", "256x128"]),
            "epochs": 200 if rows < 50_000 else 50,
            "batch": _batch(rows),
            "learning_rate": trial.suggest_float("learning_rate", 3e-4, 2e-2, log=True),
            "decay": trial.suggest_float("decay", 1e-4, 1.0, log=True),
            "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        }

    def default(self, rows: int) -> dict[str, Any]:
        """Two layers; larger batches of more rows."""
        return {
            "layers": "64x32",
            "epochs": 200 if rows < 50_000 else 50,
            "batch": _batch(rows),
            "learning_rate": 3e-3,
            "decay": 1e-2,
            "dropout": 0.1,
        }

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted NetworkClassifier or NetworkRegressor. Raises MissingExtra."""
        library("torch", "torch")
        from fairlead.lab.train.estimators.torch_network import NetworkClassifier, NetworkRegressor

        kind = NetworkClassifier if task == "classification" else NetworkRegressor
        return kind(**parameters, random_state=seed)


def _batch(rows: int) -> int:
    return 32 if rows < 1000 else 128 if rows < 20_000 else 512
