"""Rows that are all but the same and carry opposite answers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fairlead.lab.tables.quality.hashing import row_hashes

GRID = 0.02  # robust deviations: numbers that round to the same multiple are the same
NEAR = 0.1  # distance in standardised features of neighbours that count as the same
SEARCHED = 10_000
_NEIGHBOURS = 5
_APART = 6.0  # of a number: how many robust deviations of all targets' pairwise residual make two answers opposite


class Contradiction(NamedTuple):
    """A row, its twin (both positions), and by which way they were found: same or near."""

    row: int
    twin: int
    how: str


def same_rows(columns: dict[str, np.ndarray], opposite: np.ndarray, classify: bool) -> list[Contradiction]:
    """Rows whose cells all round to those of another row of another class.

    columns: name -> float64 with NaN, or objects (texts, compared without case and outer spaces); opposite: (rows,)
    class positions, or numbers scaled so that 1 is far. Of a group the rows that are not of its commonest answer are
    named (of a tie all), each with a twin of another answer.
    """
    hashes = row_hashes([_rounded(values) for values in columns.values()])
    order = np.argsort(hashes, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], hashes[order][1:] != hashes[order][:-1]]))
    found = []
    for group in np.split(order, starts[1:]):
        if len(group) > 1:
            found += _within(group, opposite, classify)
    return sorted(found)


def near_rows(
    features: np.ndarray, opposite: np.ndarray, classify: bool, seed: int = 0, searched: int = SEARCHED
) -> list[Contradiction]:
    """Rows with a neighbour of another answer within 0.1 standard deviations in all features together.

    features: (rows, k) standardised, words one column each. At most `searched` rows are looked at, by lot.
    """
    from sklearn.neighbors import NearestNeighbors

    rows = np.arange(len(features))
    if len(rows) > searched:
        rows = np.sort(np.random.default_rng([seed, 5]).choice(rows, searched, replace=False))
    if len(rows) < 2:
        return []
    cells = np.nan_to_num(features[rows])
    search = NearestNeighbors(n_neighbors=min(_NEIGHBOURS + 1, len(rows))).fit(cells)
    away, places = search.kneighbors(cells)
    found = []
    for i in range(len(rows)):
        near = places[i][(away[i] <= NEAR) & (places[i] != i)]
        twins = [j for j in near if _opposite(opposite[rows[i]], opposite[rows[j]], classify)]
        # Of many neighbours that disagree among themselves none is the odd one out.
        if twins and len(twins) * 2 >= len(near):
            found.append(Contradiction(int(rows[i]), int(rows[twins[0]]), "near"))
    return found


def scaled_target(truth: np.ndarray, residual: float) -> np.ndarray:
    """Numbers in units of what makes two answers opposite: six deviations of what a model leaves unexplained."""
    return np.asarray(truth / max(_APART * residual, 1e-12))


def _within(group: np.ndarray, opposite: np.ndarray, classify: bool) -> list[Contradiction]:
    answers = opposite[group]
    if classify:
        values, counts = np.unique(answers, return_counts=True)
        if len(values) < 2:
            return []
        commonest = values[counts == counts.max()]
        odd = group[~np.isin(answers, commonest)] if len(commonest) == 1 else group
    else:
        odd = group[np.abs(answers - np.median(answers)) >= 0.5]
    told = []
    for row in np.sort(odd).tolist():
        twins = [t for t in np.sort(group).tolist() if _opposite(opposite[row], opposite[t], classify)]
        if twins:
            told.append(Contradiction(row, twins[0], "same"))
    return told


def _opposite(a: float, b: float, classify: bool) -> bool:
    return bool(a != b) if classify else bool(abs(a - b) >= 1.0)


def _rounded(values: np.ndarray) -> np.ndarray:
    import pandas as pd

    if values.dtype == object:
        words = ["" if v is None else str(v).strip().casefold() for v in values]
        return np.asarray(pd.util.hash_array(np.asarray(words, dtype=object)))
    known = values[~np.isnan(values)] if values.ndim == 1 else np.empty(0)
    if values.ndim > 1:
        return np.asarray(pd.util.hash_array(np.array([v.tobytes().hex() for v in values], dtype=object)))
    spread = 0.0
    if len(known):
        first, third = np.quantile(known, [0.25, 0.75])
        spread = float(third - first) / 1.349 or float(known.std())
    steps = np.round(values / (GRID * spread)) if spread > 0 else values
    # Codes and counts stay themselves: a step below one would never part whole numbers, one above would join them.
    if len(known) and bool((known == np.floor(known)).all()):
        steps = values
    return np.asarray(np.where(np.isnan(steps), np.nan, steps + 0.0).view(np.uint64))
