"""Networks that learn from the start with narrower layers."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.lab.compress.shrinkers.reducing import SHARES
from fairlead.lab.compress.subject import Smaller, Subject

NARROWEST = 4


class Narrower:
    """Port `shrinker`: hidden layers of half and a quarter of their size."""

    name, group = "narrower", "narrow"

    def tries(self, subject: Subject) -> Iterator[Smaller]:
        """See Shrinker."""
        said = subject.parameters.get("layers")
        if not isinstance(said, str) or not all(size.isdecimal() for size in said.split("x")):
            return
        for share in SHARES[:2]:
            layers = "x".join(str(max(NARROWEST, round(int(size) * share))) for size in said.split("x"))
            words = f"layers {layers} instead of {said}"
            yield subject.fitted_with(self.name, words, {**subject.parameters, "layers": layers})
