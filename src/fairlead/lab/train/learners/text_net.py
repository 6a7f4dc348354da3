"""A network of words by torch, for columns of texts and what stands beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task
from fairlead.lab.train.learners.asking import library


class TextNet:
    """Means of words, and what three of them say together, by AdamW. Needs the extra `torch` to learn, nothing of it to
    answer. A fit that is killed goes on where it was. A tenth of the rows (the newest where there is time) say when to
    stop.
    """

    name = "text_net"
    libraries = ("torch",)
    tasks: tuple[Task, ...] = ("classification", "regression")
    complexity = 5
    sees = "texts"

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """Numbers of a word, threes of words, sums, size of a step, shrinkage, dropout."""
        return {
            **self.default(rows),
            "width": trial.suggest_categorical("width", [16, 32, 64]),
            "window": trial.suggest_categorical("window", [0, 32]),
            "hidden": trial.suggest_categorical("hidden", [16, 32, 64]),
            "learning_rate": trial.suggest_float("learning_rate", 1e-3, 2e-2, log=True),
            "decay": trial.suggest_float("decay", 1e-3, 1.0, log=True),
            "dropout": trial.suggest_float("dropout", 0.0, 0.6),
        }

    def default(self, rows: int) -> dict[str, Any]:
        """Means of words alone; fewer passes and larger batches of more rows."""
        return {
            "width": 32,
            "window": 0,
            "hidden": 32,
            "epochs": 60 if rows < 5_000 else 30 if rows < 50_000 else 10,
            "batch": 32 if rows < 1_000 else 64 if rows < 20_000 else 256,
            "learning_rate": 5e-3,
            "decay": 1e-2,
            "dropout": 0.3,
        }

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted TextClassifier or TextRegressor. Raises MissingExtra."""
        library("torch", "torch")
        from fairlead.lab.train.estimators.text_network import TextClassifier, TextRegressor

        kind = TextClassifier if task == "classification" else TextRegressor
        return kind(**parameters, random_state=seed)
