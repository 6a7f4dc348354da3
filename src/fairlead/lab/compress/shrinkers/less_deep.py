"""Trees that ask fewer questions, and fewer of them."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.lab.compress.shrinkers.reducing import ENSEMBLES, SHARES, less
from fairlead.lab.compress.subject import Smaller, Subject

DEPTHS = ("random_forest", "extra_trees", "xgboost", "decision_tree")


class LessDeep:
    """Port `shrinker`: depth, alone and with a part of the trees."""

    name, group = "less_deep", "trees"

    def tries(self, subject: Subject) -> Iterator[Smaller]:
        """See Shrinker."""
        count = ENSEMBLES.get(subject.learner)
        for share in SHARES[:2] if subject.learner in DEPTHS else ():
            fewer = less(subject.parameters, "max_depth", share)
            if fewer is None:
                continue
            words = f"depth {fewer['max_depth']} instead of {subject.parameters['max_depth']}"
            yield subject.fitted_with(self.name, words, fewer)
            if (both := less(fewer, count, share)) is not None and count is not None:
                yield subject.fitted_with(self.name, f"{words}, {both[count]} trees", both)
