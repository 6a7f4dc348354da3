"""Networks that multiply whole numbers of eight bits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from fairlead.lab.compress.shrinkers.networks import is_network, on_network
from fairlead.lab.compress.subject import Smaller, Subject
from fairlead.lab.train.estimators.compact_network import with_layers


class WholeNumbers:
    """Port `shrinker`: int8 products, their inputs scaled by what training showed a layer (static) or row by row
    (dynamic).

    Never by what else is asked at the time, as ONNX's DynamicQuantizeLinear would: a row's answer is its own. A static
    scale is the largest input of a share of all, so that one row beyond all others does not blunt the rest.
    Source: Jacob et al. (2018); Dettmers et al., LLM.int8() (2022) for scales of rows.
    """

    name, group = "whole_numbers", "quantise"
    share = 0.9999

    def tries(self, subject: Subject) -> Iterator[Smaller]:
        """See Shrinker."""
        if is_network(subject) and not subject.has("single", "stored", "whole_numbers"):
            yield subject.then(self.name, "products of eight bits, scaled row by row", scaled="dynamic")
            yield subject.then(self.name, "products of eight bits, scaled by training rows", scaled="static")

    def shrink(self, fitted: Any, rows: Any, step: Mapping[str, Any], seed: int) -> Any:
        """See Shrinker."""

        def act(network: Any, rows: Any) -> Any:
            tops: tuple[float, ...] = ()
            if step["scaled"] == "static":
                shown = network.layers_.inputs(rows.features)[:-1]
                tops = tuple(float(np.quantile(np.abs(each), self.share)) for each in shown)
            return with_layers(network, network.layers_.in_whole_numbers(tops))

        return on_network(fitted, rows, act)
