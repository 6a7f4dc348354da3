"""A network trained by torch in mini-batches, stopped early, and taken up again where it was killed.

Only the fit needs torch: what it found is kept as arrays, and answers come from numpy in double precision.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.estimators.torch_estimator import Aims, TorchEstimator
from fairlead.lab.train.estimators.torch_tasks import LearnsClasses, LearnsNumbers


class _Network(TorchEstimator):
    """Layers of rectified sums, fitted by AdamW (Loshchilov and Hutter, 2019) with dropout (Srivastava et al., 2014).

    layers: sizes of the hidden layers, as 64x32. epochs: most passes over the rows. patience: passes without gain on
    a tenth of the rows held back after which it stops and takes the best; 0: all passes, no rows held back.
    ordered: rows are in order of time, and the newest are held back; else they are drawn. device: auto takes a GPU
    where there is one. coefs_, intercepts_: a matrix and a vector a layer, in double; epochs_: passes that were made;
    best_epoch_: the one that was taken; device_: where it was trained.
    """

    activation = "relu"

    def __init__(
        self,
        layers: str = "64",
        epochs: int = 100,
        batch: int = 128,
        learning_rate: float = 3e-3,
        decay: float = 1e-2,
        dropout: float = 0.1,
        patience: int = 10,
        ordered: bool = False,
        device: str = "auto",
        random_state: int = 0,
    ) -> None:
        self.layers, self.epochs, self.batch, self.learning_rate = layers, epochs, batch, learning_rate
        self.decay, self.dropout, self.patience, self.ordered = decay, dropout, patience, ordered
        self.device, self.random_state = device, random_state

    def _fit(self, x: Floats, aims: Aims, weights: Any, mean: float = 0.0, spread: float = 1.0) -> None:
        sizes = (x.shape[1], *(int(size) for size in self.layers.split("x")), aims.outputs)
        frozen = 0 if self.begin is None else self.begin.frozen(len(sizes) - 1)
        build = partial(_layers, sizes=sizes, dropout=self.dropout, frozen=frozen)
        found = self._fitted(x, aims, weights, [*sizes, frozen], build, self._state(len(sizes) - 1, mean, spread))
        self.coefs_ = [numbers.T.copy() for name, numbers in found.state.items() if name.endswith("weight")]
        self.intercepts_ = [numbers for name, numbers in found.state.items() if name.endswith("bias")]

    def _state(self, layers: int, mean: float, spread: float) -> dict[str, Floats]:
        """What the net begins with, by its names in torch."""
        if self.begin is None:
            return {}
        sealed, step, found = self.begin.state, 3 if self.dropout else 2, {}
        for at in range(layers - 1):
            found[f"{at * step}.weight"], found[f"{at * step}.bias"] = sealed[f"weights{at}"].T, sealed[f"bias{at}"]
        head = self._head(sealed[f"weights{layers - 1}"], sealed[f"bias{layers - 1}"], mean, spread)
        return found | {name.replace("head", str((layers - 1) * step)): numbers for name, numbers in head.items()}

    def _raw(self, features: Any) -> Floats:
        at = np.asarray(features, dtype=np.float64)
        for depth, (weights, bias) in enumerate(zip(self.coefs_, self.intercepts_, strict=True)):
            at = at @ weights + bias
            if depth < len(self.coefs_) - 1:
                at = np.maximum(at, 0.0)
        return at


class NetworkClassifier(LearnsClasses, _Network):
    """Shares of classes by cross-entropy."""

    @property
    def out_activation_(self) -> str:
        """What the last sums go through, as scikit-learn's networks call it."""
        return "logistic" if len(self.classes_) == 2 else "softmax"


class NetworkRegressor(LearnsNumbers, _Network):
    """A number by squared errors."""

    out_activation_ = "identity"

    def _undo(self, mean: float, spread: float) -> None:
        self.coefs_[-1] = self.coefs_[-1] * spread
        self.intercepts_[-1] = self.intercepts_[-1] * spread + mean


def _layers(torch: Any, sizes: tuple[int, ...], dropout: float, frozen: int = 0) -> Any:
    nn = torch.nn
    layers: list[Any] = []
    for depth in range(len(sizes) - 1):
        layers.append(nn.Linear(sizes[depth], sizes[depth + 1]))
        layers[-1].requires_grad_(requires_grad=depth >= frozen)
        if depth < len(sizes) - 2:
            layers.append(nn.ReLU())
            if dropout:
                layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)
