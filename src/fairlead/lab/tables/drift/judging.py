"""Two rows of blocks to what moved between them, with how far, how sure and how usual that is.

Blocks of neighbouring rows change sides, never rows, so that autocorrelated rows do
not cry; p-values hold for all columns at once by the largest statistic of each way
of dealing blocks out. Where the reference is at least eight times as long as the
rows, these are also compared with every stretch of it of their length: a week in
January differs from a year, and so does every other week of that year.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fairlead.contract.profile import ColumnProfile, Profile
from fairlead.lab.stats import distances
from fairlead.lab.stats.correlations import Sums, added, correlations, names_of, sums_of
from fairlead.lab.stats.measures import Floats
from fairlead.lab.stats.merging import total
from fairlead.lab.stats.permuting import DRAWS, dealt, jointly, singly
from fairlead.lab.tables.drift.report import Moved, Pair, Side

ALPHA = 0.05
"""Chance that anything at all is said to have moved where blocks are alike; columns, correlations, outputs and all
columns together share."""

PARTS = {"columns": 0.5, "pairs": 0.2, "outputs": 0.15, "together": 0.15}
FLOOR = 0.1
"""Least Jensen-Shannon distance that matters, however certain: about a stability index of 0.06."""

CORRELATION_FLOOR = 0.1
STRETCHES = 8
MOST_PAIRS = 20
BOOTSTRAPS = 200
FEWEST_BLOCKS = 4


class Sides:
    """Blocks of both sides, of about as many rows each, and what says how far chance goes.

    dealing: there are enough blocks for dealing them out. Else, where rows are known to be independent of each other
    (`independent`), `drawing` as many rows from the reference; else stretches of the reference alone.
    """

    def __init__(
        self, before: Sequence[Profile], now: Sequence[Profile], seed: int = 0, *, independent: bool = False
    ) -> None:
        self.before, self.now = alike(list(before), list(now))
        self.blocks = [*self.before, *self.now]
        self.whole_before, self.whole_now = total(before), total(now)
        self.dealing = min(len(self.before), len(self.now)) >= FEWEST_BLOCKS
        self.drawing = not self.dealing and independent
        self.enough = self.dealing or self.drawing or len(self.before) >= STRETCHES * len(self.now)
        self.deals = dealt(len(self.blocks), len(self.now), seed=seed) if self.dealing else None
        self.random = np.random.default_rng([seed, 31])
        rng = np.random.default_rng([seed, 23])
        self.drawn = [
            rng.multinomial(n, np.full(n, 1.0 / n), size=BOOTSTRAPS).astype(np.float64)
            for n in (len(self.before), len(self.now))
        ]

    @property
    def stretch(self) -> int:
        """Blocks of the reference that hold as many rows as the other side, 0 where it has too few such stretches."""
        rows = sum(b.rows for b in self.before)
        size = max(round(self.whole_now.rows / max(rows / len(self.before), 1.0)), 1)
        return size if len(self.before) >= STRETCHES * size else 0


def alike(before: list[Profile], now: list[Profile]) -> tuple[list[Profile], list[Profile]]:
    """Neighbours of the side with the smaller blocks added up, until blocks of both hold about as many rows.

    Dealing out blocks is fair only where no side's are steadier than the other's.
    """
    sizes = [float(np.median([b.rows for b in side])) for side in (before, now)]
    if sizes[0] < sizes[1]:
        return _runs(before, sizes[1]), now
    return before, _runs(now, sizes[0])


def _runs(blocks: list[Profile], rows: float) -> list[Profile]:
    if rows < 1.5 * float(np.median([b.rows for b in blocks])):
        return blocks
    runs: list[list[Profile]] = [[]]
    for block in blocks:
        if sum(b.rows for b in runs[-1]) >= 0.75 * rows:
            runs.append([])
        runs[-1].append(block)
    if len(runs) > 1 and sum(b.rows for b in runs[-1]) < 0.5 * rows:
        runs[-2:] = [runs[-2] + runs[-1]]
    return [total(run) for run in runs]


class _Counts:
    """One column (or output) of both sides: counts of its blocks in merged bins."""

    def __init__(self, sides: Sides, of: str, name: str) -> None:
        self.before = _of(sides.whole_before, of, name)
        self.now = _of(sides.whole_now, of, name)
        self.words = self.before.bins.kind in ("category", "text")
        groups = np.arange(len(self.before.counts))
        if not self.words:
            groups = distances.coarsen(np.asarray(self.before.counts) + np.asarray(self.now.counts))
        merging = np.equal.outer(groups, np.arange(int(groups.max(initial=0)) + 1)).astype(np.float64)
        self.merging = merging
        self.blocks = self.merged([_of(b, of, name) for b in sides.blocks])
        self.seen = self.merged([self.before, self.now])

    def merged(self, columns: Sequence[ColumnProfile]) -> Floats:
        """Counts in merged bins and missing cells, which are a bin of their own: (columns, bins + 1)."""
        counts = np.asarray([c.counts for c in columns], dtype=np.float64) @ self.merging
        return np.column_stack([counts, [c.missing for c in columns]])


def _of(profile: Profile, of: str, name: str) -> ColumnProfile:
    parts: tuple[ColumnProfile, ...] = getattr(profile, of)
    return next(c for c in parts if c.bins.name == name)


def judge_columns(sides: Sides, of: str = "columns", part: float = PARTS["columns"]) -> tuple[Moved, ...]:
    """Every column (`of` "columns") or output ("scores") that both sides have, furthest first."""
    known = {c.bins.name for c in getattr(sides.whole_now, of)}
    names = [c.bins.name for c in getattr(sides.whole_before, of) if c.bins.name in known]
    counts = [_Counts(sides, of, name) for name in names]
    single, joint = np.ones(len(names)), np.ones(len(names))
    if sides.enough and names:
        statistics = np.column_stack([_by_chance(sides, c) for c in counts])
        single, joint = singly(statistics), jointly(statistics)
    stretches = [_stretches(sides, c) for c in counts]
    limits = usual_limits(stretches, len(sides.before) // max(sides.stretch, 1), part * ALPHA)
    found = [
        _moved(sides, c, float(p), float(q), part * ALPHA, known, limit)
        for c, p, q, known, limit in zip(counts, single, joint, stretches, limits, strict=True)
    ]
    return tuple(sorted(found, key=lambda m: (not m.moved, -m.distance, m.name)))


def usual_limits(stretches: Sequence[Floats], disjoint: int, alpha: float) -> list[float | None]:
    """The distance beyond which each column goes further than usual, None where stretches are too few to say.

    One limit for the largest deviation of all columns, so that `alpha` of stretches have any column beyond it; where
    the reference holds too few of them side by side (`disjoint`), it is the farthest that each went. A few strange
    days do not make a column's own yardstick: the spread is that of all but the farthest tenth.
    """
    if not stretches or not len(stretches[0]):
        return [None] * len(stretches)
    if disjoint * alpha < 1.0:
        return [float(one.max()) for one in stretches]
    centres = [float(np.median(one)) for one in stretches]
    spreads = [
        max(float(np.sort(one)[: max(len(one) * 9 // 10, 1)].std()), 0.1 * centre, FLOOR / 3.0)
        for one, centre in zip(stretches, centres, strict=True)
    ]
    away = [(one - c) / s for one, c, s in zip(stretches, centres, spreads, strict=True)]
    # What is below the floor is never said, however strange it is for its column.
    away = [np.where(one >= FLOOR, far, 0.0) for one, far in zip(stretches, away, strict=True)]
    height = float(np.quantile(np.max(away, axis=0), 1.0 - alpha))
    return [c + height * s for c, s in zip(centres, spreads, strict=True)]


def _by_chance(sides: Sides, c: _Counts) -> Floats:
    """The distance as seen, and as chance would have it, (1 + n,)."""
    if sides.deals is not None:
        return _dealt_distances(sides.deals, c.blocks)
    seen = distances.jensen_shannon_rows(c.seen[:1], c.seen[1:])
    if sides.drawing:
        share = c.seen.sum(axis=0) / max(c.seen.sum(), 1.0)
        drawn = [
            sides.random.multinomial(int(rows), share, size=DRAWS).astype(np.float64) for rows in c.seen.sum(axis=1)
        ]
        return np.concatenate([seen, distances.jensen_shannon_rows(drawn[0], drawn[1])])
    return np.concatenate([seen, _stretches(sides, c)])


def _dealt_distances(deals: Floats, blocks: Floats) -> Floats:
    there = deals @ blocks
    return distances.jensen_shannon_rows(blocks.sum(axis=0) - there, there)


def _moved(sides: Sides, c: _Counts, p: float, q: float, alpha: float, stretches: Floats, limit: float | None) -> Moved:
    before, now = c.before, c.now
    seen = bool(c.seen.sum(axis=1).all())
    distance = float(distances.jensen_shannon_rows(c.seen[:1], c.seen[1:])[0]) if seen else 0.0
    low, high = _interval(sides, c, distance)
    farthest = float(stretches.max()) if len(stretches) else None
    certain = q <= alpha and distance >= FLOOR and low > 0.0
    moved = certain and (limit is None or distance > limit)
    changed = distances.total_variation(c.seen[0], c.seen[1]) if seen else 0.0
    raw = [np.asarray(x.counts, dtype=np.float64) for x in (before, now)]
    told = all(r.sum() > 0 for r in raw)
    small = q <= alpha and distance < FLOOR
    says = _says(before, now, changed) + _verdict(moved, certain, small, stretches >= distance, sides.enough)
    means = None if c.words else (_mean(before), _mean(now))
    shift = None if means is None or None in means else (means[1] - means[0]) / before.bins.scale  # type: ignore[operator]
    return Moved(
        name=before.bins.name, kind=before.bins.kind, moved=moved, says=says, distance=distance, low=low, high=high,
        changed=changed, p=p, p_joint=q, before=_side(before), now=_side(now),
        usual=float(np.median(stretches)) if len(stretches) else None, farthest=farthest, limit=limit,
        stretches=len(stretches),
        shift=shift, psi=distances.population_stability_index(raw[0], raw[1]) if told else 0.0,
        ks=distances.kolmogorov_smirnov(raw[0], raw[1]) if told and not c.words else None,
        cramers_v=distances.cramers_v(raw[0], raw[1]) if told and c.words else None,
        edges=before.bins.edges, labels=(*before.bins.categories, "(others)") if c.words else (),
    )  # fmt: skip


def _interval(sides: Sides, c: _Counts, distance: float) -> tuple[float, float]:
    """Basic bootstrap over blocks: resampling adds noise to a distance, which this takes out again."""
    split = len(sides.before)
    if sides.drawing:
        parts = [
            sides.random.multinomial(int(n.sum()), n / max(n.sum(), 1.0), size=BOOTSTRAPS).astype(np.float64)
            for n in c.seen
        ]
    elif sides.dealing:
        parts = [d @ blocks for d, blocks in zip(sides.drawn, (c.blocks[:split], c.blocks[split:]), strict=True)]
    else:
        usual = _stretches(sides, c)
        reach = float(np.quantile(usual, 0.975) - np.median(usual)) if len(usual) else 1.0
        return max(distance - reach, 0.0), min(distance + reach, 1.0)
    low, high = np.quantile(distances.jensen_shannon_rows(*parts), [0.025, 0.975])
    return float(np.clip(2 * distance - high, 0.0, distance)), float(np.clip(2 * distance - low, distance, 1.0))


def _stretches(sides: Sides, c: _Counts) -> Floats:
    """Distances of every stretch of the reference, as long as the other side, from all the rest of it."""
    size, split = sides.stretch, len(sides.before)
    if not size:
        return np.zeros(0)
    sums = np.vstack([np.zeros(c.blocks.shape[1]), np.cumsum(c.blocks[:split], axis=0)])
    there = sums[size:] - sums[:-size]
    return distances.jensen_shannon_rows(sums[-1] - there, there)


def _mean(column: ColumnProfile) -> float | None:
    seen = column.rows - column.missing
    return column.bins.shift + column.bins.scale * column.z / seen if seen else None


def _side(column: ColumnProfile) -> Side:
    mean = None if column.bins.kind in ("category", "text") else _mean(column)
    return Side(column.rows, column.missing / max(column.rows, 1), column.counts, mean, column.low, column.high)


def _verdict(moved: bool, certain: bool, small: bool, as_far: np.ndarray, enough: bool) -> str:
    if moved:
        return ""
    if not enough:
        return "; too few rows to say more"
    if certain:
        return f"; within what is usual: {int(as_far.sum())} of {len(as_far)} stretches of the reference went as far"
    return "; certain, and too little to matter" if small else "; no more than chance"


def _says(before: ColumnProfile, now: ColumnProfile, changed: float) -> str:
    what = f"{changed:.1%} of rows would have to change bin"
    gaps = [c.missing / max(c.rows, 1) for c in (before, now)]
    if abs(gaps[1] - gaps[0]) >= 0.02:
        what += f"; missing cells went from {gaps[0]:.1%} to {gaps[1]:.1%}"
    means = _mean(before), _mean(now)
    if before.bins.kind in ("category", "text"):
        what += _word(before, now)
    elif before.bins.kind != "time" and None not in means:
        what += f"; mean {means[0]:.4g} before, {means[1]:.4g} now"
    elif None not in means:
        days = (means[1] - means[0]) / 86_400.0  # type: ignore[operator]
        what += f"; {abs(days):.3g} days {'later' if days > 0 else 'earlier'} on average"
    return what


def _word(before: ColumnProfile, now: ColumnProfile) -> str:
    """The word whose share changed most."""
    shares = [np.asarray(c.counts) / max(sum(c.counts), 1) for c in (before, now)]
    at = int(np.abs(shares[1] - shares[0]).argmax())
    name = (*before.bins.categories, "(others)")[at]
    return f"; {name!r} was {shares[0][at]:.1%} of rows, is {shares[1][at]:.1%}"


def judge_pairs(sides: Sides) -> tuple[tuple[Pair, ...], int]:
    """Correlations of numeric columns that both sides have, most surely moved first, at most 20; how many there are."""
    sums = sums_of(sides.blocks)
    if sums is None or sums.z.shape[1] < 2:
        return (), 0
    names = names_of(sides.blocks[0])
    upper = np.triu_indices(len(names), 1)
    split = len(sides.before)
    seen = np.zeros((2, len(sides.blocks)))
    seen[0, :split], seen[1, split:] = 1.0, 1.0
    both = correlations(added(sums, seen))[:, upper[0], upper[1]]
    told = np.flatnonzero(np.isfinite(both).all(axis=0))
    if not len(told):
        return (), 0
    single = joint = np.ones(len(told))
    if sides.deals is not None:
        there, here = correlations(added(sums, sides.deals)), correlations(added(sums, 1.0 - sides.deals))
        moved = _apart(here[:, upper[0][told], upper[1][told]], there[:, upper[0][told], upper[1][told]])
        single, joint = singly(moved), jointly(moved)
    unusual = _apart(both[0, told], both[1, told]) > _pairs_usual(sides, sums, (upper[0][told], upper[1][told]))
    found = [
        Pair(
            names[upper[0][i]], names[upper[1][i]], float(both[0, i]), float(both[1, i]), float(p), float(q),
            bool(q <= ALPHA * PARTS["pairs"] and abs(both[1, i] - both[0, i]) >= CORRELATION_FLOOR and strange),
        )
        for i, p, q, strange in zip(told, single, joint, unusual, strict=True)
    ]  # fmt: skip
    found.sort(key=lambda pair: (not pair.moved, -abs(pair.now - pair.before)))
    return tuple(found[:MOST_PAIRS]), len(told)


def _pairs_usual(sides: Sides, sums: Sums, at: tuple[np.ndarray, np.ndarray]) -> Floats:
    """How far correlations of stretches of the reference lie from its rest, after Fisher's transformation: the limit
    of each pair, (pairs,); 0 where there are too few stretches to say. at: positions in the matrix.
    """
    size, split = sides.stretch, len(sides.before)
    if not size or sides.deals is None:
        return np.zeros(len(at[0]))
    own = np.zeros((split - size + 1, len(sides.blocks)))
    for start in range(len(own)):
        own[start, start : start + size] = 1.0
    rest = np.zeros_like(own)
    rest[:, :split] = 1.0
    there, here = correlations(added(sums, own)), correlations(added(sums, rest - own))
    apart = _apart(here[:, at[0], at[1]], there[:, at[0], at[1]])
    limits = usual_limits(list(apart.T), split // size, ALPHA * PARTS["pairs"])
    return np.asarray([0.0 if limit is None else limit for limit in limits])


def judge_pairs_against(whole: Profile, now: Sequence[Profile], seed: int = 0) -> tuple[tuple[Pair, ...], int]:
    """As `judge_pairs` where of the reference there is one sum alone, as sealed in a bundle: p is by how much the
    correlations of resampled blocks of the rows vary, and is divided by how many there are (Bonferroni).
    """
    from scipy.special import ndtr

    total_sums, sums = sums_of([whole]), sums_of(now)
    if total_sums is None or sums is None or names_of(whole) != names_of(now[0]) or sums.z.shape[1] < 2:
        return (), 0
    names = names_of(whole)
    upper = np.triu_indices(len(names), 1)
    before = correlations(total_sums)[0][upper]
    after = correlations(added(sums, np.ones((1, len(now)))))[0][upper]
    told = np.flatnonzero(np.isfinite(before) & np.isfinite(after))
    p = np.ones(len(told))
    if len(now) >= FEWEST_BLOCKS and len(told):
        rng = np.random.default_rng([seed, 29])
        draws = rng.multinomial(len(now), np.full(len(now), 1.0 / len(now)), size=BOOTSTRAPS).astype(np.float64)
        drawn = correlations(added(sums, draws))[:, upper[0][told], upper[1][told]]
        spread = np.nanstd(np.arctanh(np.clip(drawn, -0.999, 0.999)), axis=0) * np.sqrt(
            1 + sums.rows.sum() / whole.rows
        )
        p = 2.0 * ndtr(-_apart(before[told], after[told]) / np.maximum(spread, 1e-9))
    joint = np.minimum(p * len(told), 1.0)
    found = [
        Pair(
            names[upper[0][i]], names[upper[1][i]], float(before[i]), float(after[i]), float(one), float(all_of),
            bool(all_of <= ALPHA * PARTS["pairs"] and abs(after[i] - before[i]) >= CORRELATION_FLOOR),
        )
        for i, one, all_of in zip(told, p, joint, strict=True)
    ]  # fmt: skip
    found.sort(key=lambda pair: (not pair.moved, -abs(pair.now - pair.before)))
    return tuple(found[:MOST_PAIRS]), len(told)


def _apart(one: Floats, two: Floats) -> Floats:
    """Differences of correlations after Fisher's transformation, which makes them about as sure at any height."""
    found = np.abs(np.arctanh(np.clip(two, -0.999, 0.999)) - np.arctanh(np.clip(one, -0.999, 0.999)))
    return np.where(np.isfinite(found), found, 0.0)
