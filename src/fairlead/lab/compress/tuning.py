"""A few more passes of a network over its rows, after weights were taken from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.estimators.compact_network import ACTIVE, CompactRegressor, Layers, with_layers

RATE, BATCH = 1e-3, 64
DECAYS = (0.9, 0.999)
SLOPES: dict[str, Any] = {
    "identity": lambda x: np.ones_like(x),
    "relu": lambda x: (x > 0.0).astype(np.float64),
    "tanh": lambda x: 1.0 - x * x,
    "logistic": lambda x: x * (1.0 - x),
}
"""How each activation rises, by what it gives."""


def tuned(network: Any, rows: Any, updates: int, seed: int, masks: Sequence[Floats] | None = None) -> Any:
    """The network after so many steps, each by a small batch of the rows; the same for the same seed.

    Cross-entropy of classes, squared errors of numbers in deviations from their mean. rows: features (n, f), truth and
    weights (n,). masks: 1 where a weight may move, 0 where it stays at zero; a layer each.
    Source: Kingma and Ba, Adam (2015).
    """
    layers: Layers = network.layers_
    weights, biases = [w.numbers for w in layers.weights], [b.astype(np.float64) for b in layers.biases]
    aims, mean, spread = _aims(network, rows)
    weights[-1], biases[-1] = weights[-1] / spread, (biases[-1] - mean) / spread
    given = np.ones(len(aims)) if rows.weights is None else rows.weights / max(rows.weights.mean(), 1e-300)
    held = [np.ones_like(w) for w in weights] if masks is None else list(masks)
    moving = _Adam([*weights, *biases])
    for at in _batches(len(aims), updates, seed):
        up, across = _gradients(layers, weights, biases, rows.features[at], aims[at], given[at])
        moving.step([*(g * mask for g, mask in zip(up, held, strict=True)), *across])
    weights[-1], biases[-1] = weights[-1] * spread, biases[-1] * spread + mean
    return with_layers(network, layers.with_weights(weights, biases))


def _batches(rows: int, updates: int, seed: int) -> Iterator[np.ndarray]:
    random, made = np.random.default_rng([seed, 12]), 0
    while made < updates:
        order = random.permutation(rows)
        for start in range(0, rows, BATCH):
            yield order[start : start + BATCH]
            made += 1
            if made == updates:
                return


def _aims(network: Any, rows: Any) -> tuple[Floats, float, float]:
    """What the last layer should give before its link is undone (n, outputs), and the mean and deviation of numbers."""
    if isinstance(network, CompactRegressor):
        truth = np.asarray(rows.truth, dtype=np.float64)
        mean, spread = float(truth.mean()), float(truth.std()) or 1.0
        return ((truth - mean) / spread)[:, None], mean, spread
    codes = np.searchsorted(network.classes_, rows.truth)
    if network.layers_.link == "logistic":
        return codes.astype(np.float64)[:, None], 0.0, 1.0
    return np.eye(len(network.classes_))[codes], 0.0, 1.0


def _gradients(
    layers: Layers, weights: list[Floats], biases: list[Floats], features: Floats, aims: Floats, given: Floats
) -> tuple[list[Floats], list[Floats]]:
    shown = [features]
    for depth, (w, b) in enumerate(zip(weights, biases, strict=True)):
        at = shown[-1] @ w + b
        shown.append(ACTIVE[layers.active](at) if depth < len(weights) - 1 else at)
    # Of all three links with their losses: what is answered less what should be.
    off = (_linked(layers.link, shown[-1]) - aims) * (given / len(features))[:, None]
    up: list[Floats] = []
    across: list[Floats] = []
    for depth in reversed(range(len(weights))):
        up.insert(0, shown[depth].T @ off)
        across.insert(0, off.sum(axis=0))
        if depth:
            off = (off @ weights[depth].T) * SLOPES[layers.active](shown[depth])
    return up, across


def _linked(link: str, raw: Floats) -> Floats:
    if link == "softmax":
        shares = np.exp(raw - raw.max(axis=1, keepdims=True))
        found: Floats = shares / shares.sum(axis=1, keepdims=True)
        return found
    return ACTIVE["logistic"](raw) if link == "logistic" else raw


class _Adam:
    """Steps in place."""

    def __init__(self, parameters: list[Floats]) -> None:
        self.parameters = parameters
        self.first = [np.zeros_like(p) for p in parameters]
        self.second = [np.zeros_like(p) for p in parameters]
        self.steps = 0

    def step(self, gradients: list[Floats]) -> None:
        """One step down these gradients."""
        self.steps += 1
        low, high = (1.0 - decay**self.steps for decay in DECAYS)
        for p, g, m, v in zip(self.parameters, gradients, self.first, self.second, strict=True):
            m += (1.0 - DECAYS[0]) * (g - m)
            v += (1.0 - DECAYS[1]) * (g * g - v)
            p -= RATE * (m / low) / (np.sqrt(v / high) + 1e-8)
