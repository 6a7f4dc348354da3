"""Trees without the branches that are not worth their leaves."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.lab.compress.subject import Smaller, Subject

LEARNERS = ("decision_tree", "random_forest", "extra_trees")
ALPHAS = (1e-4, 1e-3, 5e-3)


class Pruned:
    """Port `shrinker`: pruning by cost-complexity. Source: Breiman et al., CART (1984)."""

    name, group = "pruned", "prune"

    def tries(self, subject: Subject) -> Iterator[Smaller]:
        """See Shrinker."""
        if subject.learner in LEARNERS and "ccp_alpha" not in subject.parameters:
            for alpha in ALPHAS:
                given = {**subject.parameters, "ccp_alpha": alpha}
                yield subject.fitted_with(self.name, f"pruned by cost-complexity {alpha:g}", given)
