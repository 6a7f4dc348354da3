"""Networks without the hidden neurons that do least: smaller matrices, not matrices of zeros."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from fairlead.lab.compress.shrinkers.networks import is_network, on_network
from fairlead.lab.compress.subject import Smaller, Subject
from fairlead.lab.compress.tuning import tuned
from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.estimators.compact_network import Layers, with_layers

SHARES = {0.5: "half", 0.25: "a quarter", 0.125: "an eighth"}
UPDATES = 1500
FEWEST = 2


class Neurons:
    """Port `shrinker`: structured pruning, then some steps of learning.

    What a neuron does is how far its output varies over the training rows times the length of its outgoing weights;
    what it gives on the average goes into the next layer's bias.
    Source: Li et al., Pruning Filters for Efficient ConvNets (2017), with activations as in Hu et al. (2016).
    """

    name, group = "neurons", "prune"

    def tries(self, subject: Subject) -> Iterator[Smaller]:
        """See Shrinker."""
        if is_network(subject) and not subject.has("neurons", "weights", "single", "stored", "whole_numbers"):
            for share, words in SHARES.items():
                yield subject.then(self.name, f"{words} of the neurons, tuned", keep=share, updates=UPDATES)

    def shrink(self, fitted: Any, rows: Any, step: Mapping[str, Any], seed: int) -> Any:
        """See Shrinker."""

        def act(network: Any, rows: Any) -> Any:
            layers = without_neurons(network.layers_, rows.features, step["keep"])
            return tuned(with_layers(network, layers), rows, step["updates"], seed)

        return on_network(fitted, rows, act)


def without_neurons(layers: Layers, features: Floats, keep: float) -> Layers:
    """That share of the neurons of each hidden layer. features: (n, f), by which they are judged."""
    weights, biases = [w.numbers for w in layers.weights], [b.astype(np.float64) for b in layers.biases]
    shown = layers.inputs(features)
    for depth in range(len(weights) - 1):
        given = shown[depth + 1]
        effect = given.std(axis=0) * np.linalg.norm(weights[depth + 1], axis=1)
        left = max(FEWEST, round(len(effect) * keep))
        kept = np.sort(np.argsort(-effect, kind="stable")[:left])
        gone = np.setdiff1d(np.arange(len(effect)), kept)
        biases[depth + 1] = biases[depth + 1] + given.mean(axis=0)[gone] @ weights[depth + 1][gone]
        weights[depth], biases[depth] = weights[depth][:, kept], biases[depth][kept]
        weights[depth + 1] = weights[depth + 1][kept]
    return layers.with_weights(weights, biases)
