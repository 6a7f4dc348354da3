"""Trees with fewer leaves, and fewer of them."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.lab.compress.shrinkers.reducing import ENSEMBLES, SHARES, less
from fairlead.lab.compress.subject import Smaller, Subject

LEAVES = {"hist_gradient_boosting": "max_leaf_nodes", "lightgbm": "num_leaves", "decision_tree": "max_leaf_nodes"}


class FewerLeaves:
    """Port `shrinker`: leaves a tree, alone and with a part of the trees."""

    name, group = "fewer_leaves", "trees"

    def tries(self, subject: Subject) -> Iterator[Smaller]:
        """See Shrinker."""
        count, leaves = ENSEMBLES.get(subject.learner), LEAVES.get(subject.learner)
        for share in SHARES[:2]:
            fewer = less(subject.parameters, leaves, share)
            if fewer is None or leaves is None:
                continue
            words = f"{fewer[leaves]} leaves a tree instead of {subject.parameters[leaves]}"
            yield subject.fitted_with(self.name, words, fewer)
            if (both := less(fewer, count, share)) is not None and count is not None:
                yield subject.fitted_with(self.name, f"{words}, {both[count]} trees", both)
