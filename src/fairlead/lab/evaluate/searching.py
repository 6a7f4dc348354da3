"""The search for sub-populations: what is looked at, and intervals that hold for all of it at once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.evidence import Interval
from fairlead.lab.evaluate.expressions import written_column, written_text
from fairlead.lab.evaluate.rows import Judged
from fairlead.lab.stats.blocks import Block, block_codes, every_row
from fairlead.lab.stats.measures import Floats, Ints

if TYPE_CHECKING:
    from scipy.sparse import csr_array

LEVEL = 0.95
DRAWS, DRAWS_OF_MANY, MANY_ROWS = 800, 300, 20_000
MOST_COLUMNS, MOST_PAIRED, MOST_CATEGORIES = 60, 14, 12
SHOWN = 8
FEWEST_BLOCKS = 5.0
LENT_ROWS = 60
_PARTS = 4

Level = list[tuple[str, np.ndarray[Any, np.dtype[np.bool_]]]]


@dataclass(frozen=True)
class Candidates:
    """Rules with their rows as a sparse table of ones (rules, n). parents: rules that a pair is made of."""

    rules: list[str]
    parents: list[tuple[int, ...]]
    rows: csr_array


def candidates_of(judged: Judged, chosen: Ints, smallest: int) -> Candidates:
    """Bins and categories of at most 60 columns, and all pairs of those of the 14 columns that most move the answers.

    Which columns are paired is decided by the answers alone, never by the losses, so that it favours no finding.
    """
    levels = [found for name in _columns(judged) if (found := _levels(judged, name, chosen))]
    levels = levels[:MOST_COLUMNS]
    spread = [_moved(judged.scores[chosen], [rows for _, rows in level]) for level in levels]
    rules: list[str] = []
    parents: list[tuple[int, ...]] = []
    members: list[Ints] = []
    first: list[dict[int, int]] = []
    for level in levels:
        places = {}
        for i, (rule, rows) in enumerate(level):
            if smallest <= rows.sum() <= len(chosen) - smallest:
                places[i] = len(rules)
                rules.append(rule)
                parents.append(())
                members.append(np.flatnonzero(rows))
        first.append(places)
    paired = sorted(np.argsort(-np.array(spread), kind="stable")[:MOST_PAIRED].tolist())
    for a, b in combinations(paired, 2):
        for i, (rule_a, rows_a) in enumerate(levels[a]):
            for j, (rule_b, rows_b) in enumerate(levels[b]):
                both = rows_a & rows_b
                count = int(both.sum())
                # As good as one of the two alone: it says nothing that the single one does not.
                if count < smallest or count > 0.95 * min(int(rows_a.sum()), int(rows_b.sum())):
                    continue
                rules.append(f"{rule_a} and {rule_b}")
                parents.append(tuple(p for p in (first[a].get(i), first[b].get(j)) if p is not None))
                members.append(np.flatnonzero(both))
    return Candidates(rules, parents, _sparse(members, len(chosen)))


def _sparse(members: list[Ints], rows: int) -> csr_array:
    from scipy.sparse import csr_array

    starts = np.concatenate([[0], np.cumsum([len(m) for m in members])]).astype(np.int64)
    places = np.concatenate(members) if members else np.zeros(0, dtype=np.int64)
    return csr_array((np.ones(len(places)), places, starts), shape=(len(members), rows))


def _columns(judged: Judged) -> list[str]:
    return [c.name for c in judged.signature.columns if c.kind not in {"text", "time", "tensor"}]


def _levels(judged: Judged, name: str, chosen: Ints) -> Level:
    """The bins or categories of a column as (rule, rows); empty where all rows are alike."""
    cells, column = judged.columns[name][chosen], written_column(name)
    kind = next(c.kind for c in judged.signature.columns if c.name == name)
    found: Level = []
    if cells.dtype == object:
        values, counts = np.unique([c for c in cells if c is not None], return_counts=True)
        for value in values[np.argsort(-counts, kind="stable")][:MOST_CATEGORIES]:
            found.append((f"{column} = {written_text(str(value))}", cells == value))
        missing = np.array([c is None for c in cells])
    else:
        numbers = np.asarray(cells, dtype=np.float64)
        missing = np.isnan(numbers)
        found = _bins(numbers, missing, column, kind == "boolean")
    if missing.any():
        found.append((f"{column} is missing", missing))
    return found if len(found) > 1 else []


def _bins(numbers: Floats, missing: np.ndarray[Any, np.dtype[np.bool_]], column: str, boolean: bool) -> Level:
    values = np.unique(numbers[~missing])
    if boolean:
        return [(f"{column} = {'true' if v else 'false'}", numbers == v) for v in values]
    if len(values) <= _PARTS:
        return [(f"{column} = {v:g}", numbers == v) for v in values]
    edges = np.unique(np.quantile(numbers[~missing], np.arange(1, _PARTS) / _PARTS, method="higher"))
    # The numbers a rule is written with are those it is applied with, so that it can be used again.
    edges = np.unique([float(f"{e:.6g}") for e in edges])
    parts = np.searchsorted(edges, numbers, side="right")
    told = [f"{column} < {edges[0]:.6g}"]
    told += [f"{column} >= {a:.6g} and {column} < {b:.6g}" for a, b in pairwise(edges)]
    told.append(f"{column} >= {edges[-1]:.6g}")
    return [(rule, (parts == i) & ~missing) for i, rule in enumerate(told) if ((parts == i) & ~missing).any()]


def _moved(scores: Floats, groups: Any) -> float:
    """How much of the answers' variance lies between the groups: sum of rows times squared distance of means."""
    middle = scores.mean(axis=0)
    return float(sum(rows.sum() * ((scores[rows].mean(axis=0) - middle) ** 2).sum() for rows in groups if rows.any()))


def spread_out(candidates: Candidates, block: Block) -> Candidates:
    """Those that lie in at least 5 blocks: of what happened once in time nobody can say that it happens again."""
    if every_row(block) or not candidates.rules:
        return candidates
    kept, group = [], block_codes(candidates.rows.shape[1], block)
    for s in range(len(candidates.rules)):
        counts = np.bincount(group[candidates.rows[[s]].indices]).astype(np.float64)
        if counts.sum() ** 2 / (counts @ counts) >= FEWEST_BLOCKS:
            kept.append(s)
    place = {s: i for i, s in enumerate(kept)}
    return Candidates(
        [candidates.rules[s] for s in kept],
        [tuple(place[p] for p in candidates.parents[s] if p in place) for s in kept],
        candidates.rows[kept],
    )


@dataclass(frozen=True)
class Search:
    """What the search says about each candidate (rules,): means with the reach of their simultaneous intervals."""

    kept: list[int]
    size: Floats
    mean: Floats
    mean_reach: Floats
    rest: Floats
    difference: Floats
    difference_reach: Floats
    worst: Interval
    worst_at: int


def searched(candidates: Candidates, loss: Floats, block: Block = 1, seed: int = 0) -> Search:
    """Which candidates have a surely larger mean loss than the rest, for all of them at once.

    loss: (n,). block: neighbours that count as one observation. The largest studentised deviation under the joint
    distribution of all candidates (multiplier bootstrap) gives the critical value.
    Source: Chernozhukov, Chetverikov and Kato, Gaussian approximations and multiplier bootstrap for maxima (2013).
    """
    n, table = len(loss), candidates.rows
    size = np.asarray(table.sum(axis=1)).reshape(-1)
    total, whole = float(loss.sum()), table @ loss
    mean, rest = whole / size, (total - whole) / (n - size)
    draws = DRAWS if n <= MANY_ROWS else DRAWS_OF_MANY
    signs = _signs(n, draws, block, seed)
    weighted = table @ (signs * loss[:, None])
    plain = table @ signs
    inside = (weighted - mean[:, None] * plain) / size[:, None]
    outside = (
        (signs * loss[:, None]).sum(axis=0) - weighted - rest[:, None] * (signs.sum(axis=0) - plain)
    ) / (n - size)[:, None]  # fmt: skip
    # Rows of a block may by chance cancel out; a mean is never surer than of rows that have nothing to do with
    # each other.
    squares = table @ loss**2
    variance = np.maximum(squares / size - mean**2, 0.0) / (size - 1)
    other = np.maximum((loss @ loss - squares) / (n - size) - rest**2, 0.0) / (n - size - 1)
    mean_reach = _reach(inside, _leaning(table, loss, mean, size))
    difference, difference_reach = mean - rest, _reach(inside - outside, variance + other)
    kept = _shown(candidates, difference, difference_reach, mean)
    at = int(mean.argmax())
    worst = Interval(
        float(mean[at]), float(max((mean - mean_reach).max(), 0.0)), float(min((mean + mean_reach).max(), 1.0))
    )
    return Search(kept, size, mean, mean_reach, rest, difference, difference_reach, worst, at)


def biased(candidates: Candidates, off: Floats, block: Block = 1, seed: int = 0) -> tuple[list[int], Floats, Floats]:
    """Candidates whose mean of `off` (n,) is surely not 0, for all of them at once; all means and their reaches.

    off: what happened less what was said, row by row.
    """
    n, table = len(off), candidates.rows
    size = np.asarray(table.sum(axis=1)).reshape(-1)
    mean = (table @ off) / size
    signs = _signs(n, DRAWS if n <= MANY_ROWS else DRAWS_OF_MANY, block, seed + 1)
    inside = (table @ (signs * off[:, None]) - mean[:, None] * (table @ signs)) / size[:, None]
    reach = _reach(inside, _leaning(table, off, mean, size))
    return _shown(candidates, np.abs(mean), reach, np.abs(mean)), mean, reach


def _leaning(table: csr_array, values: Floats, mean: Floats, size: Floats) -> Floats:
    """Variance of each candidate's mean, as if 60 rows of the whole were lent to it.

    The few values of a small one may all be alike by chance, and then its mean seems surer than it is.
    """
    own = np.maximum(table @ values**2 / size - mean**2, 0.0)
    found: Floats = np.maximum(own / (size - 1), (own * size + LENT_ROWS * values.var()) / (size + LENT_ROWS) / size)
    return found


def _signs(n: int, draws: int, block: Block, seed: int) -> Floats:
    random = np.random.default_rng([seed, 6])
    group = block_codes(n, block)
    blocks = int(group.max()) + 1
    signs = random.choice(np.array([-1.0, 1.0]), (blocks, draws))
    if not every_row(block):
        # Few blocks: the standard error itself is unsure, as in Student's t.
        freedom = max(blocks - 1, 1)
        signs *= np.sqrt(blocks / random.chisquare(freedom, draws))
    spread: Floats = signs[group]
    return spread


def _reach(drawn: Floats, least: Floats) -> Floats:
    """Half widths (rules,) that hold the deviations of all rules at once, from draws (rules, draws).

    least: smallest variance of each (rules,).
    """
    error = np.sqrt((drawn**2).mean(axis=1))
    studentised = np.abs(drawn) / np.maximum(error, 1e-300)[:, None]
    critical = float(np.quantile(studentised.max(axis=0), LEVEL))
    reach: Floats = critical * np.maximum(error, np.sqrt(least))
    return reach


def _shown(candidates: Candidates, difference: Floats, reach: Floats, mean: Floats) -> list[int]:
    """Surely worse ones, worst (by the bound) first; a part of one already shown only where it is surely worse yet,
    and none that is nearly the same rows under another name.
    """
    low = difference - reach
    sure = [int(s) for s in np.argsort(-low, kind="stable") if low[s] > 0]
    kept: list[int] = []
    for s in sure[:200]:
        if any(low[s] <= difference[p] for p in candidates.parents[s] if low[p] > 0):
            continue
        mine = candidates.rows[[s]]
        overlaps = [
            (mine @ candidates.rows[[k]].T).sum() / min(mine.nnz, candidates.rows[[k]].nnz) for k in kept
        ]  # fmt: skip
        if not overlaps or max(overlaps) < 0.8:
            kept.append(s)
        if len(kept) == SHOWN:
            break
    return sorted(kept, key=lambda s: -mean[s])
