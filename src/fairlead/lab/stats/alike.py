"""Rows with alike values of something: a small tree grown on counted columns, deterministic, plain data.

Cells are taken as the bins of a reference count them, so a grown tree sorts rows of any later window the same way,
and what is summed by its leaves adds up over windows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fairlead.contract.estimation import Alike
from fairlead.contract.profile import Bins
from fairlead.contract.signature import NUMERIC
from fairlead.lab.stats.bins import as_floats
from fairlead.lab.stats.measures import Floats, Ints

LEAVES = 12
LEAST_ROWS = 40
SCORE = "score:"


class Counted(NamedTuple):
    """names: (c,) of columns; codes: (n, c) the bin of each cell, the number after the last bin where it is missing;
    sizes: (c,) bins with that of missing cells; ordered: (c,) whether neighbouring bins are alike."""

    names: tuple[str, ...]
    codes: Ints
    sizes: Ints
    ordered: np.ndarray

    def take(self, rows: np.ndarray) -> Counted:
        """These rows alone."""
        return self._replace(codes=self.codes[rows])


def counted_cells(
    columns: Mapping[str, Any], bins: Sequence[Bins], scores: Floats | None, score_bins: Sequence[Bins]
) -> Counted:
    """Rows as bin numbers. columns: columns form, (n,) each, others than those of `bins` are passed over and those
    that are not there taken as missing; scores: (n, outputs) or None.
    """
    rows = len(scores) if scores is not None else max((len(v) for v in columns.values()), default=0)
    names, codes, sizes, ordered = [], [], [], []
    for column in bins:
        names.append(column.name)
        codes.append(_codes(columns.get(column.name), column, rows))
        sizes.append(_size(column))
        ordered.append(column.kind in NUMERIC)
    if scores is not None:
        for column, values in zip(score_bins, np.asarray(scores, dtype=np.float64).T, strict=True):
            names.append(SCORE + column.name)
            codes.append(_codes(values, column, rows))
            sizes.append(_size(column))
            ordered.append(True)
    table = np.column_stack(codes) if codes else np.zeros((rows, 0), dtype=np.int64)
    return Counted(tuple(names), table, np.asarray(sizes, dtype=np.int64), np.asarray(ordered, dtype=bool))


def _size(bins: Bins) -> int:
    known = len(bins.edges) + 1 if bins.kind in NUMERIC else len(bins.categories) + 1
    return known + 1


def _codes(values: Any, bins: Bins, rows: int) -> Ints:
    missing = _size(bins) - 1
    if values is None:
        return np.full(rows, missing, dtype=np.int64)
    if bins.kind in NUMERIC:
        floats = as_floats(values)
        found = np.searchsorted(np.asarray(bins.edges), floats, side="right")
        return np.where(np.isnan(floats), missing, found).astype(np.int64)
    place = {name: i for i, name in enumerate(bins.categories)}
    other = len(bins.categories)
    cells = values if isinstance(values, np.ndarray) else values.to_pylist()
    return np.fromiter((missing if v is None else place.get(v, other) for v in cells), dtype=np.int64, count=rows)


class _Cut(NamedTuple):
    gain: float
    column: int
    left: tuple[int, ...]


def grow(counted: Counted, values: Floats, *, leaves: int = LEAVES, least: int = LEAST_ROWS) -> Alike:
    """The tree whose leaves tell `values` (n,) apart best, one split at a time, the largest gain first.

    A split is made only if chance would hardly make one as good among all that were tried; a column that says nothing
    leaves a single leaf.
    """
    nodes: list[list[Any]] = [[-1, (), (0, -1)]]
    rows_of = {0: np.arange(len(values))}
    offsets = np.concatenate([[0], np.cumsum(counted.sizes)]).astype(np.int64)
    cuts = {0: _best_cut(counted, values, rows_of[0], offsets, least)}
    while len(cuts) < leaves:
        node = max(cuts, key=lambda n: (cuts[n].gain, -n))
        cut = cuts.pop(node)
        if cut.gain <= 0.0:
            cuts[node] = cut
            break
        mine = rows_of.pop(node)
        goes = np.isin(counted.codes[mine, cut.column], cut.left)
        pair = (len(nodes), len(nodes) + 1)
        nodes[node] = [cut.column, cut.left, pair]
        for child, part in zip(pair, (mine[goes], mine[~goes]), strict=True):
            nodes.append([-1, (), (0, -1)])
            rows_of[child] = part
            cuts[child] = _best_cut(counted, values, part, offsets, least)
    number = 0
    for entry in nodes:
        if entry[0] < 0:
            entry[2] = (number, -1)
            number += 1
    used = sorted({n[0] for n in nodes if n[0] >= 0})
    place = {column: i for i, column in enumerate(used)}
    return Alike(
        tuple(counted.names[c] for c in used),
        tuple(place.get(n[0], -1) for n in nodes),
        tuple(n[1] for n in nodes),
        tuple(n[2] for n in nodes),
    )


def _best_cut(counted: Counted, values: Floats, rows: np.ndarray, offsets: Ints, least: int) -> _Cut:
    """The best split of some rows; gain 0 where none is better than chance."""
    n, none = len(rows), _Cut(0.0, -1, ())
    if n < 2 * least or not len(counted.sizes):
        return none
    y = values[rows]
    total, centre = float(y.sum()), float(y.mean())
    spread = float(((y - centre) ** 2).sum())
    if spread <= 1e-12 * n:
        return none
    flat = (counted.codes[rows] + offsets[:-1]).ravel()
    bins = int(offsets[-1])
    counts = np.bincount(flat, minlength=bins).astype(np.float64)
    sums = np.bincount(flat, weights=np.repeat(y, len(counted.sizes)), minlength=bins)
    best, tried, groups = none, 0, 0
    for column in range(len(counted.sizes)):
        part = slice(int(offsets[column]), int(offsets[column + 1]))
        c, s = counts[part], sums[part]
        order = np.arange(len(c))
        if not counted.ordered[column]:
            order = np.argsort(np.where(c > 0, s / np.maximum(c, 1.0), np.inf), kind="stable")
        below, sum_below = np.cumsum(c[order])[:-1], np.cumsum(s[order])[:-1]
        able = (below >= least) & (n - below >= least)
        tried += int(able.sum())
        if not able.any():
            continue
        inside, outside = np.maximum(below, 1.0), np.maximum(n - below, 1.0)
        gains = sum_below**2 / inside + (total - sum_below) ** 2 / outside - total**2 / n
        at = int(np.argmax(np.where(able, gains, -np.inf)))
        if gains[at] > best.gain:
            best = _Cut(float(gains[at]), column, tuple(sorted(int(b) for b in order[: at + 1])))
            groups = 2 if counted.ordered[column] else int((c > 0).sum())
    if best.column < 0:
        return none
    noise = max((spread - best.gain) / max(n - 2, 1), 1e-18)
    return best if best.gain / noise >= _by_chance(tried, groups, len(counted.sizes)) else none


def _by_chance(tried: int, groups: int, columns: int) -> float:
    """Gain, in variances, that hardly any split of values without a pattern reaches.

    The largest of many squared deviates of chance lies near 2 log(tried). Of categories sorted by their own means the
    best split is as good as all that parts them, a chi-squared number of one degree a category less one.
    """
    from fairlead.lab.stats.quantiles import gamma

    several = gamma(1.0 - 0.005 / columns, (groups - 1) / 2.0, 2.0) if groups > 2 else 0.0
    return max(2.0 * float(np.log(max(tried, 2))) + 6.0, several)


def leaf_of(tree: Alike, counted: Counted) -> Ints:
    """The leaf of each row, (n,). Columns of the tree that were not counted are taken as missing: they go right."""
    at = np.zeros(len(counted.codes), dtype=np.int64)
    place = {name: i for i, name in enumerate(counted.names)}
    # A child has a higher number than its node, so one pass in order settles every row.
    for node, (split, left, below) in enumerate(zip(tree.split, tree.left, tree.below, strict=True)):
        if split < 0:
            continue
        here = np.flatnonzero(at == node)
        column = place.get(tree.columns[split])
        goes = np.zeros(len(here), dtype=bool) if column is None else np.isin(counted.codes[here, column], left)
        at[here] = np.where(goes, below[0], below[1])
    numbers = np.asarray([b[0] if s < 0 else -1 for s, b in zip(tree.split, tree.below, strict=True)], dtype=np.int64)
    found: Ints = numbers[at]
    return found


def leaves_in(tree: Alike) -> int:
    """How many leaves it has."""
    return sum(s < 0 for s in tree.split)
