"""Metrics that probabilities let expect, before anyone knows the truth, with the deviation that chance alone gives.

If P(class | row) is what the probabilities say and rows are told apart by nothing else, then a metric of the labels
that will come has this mean (ratios: of the expectations) and this deviation (delta method: the metric's derivative by
each label, times that label's own variance). Both are exact for accuracy, log loss and Brier score.
Source: Guillory et al., Predicting with confidence on unseen distributions (2021); Bialek, Kuberski, Perrakis and
Bifet, Estimating model performance under covariate shift without labels (2024).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fairlead.contract.signature import Signature
from fairlead.lab.stats.measures import Floats, decisions, positive_index

ESTIMATED: tuple[str, ...] = ("accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "brier")
_EPS = float(np.finfo(np.float64).eps)


class Expected(NamedTuple):
    """A metric's expectation, and its deviation by the chance of labels alone."""

    value: float
    chance: float


def expected_metrics(probabilities: Floats, scores: Floats, signature: Signature) -> dict[str, Expected]:
    """Every metric of `ESTIMATED` that these rows can give.

    probabilities: (n, k), rows sum to 1, what really happens; scores: (n, k), what the model said, by which it decides.
    """
    n, k = scores.shape
    if not n:
        return {}
    decided = decisions(scores, signature)
    chosen = [positive_index(signature)] if k == 2 else list(range(k))
    found: dict[str, Expected] = {}
    own = np.zeros((n, k))
    own[np.arange(n), decided] = 1.0 / n
    found["accuracy"] = _linear(probabilities, own)
    nats = -np.log(np.clip(scores / np.maximum(scores.sum(axis=1, keepdims=True), _EPS), _EPS, 1.0))
    found["log_loss"] = _linear(probabilities, nats / n)
    squares = 0.5 * ((scores * scores).sum(axis=1, keepdims=True) - 2.0 * scores + 1.0)
    found["brier"] = _linear(probabilities, squares / n)
    parts = [_one_class(probabilities[:, c], decided == c, scores[:, c]) for c in chosen]
    for name in ("precision", "recall", "f1", "roc_auc"):
        known = [(c, part[name]) for c, part in zip(chosen, parts, strict=True) if name in part]
        if not known:
            continue
        gradient = np.zeros((n, k))
        for c, (_, slope) in known:
            gradient[:, c] = slope / len(known)
        value = float(np.mean([v for _, (v, _) in known]))
        found[name] = Expected(value, _chance(probabilities, gradient))
    return found


def _linear(probabilities: Floats, parts: Floats) -> Expected:
    """Of a metric that is a sum over rows. parts: (n, k), what a row adds if its class is k."""
    return Expected(float((probabilities * parts).sum()), _chance(probabilities, parts))


def _chance(probabilities: Floats, gradient: Floats) -> float:
    mean = (probabilities * gradient).sum(axis=1)
    variance = (probabilities * gradient * gradient).sum(axis=1) - mean * mean
    return float(np.sqrt(max(float(variance.sum()), 0.0)))


def _one_class(p: Floats, said: np.ndarray, score: Floats) -> dict[str, tuple[float, Floats]]:
    """Value and derivative by each row's label (n,) of the metrics of one class against the rest."""
    hits, claims, events = float(p[said].sum()), float(said.sum()), float(p.sum())
    others = len(p) - events
    found: dict[str, tuple[float, Floats]] = {}
    if claims > 0:
        found["precision"] = hits / claims, said / claims
    if events > 0:
        recall = hits / events
        found["recall"] = recall, (said - recall) / events
    if claims + events > 0:
        both = claims + events
        f1 = 2.0 * hits / both
        found["f1"] = f1, (2.0 * said - f1) / both
    if events > _EPS and others > _EPS:
        found["roc_auc"] = _area(p, score, events, others)
    return found


def _area(p: Floats, score: Floats, events: float, others: float) -> tuple[float, Floats]:
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    group = np.cumsum(first) - 1
    positive = np.bincount(group, weights=p[order])
    negative = np.bincount(group, weights=1.0 - p[order])
    # Of each group of equal scores: negatives below it and half of its own; positives above it and half of its own.
    lower = np.cumsum(negative) - 0.5 * negative
    upper = positive.sum() - np.cumsum(positive) + 0.5 * positive
    area = float((positive * lower).sum() / (events * others))
    slope = np.empty(len(p))
    slope[order] = ((lower - upper) / (events * others))[group]
    return area, slope - area / events + area / others
