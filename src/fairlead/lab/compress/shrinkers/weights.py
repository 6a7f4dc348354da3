"""Networks with most of their weights at zero, which are then kept by their places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from fairlead.lab.compress.shrinkers.networks import is_network, on_network
from fairlead.lab.compress.subject import Smaller, Subject
from fairlead.lab.compress.tuning import tuned
from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.estimators.compact_network import with_layers

SHARES = (0.3, 0.1)
UPDATES = 1500
SMALL = 64
"""Weights of a layer below which all stay: the answer hangs on each of them."""


class LargestWeights:
    """Port `shrinker`: the largest weights of each layer, by magnitude, tuned with the others held at zero.

    Only the file gets smaller: products with zeros are still made. Source: Han et al., Learning both Weights and
    Connections for Efficient Neural Networks (2015).
    """

    name, group = "weights", "prune"

    def tries(self, subject: Subject) -> Iterator[Smaller]:
        """See Shrinker."""
        if is_network(subject) and not subject.has("weights", "single", "stored", "whole_numbers"):
            for share in SHARES:
                words = f"the largest {share:.0%} of the weights, tuned"
                yield subject.then(self.name, words, keep=share, updates=UPDATES)

    def shrink(self, fitted: Any, rows: Any, step: Mapping[str, Any], seed: int) -> Any:
        """See Shrinker."""

        def act(network: Any, rows: Any) -> Any:
            numbers = [w.numbers for w in network.layers_.weights]
            masks = [largest(each, step["keep"]) for each in numbers]
            held = [each * mask for each, mask in zip(numbers, masks, strict=True)]
            layers = network.layers_.with_weights(held, list(network.layers_.biases))
            return tuned(with_layers(network, layers), rows, step["updates"], seed, masks)

        return on_network(fitted, rows, act)


def largest(numbers: Floats, keep: float) -> Floats:
    """1 where a weight is among that share of the largest, else 0; of small layers all are."""
    if numbers.size < SMALL:
        return np.ones_like(numbers)
    left = max(1, round(numbers.size * keep))
    order = np.argsort(-np.abs(numbers).ravel(), kind="stable")[:left]
    mask = np.zeros(numbers.size)
    mask[order] = 1.0
    return mask.reshape(numbers.shape)
