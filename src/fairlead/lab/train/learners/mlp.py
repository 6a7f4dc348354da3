"""A small neural network of scikit-learn: a layer or two, no GPU, no further library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.contract.signature import Task
from fairlead.lab.train.passes import worthwhile_passes

LAYERS = {"32": (32,), "64": (64,), "32x16": (32, 16), "128": (128,)}


class MLP:
    """Layers of rectified sums, fitted by Adam (Kingma and Ba, 2015). Numbers are learned in deviations from the mean.

    layers: sizes of the hidden layers as 32x16; max_iter: passes over the rows, which stops it before it knows them
    by heart; alpha: shrinkage.
    """

    name = "mlp"
    tasks: tuple[Task, ...] = ("classification", "regression")
    complexity = 3

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """Layers, passes, shrinkage and size of a step."""
        return {
            "layers": trial.suggest_categorical("layers", list(LAYERS)),
            "max_iter": trial.suggest_int("max_iter", 10, 100, log=True),
            "alpha": trial.suggest_float("alpha", 1e-5, 1.0, log=True),
            "learning_rate_init": trial.suggest_float("learning_rate_init", 3e-4, 1e-2, log=True),
        }

    def default(self, rows: int) -> dict[str, Any]:
        """One layer of 32; fewer passes over more rows."""
        return {"layers": "32", "max_iter": 100 if rows < 2000 else 30, "alpha": 1e-2, "learning_rate_init": 3e-3}

    def starts(self, rows: int) -> list[dict[str, Any]]:
        """A wide layer, shrunken more: surer of pictures and other columns of one kind than the default."""
        return [{**self.default(rows), "layers": "128", "alpha": 0.1}]

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted MLPClassifier or ScaledMLP."""
        given = dict(parameters)
        given["hidden_layer_sizes"] = tuple(int(size) for size in str(given.pop("layers")).split("x"))
        if task == "classification":
            from sklearn.neural_network import MLPClassifier

            return MLPClassifier(**given, random_state=seed)
        from fairlead.lab.train.estimators.scaled_mlp import ScaledMLP

        return ScaledMLP(**given, random_state=seed)

    def seek_rounds(self, estimator: Any, learned: Any, judged: Any, classifies: bool, patience: int) -> dict[str, Any]:
        """See `Learner`: passes over the rows, in place of the parameter's."""
        return {"max_iter": worthwhile_passes(estimator, learned, judged, classifies, patience)}
