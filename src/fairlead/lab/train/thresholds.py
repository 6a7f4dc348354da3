"""The threshold of a binary decision: least cost, most F1, or a precision or recall that surely holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairlead.contract.decisions import ThresholdFound
from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.evidence import Interval
from fairlead.lab.stats.blocks import Block
from fairlead.lab.stats.intervals import bootstrap, percentile, resamples
from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.assured import DELTA, assured_count, share_bounds

OUTCOMES = ("false_positive", "false_negative", "true_positive", "true_negative")
MANY_ROWS, DRAWS, DRAWS_OF_MANY = 50_000, 1000, 200
SHOWN = 101


@dataclass(frozen=True)
class Costs:
    """What a row costs when it is decided positive, and when it is not. Shape (n,) each; benefits are below 0.

    even: the probability from which deciding positive costs less, where that is the same for every row, else None.
    """

    if_positive: Floats
    if_negative: Floats
    even: float | None
    stated: dict[str, float | str]


def costs_of(stated: Mapping[str, float | str], event: np.ndarray, table: Any) -> Costs:
    """The costs of these rows. table: has the columns that `stated` names (DataFrame of the rows); event: (n,) bool.

    Raises ConfigInvalid for a column that is not there or holds something else than numbers, and for costs by which
    one decision is never dearer than the other.
    """
    each = {name: _cost(name, stated.get(name, 0.0), event, table) for name in OUTCOMES}
    flat = all(not isinstance(stated.get(name), str) for name in OUTCOMES)
    wrongly = each["false_positive"] - each["true_negative"]
    missed = each["false_negative"] - each["true_positive"]
    if flat and (wrongly[0] <= 0.0 or missed[0] <= 0.0):
        raise _wrong("by these, a wrong decision costs no more than a right one.", "Benefits are negative costs.")
    even = float(wrongly[0] / (wrongly[0] + missed[0])) if flat else None
    return Costs(
        np.where(event, each["true_positive"], each["false_positive"]),
        np.where(event, each["false_negative"], each["true_negative"]),
        even,
        dict(stated),
    )


def _cost(name: str, stated: float | str, event: np.ndarray, table: Any) -> Floats:
    if not isinstance(stated, str):
        return np.full(max(len(event), 1), float(stated))
    if stated not in table.columns:
        raise _wrong(f"{name} names the column {stated!r}, which the table does not have.", "")
    try:
        found: Floats = table[stated].to_numpy(dtype=np.float64)
    except (TypeError, ValueError):
        found = np.full(len(event), np.nan)
    if not np.isfinite(found).all():
        raise _wrong(f"{name} names the column {stated!r}, which does not hold a number in every row.", "")
    return found


def _wrong(what: str, cure: str) -> ConfigInvalid:
    return ConfigInvalid(what, file="fairlead.toml", key="train.costs", cure=cure)


class Cuts:
    """Rows in the order of their probability, and the places between distinct ones where a threshold can lie.

    A cut at k decides the first k rows negative, the others positive.
    """

    def __init__(self, p: Floats, event: np.ndarray) -> None:
        self.order = np.argsort(p, kind="stable")
        self.p, self.event = p[self.order], event[self.order]
        inner = np.flatnonzero(np.diff(self.p) > 0.0) + 1
        self.at = np.concatenate([[0], inner, [len(p)]])
        self._below = np.concatenate([[0.0], self.p])[self.at]
        self._above = np.concatenate([self.p, [1.0]])[self.at]
        self.thresholds = np.clip((self._below + self._above) / 2, 1e-9, 1.0 - 1e-9)

    def chosen(self, cut: int) -> float:
        """A threshold of few digits at this cut."""
        return _between(float(self._below[cut]), float(self._above[cut]))

    def sums(self, values: Floats, weights: Floats) -> Floats:
        """Sums of `values` (n,) over the rows below each cut, of each draw: weights (draws, n) -> (draws, cuts)."""
        weighted = weights[:, self.order] * values[self.order]
        return np.concatenate([np.zeros((len(weights), 1)), np.cumsum(weighted, axis=1)], axis=1)[:, self.at]


def _between(low: float, high: float) -> float:
    """A short number strictly within (0, 1) and not beyond these, above the first where it can be."""
    middle = min(max((low + high) / 2, 1e-9), 1.0 - 1e-9)
    for digits in range(2, 17):
        short = float(f"{middle:.{digits}g}")
        if low < short < high:
            return short
    return middle


def by_cost(p: Floats, event: np.ndarray, costs: Costs, *, seed: int, block: Block) -> ThresholdFound:
    """The threshold of least mean cost. p: (n,) probabilities of the event, out of fold.

    Where costs are the same for every row, the one that follows from them, which is best if probabilities mean what
    they say, is taken unless another surely costs less on these rows: the threshold that is least on some rows is as
    often too low as too high on others. The interval says how far the least one moves by chance.
    Source: Elkan, The foundations of cost-sensitive learning (2001).
    """
    cuts, n = Cuts(p, event), len(p)
    gap = costs.if_negative - costs.if_positive
    draws = DRAWS_OF_MANY if n > MANY_ROWS else DRAWS
    least = cuts.chosen(int(cuts.sums(gap, np.ones((1, n)))[0].argmin()))
    moved = np.concatenate(
        [cuts.thresholds[cuts.sums(gap, w).argmin(axis=1)] for w in resamples(n, draws, seed, block)]
    )

    def cost(threshold: float) -> Floats:
        return np.where(p > threshold, costs.if_positive, costs.if_negative)

    chosen, how = least, "which costs least on these rows"
    if costs.even is not None:
        even = float(f"{costs.even:.6g}")
        better = bootstrap(cost(least) - cost(even), seed=seed, draws=draws, block=block)
        if better.high >= 0.0:
            chosen, how = even, "which follows from the costs; no other surely costs less on these rows"
    spent, half = cost(chosen), cost(0.5)
    saved = bootstrap(half - spent, seed=seed, draws=draws, block=block)
    why = (
        f"Threshold {chosen:.4g}, {how}: {_spread(saved)} a row saved against 0.5 "
        f"(by chance the least could lie from {_ends(moved)})."
    )
    return ThresholdFound(
        rule="costs",
        threshold=percentile(chosen, moved),
        why=why,
        cost=bootstrap(spent, seed=seed, draws=draws, block=block),
        cost_at_half=bootstrap(half, seed=seed, draws=draws, block=block),
        saved=saved,
        costs=costs.stated,
        points=points_of(p, event, costs),
        rows=n,
    )


def by_f1(p: Floats, event: np.ndarray, *, seed: int, block: Block) -> ThresholdFound:
    """The threshold with the largest F1 of the positive class."""
    cuts, n = Cuts(p, event), len(p)
    hit = event.astype(np.float64)

    def f1(weights: Floats) -> Floats:
        events = weights @ hit
        missed, below = cuts.sums(hit, weights), cuts.sums(np.ones(n), weights)
        caught, said = events[:, None] - missed, weights.sum(axis=1)[:, None] - below
        return np.asarray(2.0 * caught / np.maximum(said + events[:, None], 1e-12))

    values = f1(np.ones((1, n)))[0]
    chosen = cuts.chosen(int(values.argmax()))
    draws = DRAWS_OF_MANY if n > MANY_ROWS else DRAWS
    moved = np.concatenate([cuts.thresholds[f1(w).argmax(axis=1)] for w in resamples(n, draws, seed, block)])
    why = (
        f"Threshold {chosen:.4g}, with the largest F1, {values.max():.3f} (by chance it could lie from {_ends(moved)})."
    )
    return ThresholdFound("f1", percentile(chosen, moved), why, points=points_of(p, event), rows=n)


def by_precision(p: Floats, event: np.ndarray, wanted: float) -> ThresholdFound:
    """The lowest threshold, hence the most recall, whose precision surely is `wanted` (bound of 95 %)."""
    order = np.argsort(-p, kind="stable")
    count = assured_count(p[order], event[order], wanted)
    if not count:
        best = _between(float(p.max()), 1.0) if len(p) else 0.5
        why = f"No threshold surely has a precision of {wanted:g} on these {len(p):,} rows: {best:.4g} decides none."
        return ThresholdFound("precision", Interval(best, best, best), why, points=points_of(p, event), rows=len(p))
    chosen = _cut_after(p[order], count)
    low, high = share_bounds(int(event[order][:count].sum()), count)
    recall = float(event[order][:count].sum() / max(event.sum(), 1))
    why = (
        f"Threshold {chosen:.4g}, the lowest whose precision surely is {wanted:g}: "
        f"{event[order][:count].mean():.3f} [{low:.3f}, {high:.3f}] of {count:,} rows, recall {recall:.3f}."
    )
    return ThresholdFound(
        "precision", Interval(chosen, chosen, chosen), why, points=points_of(p, event), rows=len(p)
    )  # fmt: skip


def by_recall(p: Floats, event: np.ndarray, wanted: float) -> ThresholdFound:
    """The highest threshold, hence the most precision, whose recall surely is `wanted`.

    By order statistics: with confidence 1 - DELTA at least a share `wanted` of all events scores above the r-th lowest
    of m events, r the largest with P(Binomial(m, 1 - wanted) < r) <= DELTA. Source: Wilks (1941).
    """
    from scipy.stats import binom

    found = np.sort(p[event])
    rank = int(binom.ppf(DELTA, len(found), 1.0 - wanted)) if len(found) else 0
    while rank > 0 and binom.cdf(rank - 1, len(found), 1.0 - wanted) > DELTA:
        rank -= 1
    if rank == 0:
        chosen, told = (
            _between(0.0, float(p.min()) if len(p) else 1.0),
            "too few events for more: every row is positive",
        )
    else:
        below = p[p < found[rank - 1]]
        chosen = _between(float(below.max()) if len(below) else 0.0, float(found[rank - 1]))
        told = f"the highest whose recall surely is {wanted:g}: {(found > chosen).mean():.3f} of {len(found):,} events"
    said = p > chosen
    precision = float(event[said].mean()) if said.any() else 0.0
    why = f"Threshold {chosen:.4g}, {told}; precision {precision:.3f}."
    return ThresholdFound("recall", Interval(chosen, chosen, chosen), why, points=points_of(p, event), rows=len(p))


def by_hand(p: Floats, event: np.ndarray, threshold: float) -> ThresholdFound:
    """The threshold that the project states."""
    why = f"Threshold {threshold:g}, set by hand."
    return ThresholdFound(
        "by hand", Interval(threshold, threshold, threshold), why, points=points_of(p, event), rows=len(p)
    )


def points_of(p: Floats, event: np.ndarray, costs: Costs | None = None) -> tuple[dict[str, float], ...]:
    """What thresholds from 0.01 to 0.99 would mean on these rows: at most SHOWN lines."""
    lines = []
    events = max(int(event.sum()), 1)
    for threshold in np.linspace(0.0, 1.0, SHOWN)[1:-1].round(4).tolist():
        said = p > threshold
        caught, count = int((said & event).sum()), int(said.sum())
        line = {
            "threshold": threshold,
            "precision": caught / count if count else 0.0,
            "recall": caught / events,
            "f1": 2.0 * caught / max(count + int(event.sum()), 1),
            "flagged": count / max(len(p), 1),
        }
        if costs is not None:
            line["cost"] = float(np.where(said, costs.if_positive, costs.if_negative).mean())
        lines.append({name: round(value, 6) for name, value in line.items()})
    return tuple(lines)


def _cut_after(descending: Floats, count: int) -> float:
    """A threshold that decides the first `count` of the rows positive, and no other."""
    low = float(descending[count]) if count < len(descending) else 0.0
    return _between(low, float(descending[count - 1]))


def _ends(moved: Floats) -> str:
    low, high = np.quantile(moved, [0.025, 0.975])
    return f"{low:.3g} to {high:.3g}"


def _spread(found: Interval) -> str:
    return f"{found.value:.4g} [{found.low:.4g}, {found.high:.4g}]"
