"""A small convolutional network trained by torch; what it found answers by numpy, and is sealed as plain arithmetic."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
import numpy as np

from fairlead.contract.errors import ConfigInvalid
from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.estimators.picture_layers import Plan, folded, picture_net, raw_of
from fairlead.lab.train.estimators.torch_estimator import Aims, TorchEstimator
from fairlead.lab.train.estimators.torch_tasks import LearnsClasses, LearnsNumbers
from fairlead.lab.train.layout import Layout, Picture


class _PictureNetwork(TorchEstimator):
    """Convolutions (LeCun et al., 1998) with batch norm (Ioffe and Szegedy, 2015), fitted by AdamW.

    channels: of each block, as 16x32; hidden: sums before the head; the rest as of `torch_network`. layout: where the
    one image lies among the features, set before the fit; all other features stand beside what is seen of it.
    layers_: what was found; epochs_, best_epoch_, device_: passes made, the one taken, where it was trained.
    """

    def __init__(
        self,
        channels: str = "16x32",
        hidden: int = 64,
        epochs: int = 60,
        batch: int = 64,
        learning_rate: float = 2e-3,
        decay: float = 1e-2,
        dropout: float = 0.2,
        patience: int = 8,
        ordered: bool = False,
        device: str = "auto",
        random_state: int = 0,
    ) -> None:
        self.channels, self.hidden, self.epochs, self.batch = channels, hidden, epochs, batch
        self.learning_rate, self.decay, self.dropout, self.patience = learning_rate, decay, dropout, patience
        self.ordered, self.device, self.random_state = ordered, device, random_state

    def _fit(self, x: Floats, aims: Aims, weights: Any, mean: float = 0.0, spread: float = 1.0) -> None:
        picture = the_picture(self.layout)
        plan = Plan(
            picture=picture,
            blocks=tuple(int(number) for number in self.channels.split("x")),
            hidden=self.hidden,
            beside=x.shape[1] - picture.size,
            outputs=aims.outputs,
            dropout=self.dropout,
            norm=self.begin is None,
        )
        if self.begin is not None:
            plan = msgspec.structs.replace(plan, frozen=self.begin.frozen(plan.layers))
        build, state = partial(picture_net, plan=plan), self._state(mean, spread)
        found = self._fitted(x, aims, weights, msgspec.to_builtins(plan), build, state)
        self.layers_ = folded(plan, found.state)

    def _state(self, mean: float, spread: float) -> dict[str, Floats]:
        """What the net begins with, by its names in torch; its norms are part of its convolutions already."""
        if self.begin is None:
            return {}
        sealed, found = self.begin.state, {}
        for at in range(sum(name.startswith("kernel") for name in sealed)):
            found[f"conv{at}.weight"], found[f"conv{at}.bias"] = sealed[f"kernel{at}"], sealed[f"shift{at}"]
        found["sums.weight"], found["sums.bias"] = sealed["sums"].T, sealed["sums_bias"]
        return {**found, **self._head(sealed["head"], sealed["head_bias"], mean, spread)}

    def _undo(self, mean: float, spread: float) -> None:
        weights, bias = self.layers_.sums[-1]
        self.layers_.sums[-1] = (weights * spread, bias * spread + mean)

    def _raw(self, features: Any) -> Floats:
        return raw_of(self.layers_, np.asarray(features, dtype=np.float64))


class PictureClassifier(LearnsClasses, _PictureNetwork):
    """Shares of classes by cross-entropy."""


class PictureRegressor(LearnsNumbers, _PictureNetwork):
    """A number by squared errors."""


def the_picture(layout: Layout) -> Picture:
    """The one image of a layout. Raises ConfigInvalid where there are none or several."""
    if len(layout.pictures) == 1:
        return layout.pictures[0]
    have = ", ".join(picture.column for picture in layout.pictures) or "none"
    raise ConfigInvalid(
        f"image_net learns from one column of images, and the features have: {have}.",
        file="fairlead.toml", key="train.learners",
        cure="An image is a tensor of (height, width), (height, width, channels) or (channels, height, width), with "
        "1 or 3 channels; [model] features or exclude choose the column.",
    )  # fmt: skip
