"""How good an anomaly detection is: with labels by how it ranks and flags, without them by how often it flags."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fairlead.contract.signature import Signature
from fairlead.lab.stats.measures import Floats, ranking_areas


def anomaly_metrics(truth: Floats, scores: Floats, signature: Signature, weights: Floats) -> dict[str, Floats]:
    """Metrics of many resamples at once, each (draws,), NaN where undefined.

    truth: (n,) 1 for an anomaly, 0 for none, NaN where nobody knows; scores: (n, 1), larger is stranger; weights:
    (draws, n). alert_rate: share of all rows above the threshold. Of the rows with a truth: roc_auc and pr_auc (average
    precision), precision and recall of what is flagged, f1 of both, and precision_at_k: of as many of the strangest
    rows as there are anomalies, the share that are (rows of equal score in proportion).
    """
    score = np.asarray(scores, dtype=np.float64).reshape(-1)
    flagged = (score > signature.threshold).astype(np.float64)
    found = {"alert_rate": weights @ flagged / weights.sum(axis=1)}
    known = np.isfinite(truth)
    if not known.any():
        return found
    event, told, flagged = truth[known] > 0.5, weights[:, known], flagged[known]
    roc, pr = ranking_areas(event, score[known], told)
    hits, events, said = told @ (flagged * event), told @ event.astype(np.float64), told @ flagged
    found |= {
        "roc_auc": roc,
        "pr_auc": pr,
        "precision": np.where(said > 0, hits / said, np.where(events > 0, 0.0, np.nan)),
        "recall": np.where(events > 0, hits / events, np.nan),
        "f1": np.where(events > 0, 2.0 * hits / np.maximum(said + events, 1e-300), np.nan),
        "precision_at_k": _precision_at_k(event, score[known], told, events),
    }
    return found


def _precision_at_k(event: npt.NDArray[np.bool_], score: Floats, weights: Floats, events: Floats) -> Floats:
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0.0, True))
    seen = np.cumsum(weights[:, order], axis=1)[:, ends]
    hits = np.cumsum(weights[:, order] * event[order], axis=1)[:, ends]
    zero = np.zeros((len(weights), 1))
    seen, hits = np.concatenate([zero, seen], axis=1), np.concatenate([zero, hits], axis=1)
    taken = [np.interp(k, s, h) for k, s, h in zip(events, seen, hits, strict=True)]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(events > 0, np.array(taken) / events, np.nan)


def best_threshold(truth: Floats, score: Floats) -> float:
    """The threshold above which flagging gives the greatest F1, midway between two scores; the higher of equal ones,
    and never one that flags more than half of the rows.

    truth: (n,) 1 or 0; score: (n,), of rows that the model had not learned from.
    """
    order = np.argsort(-score, kind="stable")
    ordered, hits = score[order], np.cumsum(truth[order])
    ends = np.flatnonzero(np.append(np.diff(ordered) != 0.0, True))
    ends = ends[: max(1, int(np.searchsorted(ends, len(score) // 2)))]
    f1 = 2.0 * hits[ends] / (ends + 1.0 + truth.sum())
    at = int(ends[int(np.argmax(f1))])
    return _midway(float(ordered[at]), float(ordered[at + 1]) if at + 1 < len(ordered) else None)


def share_threshold(score: Floats, share: float) -> float:
    """The threshold above which at most `share` of these scores lie (at least one, where they are not all equal)."""
    ordered = np.sort(score)[::-1]
    wanted = min(max(round(share * len(ordered)), 1), len(ordered))
    # Rows of one score are flagged together or not at all.
    at = int(np.searchsorted(-ordered, -ordered[wanted - 1], side="right"))
    if at > wanted:
        before = int(np.searchsorted(-ordered, -ordered[wanted - 1], side="left"))
        at = before or at
    return _midway(float(ordered[at - 1]), float(ordered[at]) if at < len(ordered) else None)


def _midway(above: float, below: float | None) -> float:
    if below is None:
        return float(np.nextafter(above, -np.inf))
    middle = below + (above - below) / 2.0
    return middle if below <= middle < above else below


def rank_agreement(one: Floats, other: Floats) -> float:
    """Spearman's correlation of two scores of the same rows, ties by their mean rank; 1 where neither varies."""
    first, second = _ranks(one), _ranks(other)
    if not first.std() or not second.std():
        return 1.0 if not first.std() and not second.std() else 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _ranks(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    middle: Floats = ends - (counts - 1) / 2.0
    return middle[inverse]
