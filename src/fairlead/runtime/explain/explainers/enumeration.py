"""Exact Shapley values of any model with few columns, from all of their coalitions."""

from __future__ import annotations

from math import factorial

import numpy as np

from fairlead.runtime.explain.attributed import Attributed, Floats
from fairlead.runtime.explain.mixing import Mixer
from fairlead.runtime.explain.subject import Subject, Terms

MOST_COLUMNS = 10


class EnumerationExplainer:
    """The definition itself. Source: Shapley, A value for n-person games (1953)."""

    name = "enumeration"
    exact = True

    def accepts(self, subject: Subject, terms: Terms) -> str | None:
        """None if it can explain this, else why not."""
        count = len(subject.read)
        if count > MOST_COLUMNS:
            return f"the model reads {count} columns, coalitions of at most {MOST_COLUMNS} are enumerated"
        needed = (1 << count) * len(subject.background)
        if needed > terms.evaluations:
            return f"{needed} answers a row would be needed, {terms.evaluations} are allowed"
        return None

    def attribute(self, subject: Subject, features: Floats, terms: Terms) -> Attributed:
        """See `Explainer` in contract/ports."""
        found = np.zeros((len(features), len(subject.players), len(subject.baseline)))
        for at, row in enumerate(features):
            found[at] = _row(subject, row, terms)
        return Attributed(found, f"all coalitions of {len(subject.read)} columns")


def _row(subject: Subject, row: Floats, terms: Terms) -> Floats:
    mixer = Mixer(subject, row)
    players, rows = mixer.players, len(subject.background)
    count = len(players)
    sets = np.arange(1 << count)
    member = (sets[:, None] >> np.arange(count)) & 1 == 1
    coalitions = np.zeros((len(sets), len(subject.players)), dtype=bool)
    coalitions[:, players] = member
    partners = np.tile(np.arange(rows), len(sets))
    margins = mixer.margins(np.repeat(coalitions, rows, axis=0), partners, terms)
    worth = margins.reshape(len(sets), rows, -1).mean(axis=1)
    sizes = member.sum(axis=1)
    weights = np.array([factorial(s) * factorial(count - s - 1) / factorial(count) for s in range(count)])
    found = np.zeros((len(subject.players), worth.shape[1]))
    for at, player in enumerate(players):
        outside = ~member[:, at]
        gains = worth[sets[outside] | (1 << at)] - worth[outside]
        found[player] = weights[sizes[outside]] @ gains
    return found
