"""What kind of change moved labels or inputs: the inputs alone, how frequent classes are alone, or what inputs mean.

Of two classes, on the model's own score s, which carries what it makes of the inputs:

- covariate shift: P(s) moved, P(y | s) did not: the model means what it says, as before;
- prior shift: P(y) moved, P(s | y) did not: the model is off by a known factor of the odds;
- neither explains it: what the inputs mean moved (concept shift), or both together.

The reference gives the joint distribution of s and y: its histogram of held-out scores
times how often the event happened at each score. Two tests of fit tell which of the
two conditional distributions still holds; rows of one block count together.
Sources: Lipton, Wang and Smola, Detecting and correcting for label shift with black
box predictors (2018); Saerens, Latinne and Decaestecker (2002) for the odds.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from fairlead.lab.stats.measures import Floats, Ints

Kind = Literal["none", "covariate", "prior", "concept", "inconclusive"]

BINS = 6
LEAST_EACH = 20
"""Labelled rows of either class that a verdict needs."""

HOLDS, FAILS = 0.05, 0.01
"""P-values above which a conditional distribution is taken to hold, and below which to have changed."""


class Known(NamedTuple):
    """Of the reference, by bin of the score: rows there, and the share of them in which the event happened.

    edges: inner ones; middle: a score for each bin.
    """

    rows: Floats
    event: Floats
    edges: Floats
    middle: Floats

    @property
    def prior(self) -> float:
        """How frequent the event was."""
        return float((self.rows * self.event).sum() / self.rows.sum())

    def coarser(self, bins: int) -> Known:
        """The same in at most so many bins: tests of many cells need many rows."""
        size = len(self.rows)
        if size <= bins:
            return self
        groups = np.arange(size) * bins // size
        rows: Floats = np.bincount(groups, self.rows, bins).astype(np.float64)
        event = np.bincount(groups, self.rows * self.event, bins) / np.maximum(rows, 1e-12)
        middle = np.bincount(groups, self.rows * self.middle, bins) / np.maximum(rows, 1e-12)
        return Known(rows, event, self.edges[np.flatnonzero(np.diff(groups))], middle)


class Prior(NamedTuple):
    """How frequent the event is by the scores alone, if P(s | y) still holds, with a 95 % interval."""

    value: float
    low: float
    high: float


class Shift(NamedTuple):
    """kind: the verdict. p_meaning: of P(y | s) as before; p_within: of P(s | y); p_scores: of P(s); p_prior: of P(y).

    prior: by scores alone; seen: by the labels, with an interval; usual: of the reference. odds: the factor by which
    the odds of the event rose.
    """

    kind: Kind
    p_meaning: float
    p_within: float
    p_scores: float
    p_prior: float
    prior: Prior
    seen: Prior
    usual: float
    odds: float


def known_of(counts: Floats, edges: Floats, event: Floats) -> Known:
    """The reference's joint distribution in at most 6 bins about equally full. counts: (bins,) of held-out scores;
    edges: (bins - 1,); event: (bins,), how often the event happened at each.
    """
    from fairlead.lab.stats.distances import coarsen

    groups = coarsen(counts, BINS)
    size = int(groups.max(initial=0)) + 1
    rows: Floats = np.bincount(groups, counts, size).astype(np.float64)
    happened = np.bincount(groups, counts * event, size) / np.maximum(rows, 1e-12)
    cuts = np.asarray([edges[np.flatnonzero(groups == g)[-1]] for g in range(size - 1)], dtype=np.float64)
    ends = np.concatenate([[0.0], edges, [1.0]])
    middles = (ends[:-1] + ends[1:]) / 2.0
    middle = np.bincount(groups, counts * middles, size) / np.maximum(rows, 1e-12)
    return Known(rows, happened, cuts, middle)


def prior_by_scores(known: Known, scores: Floats, blocks: Ints) -> Prior | None:
    """How frequent the event is, of rows without labels: the mean score lies between its means within both classes.

    scores: (n,) of the event; blocks: (n,), rows that depend on each other. None where scores do not tell classes.
    """
    if not len(scores):
        return None
    coded = np.searchsorted(known.edges, scores, side="right")
    level = known.event[coded]
    p = known.rows / known.rows.sum()
    prior = known.prior
    if not 0.0 < prior < 1.0:
        return None
    inside = float((p * known.event * known.event).sum() / prior)
    outside = float((p * (1.0 - known.event) * known.event).sum() / (1.0 - prior))
    if inside - outside < 0.05:
        return None
    value = (float(level.mean()) - outside) / (inside - outside)
    spread = np.hypot(_error(level, blocks), float(np.sqrt((p * known.event**2).sum() / known.rows.sum())))
    reach = 1.96 * spread / (inside - outside)
    return Prior(*(float(np.clip(v, 0.0, 1.0)) for v in (value, value - reach, value + reach)))


def shift_of(known: Known, scores: Floats, event: np.ndarray, blocks: Ints) -> Shift | None:
    """What kind of change labelled rows show; None for under 20 labels of either class, or scores that tell nothing.

    scores: (n,) of the event; event: (n,) bool; blocks: (n,), rows that depend on each other.
    """
    positive = int(event.sum())
    prior = prior_by_scores(known, scores, blocks)
    if prior is None or min(positive, len(event) - positive) < LEAST_EACH:
        return None
    known = known.coarser(int(np.clip(min(positive, len(event) - positive) // LEAST_EACH, 2, BINS)))
    coded = np.searchsorted(known.edges, scores, side="right")
    size, rows, usual = len(known.rows), float(len(event)), known.prior
    p = known.rows / known.rows.sum()
    more = 1.0 + rows / known.rows.sum()
    # P(y | s): events in each bin beside those expected there.
    off = _one_hot(coded, size) * (event - known.event[coded])[:, None]
    p_meaning = _fits(off, blocks, more)
    # P(s | y): rows of each class in each bin beside those expected of the class.
    within = [p * known.event / usual, p * (1.0 - known.event) / (1.0 - usual)]
    parts = []
    for chosen, expected in ((event, within[0]), (~event, within[1])):
        parts.append((_one_hot(coded, size) - expected) * chosen[:, None])
    p_within = _fits(np.column_stack(parts), blocks, more)
    p_scores = _fits(_one_hot(coded, size) - p, blocks, more)
    p_prior = _fits((event - usual)[:, None], blocks, more)
    share = float(event.mean())
    reach = 1.96 * _error(event.astype(np.float64), blocks)
    odds = (share / max(1.0 - share, 1e-9)) / (usual / (1.0 - usual))
    kind = _kind(p_meaning, p_within, p_scores, p_prior)
    seen = Prior(share, max(share - reach, 0.0), min(share + reach, 1.0))
    return Shift(kind, p_meaning, p_within, p_scores, p_prior, prior, seen, usual, odds)


def _kind(p_meaning: float, p_within: float, p_scores: float, p_prior: float) -> Kind:
    if min(p_meaning, p_within, p_scores, p_prior) > HOLDS:
        return "none"
    if p_meaning <= FAILS and p_within <= FAILS:
        return "concept"
    if p_meaning > HOLDS and p_within <= FAILS and p_scores <= FAILS:
        return "covariate"
    if p_within > HOLDS and p_meaning <= FAILS and p_prior <= FAILS:
        return "prior"
    return "inconclusive"


def _one_hot(codes: Ints, size: int) -> Floats:
    return np.asarray(np.equal.outer(codes, np.arange(size)), dtype=np.float64)


def _error(values: Floats, blocks: Ints) -> float:
    """Standard error of a mean of rows in blocks."""
    _, codes = np.unique(blocks, return_inverse=True)
    n = int(codes.max()) + 1
    if n < 2:
        return 1.0
    sums = np.bincount(codes, values - values.mean(), n)
    return float(np.sqrt((sums**2).sum() * n / (n - 1)) / len(values))


def _fits(off: Floats, blocks: Ints, more: float) -> float:
    """P-value of sums being 0 (Hotelling's T2 over blocks): rows of a block may depend on each other as they like.

    off: (n, k), each row's part of k sums that are 0 where the reference holds. more: variance of a difference from the
    reference, which is a sample itself, by that of the rows alone.
    """
    from scipy.special import fdtrc

    _, codes = np.unique(blocks, return_inverse=True)
    n = int(codes.max()) + 1
    sums = np.zeros((n, off.shape[1]))
    np.add.at(sums, codes, off)
    mean = sums.mean(axis=0)
    values, axes = np.linalg.eigh(np.atleast_2d(np.cov(sums.T)))
    # Sums that others give (shares add up to one) say nothing of their own.
    kept = values > 1e-9 * max(float(values.max(initial=0.0)), 1e-12)
    k = int(kept.sum())
    if k == 0 or n <= k + 2:
        return 1.0
    squared = n * float((((axes[:, kept].T @ mean) ** 2) / values[kept]).sum()) / more
    return float(fdtrc(k, n - k, squared * (n - k) / (k * (n - 1))))
