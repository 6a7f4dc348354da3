"""How well the rows of each group are put in order: NDCG, hit rate and reciprocal rank, group by group.

Rows of equal score stand in no order: what they count for is the mean over all orders they could be shown in. A row
is relevant if its gain is above 0. A group without a relevant row, or of one row alone, cannot be put in order well or
badly; it has NaN and is left out of every mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fairlead.contract.evidence import Interval
from fairlead.contract.signature import Signature
from fairlead.lab.stats.blocks import Block, block_among, block_codes
from fairlead.lab.stats.intervals import DRAWS, bootstrap
from fairlead.lab.stats.measures import Floats, Ints, class_codes, positive_index

KS = (1, 3, 5, 10)
"""How many rows from the top are looked at."""
MOST_K = 1000
SHOWN_AT = 5
"""Where one number is wanted of a ranking: NDCG of the first 5."""
LENT_ROWS = 5.0
RANKING: tuple[str, ...] = (*(f"{name}_at_{k}" for name in ("ndcg", "hit_rate") for k in KS), "mrr")
_NAMED = re.compile(r"(ndcg|hit_rate)_at_(\d{1,4})")


class Counts(NamedTuple):
    """groups: all; judged: those that count; irrelevant: without a relevant row; single: of one row."""

    groups: int
    judged: int
    irrelevant: int
    single: int


def k_of(metric: str) -> int | None:
    """The k of a metric as `ndcg_at_5`; None where it has none, or one that nobody can ask for."""
    found = _NAMED.fullmatch(metric)
    return int(found[2]) if found and 1 <= int(found[2]) <= MOST_K else None


def group_codes(cells: Any) -> Ints:
    """The group of each row (n,), numbered by first appearance; -1 for a row without one."""
    import pandas as pd

    codes, _ = pd.factorize(np.asarray(cells, dtype=object), use_na_sentinel=True)
    return np.asarray(codes, dtype=np.int64)


def whole_codes(codes: Ints) -> Ints:
    """As `group_codes`, each row without a group being one of its own, numbered by first appearance."""
    found = codes.copy()
    alone = np.flatnonzero(codes < 0)
    found[alone] = int(codes.max(initial=-1)) + 1 + np.arange(len(alone))
    _, first, inverse = np.unique(found, return_index=True, return_inverse=True)
    place = np.empty(len(first), dtype=np.int64)
    place[np.argsort(first, kind="stable")] = np.arange(len(first))
    return np.asarray(place[inverse.reshape(-1)], dtype=np.int64)


def gains_of(truth: npt.ArrayLike, signature: Signature) -> Floats:
    """What each row is worth (n,): the number itself, of two classes 1 for the positive one. Below 0 counts as 0."""
    if signature.task == "classification":
        codes = class_codes(truth, signature.classes)
        return np.asarray(codes == positive_index(signature), dtype=np.float64)
    found = np.asarray(truth, dtype=np.float64)
    return np.where(np.isfinite(found), np.maximum(found, 0.0), 0.0)


def order_of(scores: npt.ArrayLike, signature: Signature) -> Floats:
    """What rows are put in order by (n,), highest first: the number, or the probability of the positive class."""
    table = np.asarray(scores, dtype=np.float64)
    table = table if table.ndim == 2 else table.reshape(-1, 1)
    found = table[:, positive_index(signature)] if signature.task == "classification" else table[:, 0]
    return np.where(np.isnan(found), -np.inf, found)


def group_measures(codes: Ints, gains: Floats, scores: Floats, ks: Sequence[int] = KS) -> dict[str, Floats]:
    """`ndcg_at_k` and `hit_rate_at_k` for each k, and `mrr`: each (groups,), NaN where a group has nothing to say.

    codes: (n,) as of `group_codes`, rows of -1 left out; gains: (n,), 0 or more; scores: (n,), higher stands first.
    NDCG: sum of gains / log2(1 + rank) over the first k ranks, divided by that of the best order; ties as in McSherry
    and Najork (2008). hit_rate: the chance that a relevant row is among the first k. mrr: the expected 1 / rank of the
    first relevant row. Sources: Jaervelin and Kekaelaeinen, Cumulated gain-based evaluation (2002); McSherry and
    Najork, Computing information retrieval performance measures efficiently in the presence of tied scores (2008).
    """
    known = np.flatnonzero(codes >= 0)
    codes, gains, scores = codes[known], gains[known], scores[known]
    groups = int(codes.max(initial=-1)) + 1
    size = np.bincount(codes, minlength=groups)
    relevant = np.bincount(codes, weights=(gains > 0).astype(np.float64), minlength=groups)
    kept = (size > 1) & (relevant > 0)
    shown, best = _Order(codes, scores, size), _Order(codes, gains, size)
    mean = shown.mean(gains)
    first = _first_relevant(shown, gains, groups)
    found: dict[str, Floats] = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        for k in ks:
            reached = np.bincount(shown.codes, weights=mean * shown.discount(k), minlength=groups)
            ideal = np.bincount(best.codes, weights=gains[best.rows] * best.discount(k), minlength=groups)
            found[f"ndcg_at_{k}"] = np.where(kept, np.minimum(reached / ideal, 1.0), np.nan)
        for k in ks:
            found[f"hit_rate_at_{k}"] = np.where(kept, first.hit(k), np.nan)
        found["mrr"] = np.where(kept, first.reciprocal(), np.nan)
    return found


class _Order:
    """Rows by group and, within one, from the highest value on. rank: from 1; block: rows of one value in a group."""

    def __init__(self, codes: Ints, values: Floats, size: Ints) -> None:
        self.rows = np.lexsort((-values, codes))
        self.codes = codes[self.rows]
        ordered = values[self.rows]
        first = np.concatenate([[0], np.cumsum(size)[:-1]]) if len(size) else np.zeros(0, dtype=np.int64)
        self.rank = np.arange(len(codes)) - first[self.codes] + 1
        new = np.ones(len(codes), dtype=bool)
        new[1:] = (self.codes[1:] != self.codes[:-1]) | (ordered[1:] != ordered[:-1])
        self.block = np.cumsum(new) - 1
        self.starts = np.flatnonzero(new)
        self.sizes = np.diff(np.append(self.starts, len(codes)))

    def discount(self, k: int) -> Floats:
        return np.where(self.rank <= k, 1.0 / np.log2(self.rank + 1.0), 0.0)

    def mean(self, values: Floats) -> Floats:
        """The mean of a row's block, in this order."""
        if not len(values):
            return values
        sums = np.add.reduceat(values[self.rows], self.starts)
        found: Floats = (sums / self.sizes)[self.block]
        return found


class _First(NamedTuple):
    """The first block of each group that holds a relevant row. above: rows before it; size, relevant: of the block."""

    above: Floats
    size: Floats
    relevant: Floats

    def hit(self, k: int) -> Floats:
        """The chance that one of the first k rows is relevant."""
        shown = np.clip(k - self.above, 0.0, self.size)
        others = self.size - self.relevant
        return np.where(shown > others, 1.0, 1.0 - np.exp(_choose(others, shown) - _choose(self.size, shown)))

    def reciprocal(self) -> Floats:
        """The expected 1 / rank of the first relevant row: it is j-th of the block in C(size - j, relevant - 1) of
        C(size, relevant) orders.
        """
        places = (self.size - self.relevant + 1.0).astype(np.int64)
        group = np.repeat(np.arange(len(places)), places)
        j = np.arange(len(group)) - np.repeat(np.cumsum(places) - places, places) + 1.0
        size, relevant = self.size[group], self.relevant[group]
        chance = np.exp(_choose(size - j, relevant - 1.0) - _choose(size, relevant))
        found = np.bincount(group, weights=chance / (self.above[group] + j), minlength=len(places))
        return np.asarray(found, dtype=np.float64)


def _first_relevant(order: _Order, gains: Floats, groups: int) -> _First:
    above, size, relevant = np.zeros(groups), np.zeros(groups), np.zeros(groups)
    if len(order.starts):
        held = np.add.reduceat((gains[order.rows] > 0).astype(np.float64), order.starts)
        blocks = np.flatnonzero(held > 0)
        owner, at = np.unique(order.codes[order.starts[blocks]], return_index=True)
        chosen = blocks[at]
        above[owner] = order.rank[order.starts[chosen]] - 1.0
        size[owner], relevant[owner] = order.sizes[chosen], held[chosen]
    return _First(above, size, relevant)


def _choose(n: Floats, k: Floats) -> Floats:
    """The logarithm of the number of ways to choose k of n."""
    from scipy.special import gammaln

    return np.asarray(gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0), dtype=np.float64)


def counts_of(codes: Ints, gains: Floats) -> Counts:
    """How many groups there are, and how many of them say nothing and why."""
    known = codes >= 0
    groups = int(codes.max(initial=-1)) + 1
    size = np.bincount(codes[known], minlength=groups)
    relevant = np.bincount(codes[known], weights=(gains[known] > 0).astype(np.float64), minlength=groups)
    single, irrelevant = size == 1, (size > 1) & (relevant == 0)
    return Counts(groups, groups - int(single.sum()) - int(irrelevant.sum()), int(irrelevant.sum()), int(single.sum()))


def ranking_metrics(
    truth: npt.ArrayLike, scores: npt.ArrayLike, cells: Any, signature: Signature, ks: Sequence[int] = KS
) -> dict[str, float]:
    """Means of `group_measures` over the groups that say something; empty where none does. cells: each row's group."""
    found = group_measures(group_codes(cells), gains_of(truth, signature), order_of(scores, signature), ks)
    return {name: float(np.nanmean(values)) for name, values in found.items() if np.isfinite(values).any()}


def ranking_intervals(
    measures: Mapping[str, Floats], *, draws: int = DRAWS, seed: int = 0, block: Block = 1
) -> dict[str, Interval]:
    """Means over groups with their 95 % interval by drawing groups. block: which groups are drawn together.

    Where all groups are at 1 (or 0) no draw can differ: then the interval is that of a share which has never (or
    always) failed so far. Source: Clopper and Pearson (1934).
    """
    found = {}
    for name, values in measures.items():
        there = values[np.isfinite(values)]
        if len(there):
            among = block_among(block, np.flatnonzero(np.isfinite(values)))
            found[name] = _at_an_end(there, among) or bootstrap(there, draws=draws, seed=seed, block=among)
    return found


def _at_an_end(values: Floats, block: Block) -> Interval | None:
    value = float(values[0])
    if value not in (0.0, 1.0) or (values != value).any():
        return None
    sure = 0.025 ** (1.0 / (int(block_codes(len(values), block).max()) + 1))
    return Interval(1.0, sure, 1.0) if value else Interval(0.0, 0.0, 1.0 - sure)


def ranks_within(codes: Ints, scores: Floats) -> Ints:
    """The rank of each row in its group, 1 for the highest score, equal ones in their order; 0 without a group."""
    known = np.flatnonzero(codes >= 0)
    found = np.zeros(len(codes), dtype=np.int64)
    order = _Order(codes[known], scores[known], np.bincount(codes[known]))
    found[known[order.rows]] = order.rank
    return found


def popularity(items: Any, gains: Floats) -> tuple[dict[Any, float], float]:
    """The mean gain of each item, as if 5 rows of the mean of all were among its own; and that mean, for items unseen.

    Without the rows that are lent, an item seen once would be the most popular of all whenever it was wanted that time.
    """
    import pandas as pd

    whole = float(gains.mean()) if len(gains) else 0.0
    grouped = pd.Series(gains).groupby(pd.Series(np.asarray(items, dtype=object)))
    mean = (grouped.sum() + LENT_ROWS * whole) / (grouped.size() + LENT_ROWS)
    return dict(zip(mean.index.tolist(), mean.to_numpy(dtype=np.float64).tolist(), strict=True)), whole


def popularity_scores(items: Any, known: Mapping[Any, float], whole: float) -> Floats:
    """Each row by how popular its item is. Shape (n,)."""
    return np.array([known.get(item, whole) for item in np.asarray(items, dtype=object)], dtype=np.float64)


def popularity_elsewhere(items: Any, codes: Ints, gains: Floats) -> Floats:
    """Each row by how popular its item is in all other groups, shape (n,): no group has a say in its own order."""
    item = group_codes(items)
    pair = np.unique(np.stack([codes, item]), axis=1, return_inverse=True)[1].reshape(-1)
    shared = np.where(item < 0, int(item.max(initial=-1)) + 1, item)
    everywhere, rows = np.bincount(shared, weights=gains), np.bincount(shared)
    here, here_rows = np.bincount(pair, weights=gains), np.bincount(pair)
    group = whole_codes(codes)
    in_group, group_rows = np.bincount(group, weights=gains), np.bincount(group)
    others = np.maximum(len(gains) - group_rows, 1)[group]
    whole = (gains.sum() - in_group[group]) / others
    sums = everywhere[shared] - here[pair]
    count = rows[shared] - here_rows[pair]
    found: Floats = (sums + LENT_ROWS * whole) / (count + LENT_ROWS)
    return found
