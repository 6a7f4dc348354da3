"""Features that no part of the model reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.lab.compress.shrinkers.networks import is_network, on_network
from fairlead.lab.compress.shrinkers.reducing import ENSEMBLES
from fairlead.lab.compress.subject import Smaller, Subject
from fairlead.lab.train.estimators.chosen_features import choosing
from fairlead.lab.train.estimators.compact_network import with_layers
from fairlead.lab.train.estimators.compact_weights import Weights

READERS = (*ENSEMBLES, "decision_tree", "distilled", "lasso", "elastic_net", "logistic")


class Unused:
    """Port `shrinker`: in no split of a tree, or with weights that are all 0. Answers stay what they are."""

    name, group = "unused", "features"

    def tries(self, subject: Subject) -> Iterator[Smaller]:
        """See Shrinker."""
        words = "without features that are never read"
        if subject.learner in READERS and not subject.has("unused", "unhelpful"):
            yield subject.then(self.name, words)
        elif (
            is_network(subject)
            and subject.has("weights")
            and not subject.has("unused", "single", "stored", "whole_numbers")
        ):
            yield subject.then(self.name, words, zeros=True)

    def shrink(self, fitted: Any, rows: Any, step: Mapping[str, Any], seed: int) -> Any:
        """See Shrinker."""
        features = rows.features.shape[1]
        if step.get("zeros"):
            return on_network(fitted, rows, _without_zeros)
        # The compiled form knows best what it reads; until then the model is asked as it is.
        return choosing(fitted, np.arange(features), features)


def _without_zeros(network: Any, rows: Any) -> Any:
    layers, first = network.layers_, network.layers_.weights[0]
    live = np.flatnonzero(first.kept.any(axis=1))
    if len(live) == len(first.kept) or not len(live):
        raise NotCompilable("every feature is read.")
    less = Weights(np.ascontiguousarray(first.kept[live]), first.scale)
    made = with_layers(network, replace(layers, weights=(less, *layers.weights[1:])))
    return choosing(made, live, len(first.kept))
