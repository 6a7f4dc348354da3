"""A convolutional network by torch, for one column of images and what stands beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task
from fairlead.lab.train.learners.asking import library


class ImageNet:
    """Blocks of convolutions, by AdamW. Needs the extra `torch` to learn, nothing of it to answer.

    A fit that is killed goes on where it was. A tenth of the rows (the newest where there is time) say when to stop.
    """

    name = "image_net"
    libraries = ("torch",)
    tasks: tuple[Task, ...] = ("classification", "regression")
    complexity = 5
    sees = "pictures"

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """Channels and blocks, sums, size of a step, shrinkage, dropout."""
        return {
            **self.default(rows),
            "channels": trial.suggest_categorical("channels", ["16x32", "32x64", "16x32x64"]),
            "hidden": trial.suggest_categorical("hidden", [32, 64, 128]),
            "learning_rate": trial.suggest_float("learning_rate", 5e-4, 1e-2, log=True),
            "decay": trial.suggest_float("decay", 1e-4, 0.3, log=True),
            "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        }

    def default(self, rows: int) -> dict[str, Any]:
        """Two blocks; fewer passes and larger batches of more rows."""
        return {
            "channels": "16x32",
            "hidden": 64,
            "epochs": 60 if rows < 5_000 else 30 if rows < 50_000 else 15,
            "batch": 32 if rows < 1_000 else 64 if rows < 20_000 else 256,
            "learning_rate": 2e-3,
            "decay": 1e-2,
            "dropout": 0.2,
        }

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted PictureClassifier or PictureRegressor. Raises MissingExtra."""
        library("torch", "torch")
        from fairlead.lab.train.estimators.picture_network import PictureClassifier, PictureRegressor

        kind = PictureClassifier if task == "classification" else PictureRegressor
        return kind(**parameters, random_state=seed)
