"""Numbers cut into bins."""

from __future__ import annotations

import numpy as np

from fairlead.lab.compile.on_numbers import Floats, OnNumbers
from fairlead.runtime.bundle.curves import Bin
from fairlead.runtime.bundle.ops import AnyOp


class Bins(OnNumbers):
    """The number of the bin that a value falls into, from 0.

    count: of bins; fewer where values repeat. by: `uniform` widths, or `quantile` for equal numbers of rows.
    """

    def __init__(self, count: int = 5, by: str = "quantile") -> None:
        self.count = count
        self.by = by

    def learn(self, x: Floats) -> tuple[AnyOp, ...]:
        """The inner edges; a value at an edge belongs above it."""
        known = x[np.isfinite(x)]
        if not len(known):
            return (Bin(()),)
        if self.by == "uniform":
            edges = np.linspace(known.min(), known.max(), self.count + 1)
        else:
            edges = np.quantile(known, np.linspace(0.0, 1.0, self.count + 1))
        inner = np.unique(edges)[1:-1] if self.by == "uniform" else np.unique(edges[1:-1])
        # An edge at the least value would part nothing from the rest.
        return (Bin(tuple(inner[inner > known.min()].tolist())),)
