"""Fewer trees of the same kind."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.lab.compress.shrinkers.reducing import ENSEMBLES, SHARES, less
from fairlead.lab.compress.subject import Smaller, Subject


class FewerTrees:
    """Port `shrinker`: a part of the ensemble."""

    name, group = "fewer_trees", "trees"

    def tries(self, subject: Subject) -> Iterator[Smaller]:
        """See Shrinker."""
        count = ENSEMBLES.get(subject.learner)
        for share in SHARES:
            if (fewer := less(subject.parameters, count, share)) is not None and count is not None:
                words = f"{fewer[count]} trees instead of {subject.parameters[count]}"
                yield subject.fitted_with(self.name, words, fewer)
