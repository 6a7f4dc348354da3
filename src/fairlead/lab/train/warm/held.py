"""Prepared rows in memory, as learners read them that learn in parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.out_of_core.stored import Part


@dataclass(frozen=True)
class Held:
    """As `out_of_core.stored.Stored`. features: (n, width); truth: (n,); own: (n,) weights or None; folder: to use."""

    features: Floats
    truth: Floats
    own: Floats | None
    folder: Path

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.truth)

    @property
    def width(self) -> int:
        """How many features."""
        return int(self.features.shape[1])

    def parts(self) -> Iterator[Part]:
        """All rows at once."""
        yield Part(self.features, self.truth, self.own)

    def truths(self) -> Floats:
        """The truth of every row."""
        return self.truth

    def weights(self) -> Floats | None:
        """The weight of every row, or None."""
        return None if self.own is None else np.asarray(self.own)
