"""Exact Shapley values of linear margins, in closed form."""

from __future__ import annotations

import numpy as np

from fairlead.runtime.explain.attributed import Attributed, Floats
from fairlead.runtime.explain.subject import Subject, Terms


class LinearExplainer:
    """weight * (feature - its mean over the background), summed over the features of a column.

    A linear margin has no interactions between columns, so this is every coalition's gain and therefore the
    interventional Shapley value. Source: Štrumbelj and Kononenko, Explaining prediction models (2014).
    """

    name = "linear"
    exact = True

    def accepts(self, subject: Subject, terms: Terms) -> str | None:
        """None if it can explain this, else why not."""
        return None if subject.margin.linear is not None else "the model is not linear"

    def attribute(self, subject: Subject, features: Floats, terms: Terms) -> Attributed:
        """See `Explainer` in contract/ports."""
        weights = subject.margin.linear
        assert weights is not None
        apart = features - subject.background.mean(axis=0)
        found = np.zeros((len(features), len(subject.players), weights.shape[1]))
        for player in subject.read:
            terms.check()
            own = np.flatnonzero(subject.owners == player)
            # Not by a product of matrices, whose rounding depends on how many rows there are.
            found[:, player] = (apart[:, own, None] * weights[own]).sum(axis=1)
        return Attributed(found * subject.margin.sign, "closed form of a linear model")
