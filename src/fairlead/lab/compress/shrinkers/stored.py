"""Weights of a network that are kept in fewer bytes and made doubles when the model is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fairlead.contract.errors import NotCompilable
from fairlead.lab.compress.shrinkers.networks import is_network, on_network
from fairlead.lab.compress.subject import Smaller, Subject
from fairlead.lab.train.estimators.compact_network import with_layers

WORDS = {
    "float32": "weights kept in single precision",
    "float16": "weights kept in half precision",
    "int8": "weights kept in eight bits",
}


class Stored:
    """Port `shrinker`: a smaller file; in memory and in time it is what it was.

    int8 has a scale of each output (Jacob et al., 2018). Answers are those of the rounded weights, exactly.
    """

    name, group = "stored", "quantise"

    def tries(self, subject: Subject) -> Iterator[Smaller]:
        """See Shrinker."""
        if is_network(subject) and not subject.has("stored", "whole_numbers"):
            for form, words in WORDS.items():
                if form != "float32" or not subject.has("single"):
                    yield subject.then(self.name, words, form=form)

    def shrink(self, fitted: Any, rows: Any, step: Mapping[str, Any], seed: int) -> Any:
        """See Shrinker."""

        def act(network: Any, rows: Any) -> Any:
            try:
                return with_layers(network, network.layers_.stored(step["form"]))
            except ValueError as why:
                raise NotCompilable(f"{why}.") from why

        return on_network(fitted, rows, act)
