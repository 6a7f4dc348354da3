"""Columns that go together in the reference: where one of them moves the others do, and it is one matter."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fairlead.contract.profile import ColumnProfile
from fairlead.contract.signature import NUMERIC
from fairlead.lab.stats.correlations import correlations, names_of, sums_of
from fairlead.ops.monitor.blame import codes_of
from fairlead.ops.monitor.learnt import Learnt
from fairlead.ops.monitor.seen import Seen

LEAST = 0.5
"""Least correlation: a quarter of the one column's variation is the other's."""

MOST_ROWS = 4000
MOST_COLUMNS = 60
MOST_AKIN = 20
FEWEST = 20
"""Rows of a bin from which it counts by itself; rarer ones are counted as one."""

Codes = dict[str, np.ndarray]


def akin_to(columns: tuple[str, ...], seen: Seen, held: Codes) -> tuple[str, ...]:
    """Columns of the reference that go with any of these, strongest first, at most 20; without rows of the training
    at hand of numbers alone. held: bins of rows, kept from one call to the next."""
    usual = {c.bins.name: c for c in seen.reference.profile.columns[:MOST_COLUMNS]}
    mine = [name for name in columns if name in usual]
    if seen.learnt is not None and seen.learnt.rows >= 4 * FEWEST:
        found = _by_rows(mine, usual, seen.learnt, held)
    else:
        found = _by_sums(mine, seen)
    close = sorted((-size, name) for name, size in found.items() if size >= LEAST and name not in columns)
    return tuple(name for _, name in close[:MOST_AKIN])


def _by_rows(mine: list[str], usual: Mapping[str, ColumnProfile], learnt: Learnt, held: Codes) -> dict[str, float]:
    # By lot: every so many-th row of a table by the hour is always of the same hours.
    lot = np.random.default_rng(0).permutation(learnt.rows)[:MOST_ROWS]
    for name, column in usual.items():
        if name not in held and name in learnt.columns:
            held[name] = codes_of(learnt.columns[name][lot], column.bins)
    found: dict[str, float] = {}
    for one in (name for name in mine if name in held):
        for other in held:
            if other != one:
                size = _between(held[one], held[other], usual[one], usual[other])
                found[other] = max(found.get(other, 0.0), size)
    return found


def _between(one: np.ndarray, other: np.ndarray, first: ColumnProfile, second: ColumnProfile) -> float:
    """Of two numbers by ranks, as what moves both is a shift; of a category and anything by any function."""
    if first.bins.kind not in NUMERIC or second.bins.kind not in NUMERIC:
        return maximal_correlation(_without_rare(one), _without_rare(other))
    # The last bin holds missing cells.
    there = (one <= len(first.bins.edges)) & (other <= len(second.bins.edges))
    return rank_correlation(one[there], other[there])


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Absolute correlation of the ranks of codes, (n,) each, ties at their mean; 0 where one does not vary.
    Source: Spearman, The proof and measurement of association between two things (1904)."""
    if len(one) < FEWEST:
        return 0.0
    a, b = (_ranks(codes) for codes in (one, other))
    spread = float(a.std() * b.std())
    return abs(float(((a - a.mean()) * (b - b.mean())).mean())) / spread if spread > 0 else 0.0


def _ranks(codes: np.ndarray) -> np.ndarray:
    counts = np.bincount(codes)
    middle = np.cumsum(counts) - (counts - 1) / 2.0
    found: np.ndarray = middle[codes]
    return found


def _by_sums(mine: list[str], seen: Seen) -> dict[str, float]:
    profile = seen.reference.profile
    sums = sums_of([profile])
    if sums is None or not any(c.bins.kind in NUMERIC for c in profile.columns):
        return {}
    names, matrix = names_of(profile), np.nan_to_num(np.abs(correlations(sums)[0]))
    found: dict[str, float] = {}
    for one in (name for name in mine if name in names):
        for at, other in enumerate(names):
            if other != one:
                found[other] = max(found.get(other, 0.0), float(matrix[names.index(one), at]))
    return found


def maximal_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """The largest correlation that any functions of two columns have, in [0, 1], from codes (n,) of each.

    Of two normal columns it is the absolute value of Pearson's. Chance, of k and m different codes, is taken off.
    Source: Renyi, On measures of dependence (1959); Gebelein (1941).

    >>> codes = np.arange(400) % 4
    >>> maximal_correlation(codes, codes // 2), maximal_correlation(codes, np.arange(400) // 200)
    (1.0, 0.0)
    """
    _, a = np.unique(one, return_inverse=True)
    _, b = np.unique(other, return_inverse=True)
    k, m = int(a.max(initial=0)) + 1, int(b.max(initial=0)) + 1
    if k < 2 or m < 2:
        return 0.0
    joint = np.bincount(a * m + b, minlength=k * m).reshape(k, m) / len(a)
    left, right = joint.sum(axis=1), joint.sum(axis=0)
    away = (joint - np.outer(left, right)) / np.sqrt(np.outer(left, right))
    largest = float(np.linalg.norm(away, 2)) ** 2
    # Of independent columns the largest singular value is about that of a matrix of noise.
    chance = (np.sqrt(k - 1) + np.sqrt(m - 1)) ** 2 / len(a)
    return round(float(np.sqrt(np.clip((largest - chance) / max(1.0 - chance, 1e-9), 0.0, 1.0))), 6)


def _without_rare(codes: np.ndarray) -> np.ndarray:
    """Rare codes as one: two cells that are each alone of their kind would go together perfectly."""
    counts = np.bincount(codes)
    return np.where(counts[codes] >= FEWEST, codes, len(counts))
