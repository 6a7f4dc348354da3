"""Layers that look at pictures: as torch fits them, and as numpy answers by what was found.

Blocks of two convolutions (3 x 3, rectified), each block halving the picture while it is 4 or wider; then its numbers,
or their means where many are left, beside the row's other features, a layer of rectified sums, and the head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.layout import Picture

KERNEL = 3
SMALL = 64
"""Places of a picture, after the blocks, up to which each counts for itself; of more the mean is taken."""
HALVED = 4
"""The least edge of a picture that is halved."""
AT_ONCE = 1 << 22
"""Numbers that an answer holds at once."""
FARTHEST = 10.0
"""Pixels are taken for no more than this, where training saw 0 to 1."""


class Plan(msgspec.Struct, frozen=True):
    """blocks: channels of each; beside: features that are no pixels; norm: whether torch normalises batches on its way
    (which is folded into the convolutions when it is done); frozen: layers, from the picture on, that stay as they are.
    """

    picture: Picture
    blocks: tuple[int, ...]
    hidden: int
    beside: int
    outputs: int
    dropout: float
    norm: bool = True
    frozen: int = 0

    @property
    def halves(self) -> tuple[bool, ...]:
        """Whether each block halves the picture."""
        return _sizes(self)[0]

    @property
    def places(self) -> int:
        """Places of a picture after the blocks."""
        _, height, width = _sizes(self)
        return height * width

    @property
    def averaged(self) -> bool:
        """Whether the mean of all places is taken."""
        return self.places > SMALL

    @property
    def seen(self) -> int:
        """Numbers that are left of a picture."""
        return self.blocks[-1] * (1 if self.averaged else self.places)

    @property
    def layers(self) -> int:
        """Layers with weights: convolutions, sums, head."""
        return 2 * len(self.blocks) + 2


def _sizes(plan: Plan) -> tuple[tuple[bool, ...], int, int]:
    height, width, halves = plan.picture.height, plan.picture.width, []
    for _ in plan.blocks:
        halves.append(min(height, width) >= HALVED)
        if halves[-1]:
            height, width = height // 2, width // 2
    return tuple(halves), height, width


@dataclass(frozen=True)
class Layers:
    """What was found. kernels: (weights (out, in, 3, 3), bias (out,)) of each convolution, rounded to float32, in which
    they are sealed; sums: (weights (inputs, outputs), bias) of the layer of sums, rounded too, and of the head.
    """

    plan: Plan
    kernels: list[tuple[Floats, Floats]]
    sums: list[tuple[Floats, Floats]]


def picture_net(torch: Any, plan: Plan) -> Any:
    """The net for torch, on rows of (n, features)."""
    nn, picture = torch.nn, plan.picture

    class Pictures(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            inside = picture.channels
            for block, channels in enumerate(plan.blocks):
                for at in (2 * block, 2 * block + 1):
                    setattr(self, f"conv{at}", nn.Conv2d(inside, channels, KERNEL, padding=KERNEL // 2))
                    nn.init.kaiming_normal_(getattr(self, f"conv{at}").weight, nonlinearity="relu")
                    if plan.norm:
                        setattr(self, f"norm{at}", nn.BatchNorm2d(channels))
                    inside = channels
            self.sums = nn.Linear(plan.seen + plan.beside, plan.hidden)
            self.drop = nn.Dropout(plan.dropout)
            self.head = nn.Linear(plan.hidden, plan.outputs)
            named = [*(getattr(self, f"conv{at}") for at in range(2 * len(plan.blocks))), self.sums, self.head]
            for layer in named[: plan.frozen]:
                layer.requires_grad_(requires_grad=False)

        def forward(self, x: Any) -> Any:
            pixels = x[:, picture.start : picture.start + picture.size].clamp(-FARTHEST, FARTHEST)
            if picture.last:
                at = pixels.reshape(-1, picture.height, picture.width, picture.channels).permute(0, 3, 1, 2)
            else:
                at = pixels.reshape(-1, picture.channels, picture.height, picture.width)
            for block, halved in enumerate(plan.halves):
                for number in (2 * block, 2 * block + 1):
                    at = getattr(self, f"conv{number}")(at)
                    at = torch.relu(getattr(self, f"norm{number}")(at) if plan.norm else at)
                at = nn.functional.max_pool2d(at, 2) if halved else at
            at = at.mean(dim=(2, 3)) if plan.averaged else at.flatten(1)
            others = (x[:, : picture.start], x[:, picture.start + picture.size :])
            at = torch.relu(self.sums(self.drop(torch.cat((at, *others), dim=1))))
            return self.head(self.drop(at))

    return Pictures()


def folded(plan: Plan, state: dict[str, Floats]) -> Layers:
    """Layers of what torch found; the norms become part of the convolutions before them."""
    kernels = []
    for at in range(2 * len(plan.blocks)):
        weights, bias = state[f"conv{at}.weight"], state[f"conv{at}.bias"]
        if plan.norm:
            norm = {name: state[f"norm{at}.{name}"] for name in ("weight", "bias", "running_mean", "running_var")}
            # 1e-5 is torch's own guard against a variance of nothing.
            by = norm["weight"] / np.sqrt(norm["running_var"] + 1e-5)
            weights, bias = weights * by[:, None, None, None], (bias - norm["running_mean"]) * by + norm["bias"]
        kernels.append((single(weights), single(bias)))
    sums = (single(state["sums.weight"].T), single(state["sums.bias"]))
    return Layers(plan, kernels, [sums, (state["head.weight"].T.copy(), state["head.bias"])])


def single(numbers: Floats) -> Floats:
    """Rounded to single precision."""
    return np.ascontiguousarray(numbers.astype(np.float32).astype(np.float64))


def raw_of(layers: Layers, features: Floats) -> Floats:
    """What the head sums up, (n, outputs), of features (n, f), in double."""
    widest = max(layers.plan.picture.channels, *layers.plan.blocks) * layers.plan.picture.height
    step = max(1, AT_ONCE // (widest * layers.plan.picture.width * KERNEL * KERNEL))
    parts = [_raw(layers, features[at : at + step]) for at in range(0, max(len(features), 1), step)]
    return np.concatenate(parts)


def _raw(layers: Layers, features: Floats) -> Floats:
    plan, picture = layers.plan, layers.plan.picture
    end = picture.start + picture.size
    pixels = np.clip(features[:, picture.start : end], -FARTHEST, FARTHEST)
    if picture.last:
        at = pixels.reshape(-1, picture.height, picture.width, picture.channels).transpose(0, 3, 1, 2)
    else:
        at = pixels.reshape(-1, picture.channels, picture.height, picture.width)
    for block, halved in enumerate(plan.halves):
        for weights, bias in layers.kernels[2 * block : 2 * block + 2]:
            at = np.maximum(_convolved(at, weights, bias), 0.0)
        at = _halved(at) if halved else at
    seen = at.mean(axis=(2, 3)) if plan.averaged else at.reshape(len(at), -1)
    all_of_it = np.concatenate((seen, features[:, : picture.start], features[:, end:]), axis=1)
    (weights, bias), (last, shift) = layers.sums
    return np.asarray(np.maximum(all_of_it @ weights + bias, 0.0) @ last + shift)


def _convolved(at: Floats, weights: Floats, bias: Floats) -> Floats:
    edge = KERNEL // 2
    padded = np.pad(at, ((0, 0), (0, 0), (edge, edge), (edge, edge)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (KERNEL, KERNEL), axis=(2, 3))
    summed = np.tensordot(windows, weights, axes=((1, 4, 5), (1, 2, 3))) + bias
    return np.asarray(summed.transpose(0, 3, 1, 2))


def _halved(at: Floats) -> Floats:
    height, width = at.shape[2] // 2, at.shape[3] // 2
    cut = at[:, :, : 2 * height, : 2 * width].reshape(len(at), at.shape[1], height, 2, width, 2)
    return np.asarray(cut.max(axis=(3, 5)))
