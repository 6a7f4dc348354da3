"""Sampled Shapley values of any model, with what sampling leaves open as standard errors."""

from __future__ import annotations

import numpy as np

from fairlead.runtime.explain.attributed import Attributed, Floats
from fairlead.runtime.explain.mixing import Mixer
from fairlead.runtime.explain.subject import Subject, Terms

MOST_ROUNDS = 20


class PermutationExplainer:
    """Gains of columns joining one after another, in random orders and their reverse, from each background row.

    A round is one order and its reverse for each background row, so sums are exact whatever the orders. Errors: of
    the mean over the pairs, with the background's own variation counted in, so they are rather too large. Source:
    Castro, Gómez and Tejada, Polynomial calculation of the Shapley value based on sampling (2009); reversed orders:
    Mitchell, Cooper, Frank and Holmes, Sampling permutations for Shapley value estimation (2022).
    """

    name = "permutation"
    exact = False

    def accepts(self, subject: Subject, terms: Terms) -> str | None:
        """None if it can explain this, else why not."""
        needed = _a_round(subject)
        if needed > terms.evaluations:
            return f"one round needs {needed} answers a row, {terms.evaluations} are allowed"
        return None

    def attribute(self, subject: Subject, features: Floats, terms: Terms) -> Attributed:
        """See `Explainer` in contract/ports."""
        rounds = max(1, min(MOST_ROUNDS, terms.evaluations // _a_round(subject)))
        shape = (len(features), len(subject.players), len(subject.baseline))
        found, errors = np.zeros(shape), np.zeros(shape)
        for at, row in enumerate(features):
            # By the row alone, so that it gets the same answer among others.
            random = np.random.default_rng([terms.seed, 7])
            found[at], errors[at] = _row(subject, row, rounds, random, terms)
        pairs = rounds * len(subject.background)
        said = f"{pairs} random orders of the columns and their reverse, {rounds} for each background row"
        return Attributed(found, said, errors)


def _a_round(subject: Subject) -> int:
    return 2 * (len(subject.read) + 1) * len(subject.background)


def _row(
    subject: Subject, row: Floats, rounds: int, random: np.random.Generator, terms: Terms
) -> tuple[Floats, Floats]:
    mixer = Mixer(subject, row)
    players = np.array(mixer.players, dtype=np.int64)
    shape = (len(subject.players), len(subject.baseline))
    if not len(players):
        return np.zeros(shape), np.zeros(shape)
    background = len(subject.background)
    pairs = rounds * background
    partners = np.tile(np.arange(background), rounds)
    orders = random.permuted(np.tile(players, (pairs, 1)), axis=1)
    ahead = _gains(mixer, orders, partners, shape, terms)
    back = _gains(mixer, orders[:, ::-1], partners, shape, terms)
    gains = (ahead + back) / 2.0
    spread = gains.std(axis=0, ddof=1) if pairs > 1 else np.zeros(shape)
    return gains.mean(axis=0), spread / np.sqrt(pairs)


def _gains(mixer: Mixer, orders: np.ndarray, partners: np.ndarray, shape: tuple[int, int], terms: Terms) -> Floats:
    """What each player adds when it joins, shape (pairs, players, k)."""
    pairs, count = orders.shape
    coalitions = np.zeros((pairs, count + 1, shape[0]), dtype=bool)
    for step in range(count):
        coalitions[:, step + 1] = coalitions[:, step]
        coalitions[np.arange(pairs), step + 1, orders[:, step]] = True
    flat = coalitions.reshape(-1, shape[0])
    margins = mixer.margins(flat, np.repeat(partners, count + 1), terms).reshape(pairs, count + 1, -1)
    found = np.zeros((pairs, *shape))
    found[np.arange(pairs)[:, None], orders] = np.diff(margins, axis=1)
    return found
