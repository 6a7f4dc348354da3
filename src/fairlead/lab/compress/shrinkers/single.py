"""Networks that multiply in single precision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fairlead.lab.compress.shrinkers.networks import is_network, on_network
from fairlead.lab.compress.subject import Smaller, Subject
from fairlead.lab.train.estimators.compact_network import with_layers


class SinglePrecision:
    """Port `shrinker`: half the bytes to move and twice the numbers in a register; what pays for wide layers, while a
    small network is faster in the kernel of doubles.
    """

    name, group = "single", "quantise"

    def tries(self, subject: Subject) -> Iterator[Smaller]:
        """See Shrinker."""
        if is_network(subject) and not subject.has("single", "stored", "whole_numbers"):
            yield subject.then(self.name, "products in single precision")

    def shrink(self, fitted: Any, rows: Any, step: Mapping[str, Any], seed: int) -> Any:
        """See Shrinker."""

        def act(network: Any, rows: Any) -> Any:
            return with_layers(network, network.layers_.in_single_precision())

        return on_network(fitted, rows, act)
