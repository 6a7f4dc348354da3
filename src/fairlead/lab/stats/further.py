"""More metrics than those that models are chosen and watched by: what a report tells and a gate may ask for.

They take row weights as `measures.weighted_metrics` does, so that each has its interval from the same resamples.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from fairlead.contract.signature import Signature, Task
from fairlead.lab.stats import measures
from fairlead.lab.stats.measures import Floats, Ints, class_codes, decisions, positive_index

BINARY: tuple[str, ...] = ("balanced_accuracy", "specificity", "mcc", "lift_at_10", "gain_at_10")
MULTICLASS: tuple[str, ...] = ("balanced_accuracy", "mcc", "top_2", "top_3", "top_5")
REGRESSION: tuple[str, ...] = ("median_ae", "mape", "bias")
LOWER_IS_BETTER: frozenset[str] = measures.LOWER_IS_BETTER | {"median_ae", "mape"}
QUANTILE: tuple[str, ...] = ("pinball", "coverage", "coverage_error")
TOP_SHARE = 0.1
_TOP = (2, 3, 5)

Drawn = Callable[[Floats], dict[str, Floats]]


def known_metrics(task: Task) -> tuple[str, ...]:
    """Every metric that a report of this task may hold, so that a gate may name it."""
    if task == "classification":
        return (*measures.CLASSIFICATION, *dict.fromkeys((*BINARY, *MULTICLASS)))
    if task == "regression":
        return (*measures.REGRESSION, *REGRESSION, *QUANTILE)
    named: tuple[str, ...] = getattr(measures, task.upper(), ())
    return named


def further_metrics(task: Task, truth: npt.ArrayLike, scores: npt.ArrayLike, signature: Signature) -> dict[str, float]:
    """The metrics of this module for these rows; what they cannot give is left out. Arguments as of `metrics`."""
    found = drawn_further(task, truth, scores, signature)(np.ones((1, len(np.asarray(truth)))))
    return {name: float(values[0]) for name, values in found.items() if np.isfinite(values[0])}


def drawn_further(task: Task, truth: npt.ArrayLike, scores: npt.ArrayLike, signature: Signature) -> Drawn:
    """What gives the metrics of many resamples at once: weights (draws, n) to {name: (draws,)}, NaN where undefined.

    balanced_accuracy: mean recall of the classes present. specificity: share of the others left alone. mcc: the
    correlation of decision and truth (Gorodkin, 2004). lift_at_10: how many times as frequent the event is among the
    tenth with the highest scores; gain_at_10: the share of all events found there; rows of equal score count in
    proportion. top_k: the truth is among the k likeliest classes. median_ae: median absolute error. mape: mean of
    |error / truth|, left out where a truth is 0. bias: mean of predicted less true.
    """
    table = np.asarray(scores, dtype=np.float64)
    table = table.reshape(len(table), -1)
    if task == "classification":
        return _of_classes(class_codes(truth, signature.classes), table, signature)
    if signature.quantile:
        return lambda _weights: {}
    if task == "regression":
        return _of_numbers(np.asarray(truth, dtype=np.float64), table[:, 0])
    return lambda _weights: {}


def _of_classes(codes: Ints, scores: Floats, signature: Signature) -> Drawn:
    k = len(signature.classes)
    decided = decisions(scores, signature)
    binary = k == 2
    positive = positive_index(signature)
    own = np.where(codes >= 0, scores[np.arange(len(codes)), np.maximum(codes, 0)], -np.inf)
    # How many classes are at least as likely as the true one: ties count against the model.
    rank = (scores >= own[:, None]).sum(axis=1)

    def drawn(weights: Floats) -> dict[str, Floats]:
        table = _confusions(codes, decided, k, weights)
        with np.errstate(divide="ignore", invalid="ignore"):
            true, said = table.sum(axis=2), table.sum(axis=1)
            recalls = np.diagonal(table, axis1=1, axis2=2) / true
            there = true > 0
            found = {
                "balanced_accuracy": np.where(there, recalls, 0.0).sum(axis=1) / there.sum(axis=1),
                "mcc": _correlation(table, true, said),
            }
            if binary:
                found["specificity"] = recalls[:, 1 - positive]
                lift, gain = _top(codes == positive, scores[:, positive], weights)
                found |= {"lift_at_10": lift, "gain_at_10": gain}
            total = weights.sum(axis=1)
            found |= {
                f"top_{t}": weights @ (rank <= t).astype(np.float64) / total for t in _TOP if not binary and t < k
            }
        return found

    return drawn


def _confusions(codes: Ints, decided: Ints, k: int, weights: Floats) -> Floats:
    """Weight of each true class (second axis) decided as each class (third): (draws, k, k)."""
    cell = np.where(codes >= 0, codes * k + decided, k * k)
    cells = np.unique(cell)
    table = np.zeros((len(weights), k * k + 1))
    table[:, cells] = np.stack([weights[:, cell == c].sum(axis=1) for c in cells], axis=1)
    return table[:, : k * k].reshape(-1, k, k)


def _correlation(table: Floats, true: Floats, said: Floats) -> Floats:
    total = true.sum(axis=1)
    right = np.diagonal(table, axis1=1, axis2=2).sum(axis=1)
    covered = right * total - (true * said).sum(axis=1)
    spread = np.sqrt((total**2 - (said**2).sum(axis=1)) * (total**2 - (true**2).sum(axis=1)))
    return np.where(spread > 0, covered / spread, 0.0)


def _top(event: npt.NDArray[np.bool_], score: Floats, weights: Floats) -> tuple[Floats, Floats]:
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.diff(score[order], append=-np.inf))
    rows = np.cumsum(weights[:, order], axis=1)[:, ends]
    hits = np.cumsum(weights[:, order] * event[order], axis=1)[:, ends]
    wanted = TOP_SHARE * rows[:, -1]
    at = (rows < wanted[:, None]).sum(axis=1)
    draw = np.arange(len(weights))
    before = np.maximum(at - 1, 0)
    rows_before = np.where(at > 0, rows[draw, before], 0.0)
    hits_before = np.where(at > 0, hits[draw, before], 0.0)
    part = (wanted - rows_before) / np.maximum(rows[draw, at] - rows_before, 1e-300)
    found = hits_before + part * (hits[draw, at] - hits_before)
    gain = np.where(hits[:, -1] > 0, found / hits[:, -1], np.nan)
    return gain / TOP_SHARE, gain


def _of_numbers(truth: Floats, predicted: Floats) -> Drawn:
    error = predicted - truth
    size = np.abs(error)
    order = np.argsort(size, kind="stable")
    relative = size / np.abs(truth) if np.all(truth != 0) else None

    def drawn(weights: Floats) -> dict[str, Floats]:
        total = weights.sum(axis=1)
        found = {"median_ae": _medians(size[order], weights[:, order]), "bias": weights @ error / total}
        if relative is not None:
            found["mape"] = weights @ relative / total
        return found

    return drawn


def _medians(ascending: Floats, weights: Floats) -> Floats:
    """Weighted medians; with whole weights those of the rows repeated as often."""
    reached = np.cumsum(weights, axis=1)
    half = reached[:, -1:] / 2
    last = len(ascending) - 1
    below = np.minimum((reached < half).sum(axis=1), last)
    above = np.minimum((reached <= half).sum(axis=1), last)
    middle: Floats = 0.5 * (ascending[below] + ascending[above])
    return middle
