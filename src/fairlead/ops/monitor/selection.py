"""Whose truth was told: labels that do not come at random, corrected where what was seen explains it, else bounded.

Rows with and without a label are told apart by a small tree over columns, scores, decision and time, which splits
only where chance would hardly do. One leaf: labels come at random as far as one can see ("as labelled"). Several, each
with labels: rows are weighted by how rarely their like was labelled ("corrected", post-stratification). Rows whose like
was never labelled, or labels that name one class alone where others must have happened: no weight mends that, and
performance has bounds, the worst and the best that the missing truth could be, and those of a stated assumption.
Sources: Little and Rubin, Statistical analysis with missing data (2002); Kish, Survey sampling (1965), for the
effective rows; Manski, Partial identification of probability distributions (2003), for the bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from fairlead.contract.evidence import Interval
from fairlead.contract.profile import Reference
from fairlead.contract.signature import Signature

if TYPE_CHECKING:
    from fairlead.lab.stats.alike import Counted

How = Literal["as labelled", "corrected", "bounds"]
FEWEST_UNLABELLED = 10
FEWEST_IN_LEAF = 5
"""Labels without which rows of a leaf count as never labelled."""
OVERLOOKED = 0.01
"""Share of rows whose like was never labelled that is passed over."""
CERTAIN = 10.0
"""Rows of other classes that must be expected among the labelled ones for their absence to be no chance (e^-10)."""
GAMMA = 2.0
"""The stated assumption of the narrower bounds: unlabelled rows lose at least half and at most twice what rows like
them let expect."""
DRAWS = 200
TIMES = 10


@dataclass(frozen=True)
class Selection:
    """Whose labels came. weights: (labelled,) of the labelled rows, mean 1. effective: rows that they are worth.

    share: labelled among the answered. by: columns that it depends on. why: in a sentence. missing: (rows,) rows
    that no label speaks for. outcome: whether it depends on the truth itself. chance: how likely such a selection is if
    labels came at random, all that was tried counted; 1 where nothing was found.
    """

    how: How
    weights: np.ndarray
    effective: float
    share: float
    why: str
    by: tuple[str, ...] = ()
    missing: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    outcome: bool = False
    chance: float = 1.0

    @property
    def plain(self) -> bool:
        """Whether labelled rows stand for all of them as they are."""
        return self.how == "as labelled"


def selection_of(
    reference: Reference,
    signature: Signature,
    columns: Mapping[str, np.ndarray],
    scores: np.ndarray,
    times: np.ndarray,
    truth: np.ndarray,
    labelled: np.ndarray,
) -> Selection:
    """How the labels of a window were chosen. scores: (n, outputs), NaN where there is none; times, truth: (n,), or
    (n, horizon); labelled: (n,) bool.
    """
    rows, told = len(labelled), int(labelled.sum())
    share = told / rows if rows else 0.0
    if rows - told < FEWEST_UNLABELLED or not told or scores.ndim != 2:
        return _as_labelled(told, share, "nearly every row has its label" if told else "no row has a label")
    outcome = _one_class_alone(reference, signature, scores, truth, labelled)
    if outcome:
        return Selection(
            "bounds", np.ones(told), float(told), share, outcome, missing=~labelled, outcome=True,
            chance=float(np.exp(-CERTAIN)),
        )  # fmt: skip
    from fairlead.lab.stats.alike import grow, leaf_of, leaves_in

    counted = _cells(reference, signature, columns, scores, times)
    tree = grow(counted, labelled.astype(np.float64), least=30)
    if leaves_in(tree) == 1:
        return _as_labelled(told, share, "whether a row was labelled depends on nothing that was seen of it")
    leaf = leaf_of(tree, counted)
    count = np.bincount(leaf, minlength=leaves_in(tree))
    known = np.bincount(leaf[labelled], minlength=leaves_in(tree))
    unheard = known < FEWEST_IN_LEAF
    missing = unheard[leaf]
    by = tuple(name.removeprefix("score:") for name in tree.columns)
    weights = (count / np.maximum(known, 1))[leaf[labelled]]
    weights = np.where(unheard[leaf[labelled]], 1.0, weights)
    weights = weights / weights.mean()
    effective = float(weights.sum() ** 2 / (weights**2).sum())
    chance = _chance(count, known, share, int(counted.sizes.sum()))
    on = ", ".join(by)
    if missing.mean() > OVERLOOKED:
        why = f"of {missing.mean():.0%} of the rows (by {on}) hardly any was labelled, so no label speaks for them"
        return Selection("bounds", weights, effective, share, why, by, missing & ~labelled, False, chance)
    worth = f"weighted for it, {told} count as {effective:.0f}"
    why = f"labels came more often for some rows than for others (by {on}); {worth}"
    return Selection("corrected", weights, effective, share, why, by, np.zeros(rows, dtype=bool), False, chance)


def _as_labelled(told: int, share: float, why: str) -> Selection:
    return Selection("as labelled", np.ones(told), float(told), share, why)


def _chance(count: np.ndarray, known: np.ndarray, share: float, tried: int) -> float:
    """Of the leaf that was labelled least: the probability of so few labels, times the bins that were tried."""
    from scipy.special import bdtr

    least = min((float(bdtr(k, n, share)) for k, n in zip(known.tolist(), count.tolist(), strict=True)), default=1.0)
    return min(least * tried, 1.0)


def _one_class_alone(
    reference: Reference, signature: Signature, scores: np.ndarray, truth: np.ndarray, labelled: np.ndarray
) -> str:
    """Why labels must depend on the truth: one class alone, where calibrated probabilities expect others, too."""
    if signature.task != "classification" or reference.estimation is None:
        return ""
    from fairlead.lab.stats import class_codes
    from fairlead.lab.stats.estimating import probabilities_by

    codes = class_codes(truth[labelled], signature.classes)
    if len(set(codes.tolist())) != 1:
        return ""
    likely = probabilities_by(reference.estimation.curves, scores[labelled])
    others = float(np.nansum(1.0 - likely[:, codes[0]]))
    if others < CERTAIN:
        return ""
    name = signature.classes[codes[0]]
    return (
        f"every label says {name!r}, where about {others:.0f} others were to be expected: "
        "whether a label comes depends on the truth itself"
    )


def _cells(
    reference: Reference,
    signature: Signature,
    columns: Mapping[str, np.ndarray],
    scores: np.ndarray,
    times: np.ndarray,
) -> Counted:
    from fairlead.lab.stats.alike import counted_cells
    from fairlead.lab.stats.measures import decisions

    bins = [c.bins for c in reference.profile.columns if c.bins.name in columns]
    scored = [c.bins for c in reference.profile.scores]
    found = counted_cells(columns, bins, scores if scored else None, scored)
    edges = np.unique(np.quantile(times, np.linspace(0, 1, TIMES + 1)[1:-1]))
    names, codes = ["time"], [np.searchsorted(edges, times, side="right")]
    sizes, ordered = [len(edges) + 2], [True]
    if signature.task == "classification":
        names.append("decision")
        codes.append(decisions(np.nan_to_num(scores), signature))
        sizes.append(len(signature.classes) + 1)
        ordered.append(False)
    return found._replace(
        names=(*found.names, *names),
        codes=np.column_stack([found.codes, *codes]),
        sizes=np.concatenate([found.sizes, sizes]),
        ordered=np.concatenate([found.ordered, ordered]),
    )


def weighted_intervals(
    signature: Signature, truth: np.ndarray, scores: np.ndarray, weights: np.ndarray, seed: int = 0
) -> dict[str, Interval]:
    """Every metric of labelled rows that stand for others by their weights, with its 95 % interval. All: (m, ...)."""
    from fairlead.lab.stats.intervals import percentile, resamples
    from fairlead.lab.stats.measures import weighted_metrics

    values = weighted_metrics(signature.task, truth, scores, signature, weights[None, :])
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in values}
    for times in resamples(len(weights), DRAWS, seed):
        for name, some in weighted_metrics(signature.task, truth, scores, signature, times * weights).items():
            drawn[name].append(some)
    return {n: percentile(float(v[0]), np.concatenate(drawn[n])) for n, v in values.items() if np.isfinite(v[0])}


def bounds_of(
    reference: Reference,
    signature: Signature,
    columns: Mapping[str, np.ndarray],
    scores: np.ndarray,
    row_losses: np.ndarray,
    right: np.ndarray,
    selection: Selection,
) -> tuple[dict[str, Interval], dict[str, Interval]]:
    """Loss (and accuracy) over all rows: bounds that assume nothing, and those under the assumption of `GAMMA`.

    row_losses, right: (labelled,) losses and whether decided rightly, NaN in `right` of numbers. value: with what
    rows like the missing ones let expect.
    """
    missing = selection.missing
    spoken = 1.0 - float(missing.mean())
    expected, least, most = _of_missing(reference, signature, columns, scores, missing)
    within = np.ones(len(row_losses)) if selection.outcome else selection.weights
    known = float(np.average(row_losses, weights=within))
    gap = float(missing.mean())
    free = {"loss": Interval(_mix(known, spoken, expected, gap), _mix(known, spoken, least, gap),
                             _mix(known, spoken, most, gap))}  # fmt: skip
    low, high = np.maximum(expected / GAMMA, least), np.minimum(expected * GAMMA, most)
    stated = {"loss": Interval(free["loss"].value, _mix(known, spoken, low, gap), _mix(known, spoken, high, gap))}
    if signature.task == "classification":
        hits = float(np.average(right, weights=within))
        free["accuracy"] = Interval(spoken * hits + gap / 2.0, spoken * hits, spoken * hits + gap)
    return free, stated


def _mix(known: float, spoken: float, others: np.ndarray, gap: float) -> float:
    return spoken * known + gap * (float(others.mean()) if len(others) else 0.0)


def _of_missing(
    reference: Reference,
    signature: Signature,
    columns: Mapping[str, np.ndarray],
    scores: np.ndarray,
    missing: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of rows that no label speaks for: the loss to be expected, the least and the most it can be, (m,) each."""
    from fairlead.lab.stats.estimating import row_losses
    from fairlead.ops.monitor.estimates import counted_of

    rows = np.flatnonzero(missing)
    said = scores[rows]
    if signature.task == "classification":
        squares = 0.5 * ((said * said).sum(axis=1, keepdims=True) - 2.0 * said + 1.0)
        least, most = squares.min(axis=1), squares.max(axis=1)
    else:
        least, most = np.zeros(len(rows)), np.ones(len(rows))
    if reference.estimation is None:
        return (least + most) / 2.0, least, most
    counted = counted_of(reference, columns, scores, rows)
    expected = np.clip(row_losses(reference.estimation, signature, counted, said), least, most)
    return expected, least, most
