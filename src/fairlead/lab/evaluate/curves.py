"""Points to draw: ROC, precision and recall, calibration, thresholds, confusion, residuals."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.contract.signature import Signature
from fairlead.lab.stats.measures import Floats, class_codes, decisions, metrics, positive_index

POINTS = 201
BINS = 10
DOTS = 600


def curves_of(truth: np.ndarray, scores: Floats, signature: Signature) -> dict[str, Any]:
    """Everything drawn for this task; lists of plain numbers."""
    if signature.task != "classification":
        return {"residuals": residuals(np.asarray(truth, dtype=np.float64), scores[:, 0])}
    codes = class_codes(truth, signature.classes)
    found: dict[str, Any] = {"confusion": confusion(codes, scores, signature)}
    shown = [positive_index(signature)] if len(signature.classes) == 2 else range(len(signature.classes))
    for c in shown:
        event = codes == c
        if event.any() and not event.all():
            name = signature.classes[c]
            found.setdefault("ranking", []).append({"class": name, **ranking(event, scores[:, c])})
            found.setdefault("calibration", []).append({"class": name, "bins": calibration(event, scores[:, c])})
    if len(signature.classes) == 2:
        found["thresholds"] = thresholds(truth, scores, signature)
        event = codes == positive_index(signature)
        if event.any():
            found["gains"] = gains(event, scores[:, positive_index(signature)])
        found["separation"] = separation(codes == positive_index(signature), scores[:, positive_index(signature)])
    return found


def ranking(event: np.ndarray, score: Floats) -> dict[str, list[float]]:
    """ROC (fpr, tpr) and precision over recall, thinned to about 200 points."""
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.diff(score[order], append=-np.inf))
    hits = np.cumsum(event[order])[ends].astype(np.float64)
    said = ends + 1.0
    tpr = np.concatenate([[0.0], hits / event.sum()])
    fpr = np.concatenate([[0.0], (said - hits) / (~event).sum()])
    precision = np.concatenate([[hits[0] / said[0]], hits / said])
    at = np.unique(np.linspace(0, len(tpr) - 1, POINTS).round().astype(int))
    return {"fpr": _plain(fpr[at]), "tpr": _plain(tpr[at]), "precision": _plain(precision[at])}


def gains(event: np.ndarray, score: Floats) -> dict[str, Any]:
    """Share of all events found (`found`) among the share of rows with the highest scores; events: their share."""
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.diff(score[order], append=-np.inf))
    hits = np.concatenate([[0.0], np.cumsum(event[order])[ends] / event.sum()])
    share = np.concatenate([[0.0], (ends + 1.0) / len(score)])
    at = np.unique(np.linspace(0, len(share) - 1, POINTS).round().astype(int))
    return {"share": _plain(share[at]), "found": _plain(hits[at]), "events": float(event.mean())}


def calibration(event: np.ndarray, score: Floats) -> list[dict[str, float]]:
    """Bins of equal rows: mean probability said, share that happened with its 95 % Wilson interval, rows."""
    made = []
    for part in np.array_split(np.argsort(score, kind="stable"), min(BINS, len(score))):
        share, n, z = float(event[part].mean()), len(part), 1.96
        middle = (share + z * z / (2 * n)) / (1 + z * z / n)
        half = z * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))) / (1 + z * z / n)
        made.append(
            {
                "said": float(score[part].mean()),
                "happened": share,
                # Rounding must not take a share of 0 or 1 out of its own interval.
                "low": min(max(middle - half, 0.0), share),
                "high": max(min(middle + half, 1.0), share),
                "rows": n,
            }
        )
    return made


def confusion(codes: np.ndarray, scores: Floats, signature: Signature) -> list[list[int]]:
    """Rows by true class (line) and decided class (column), at the signature's threshold."""
    k = len(signature.classes)
    known = codes >= 0
    pairs = codes[known] * k + decisions(scores[known], signature)
    table: list[list[int]] = np.bincount(pairs, minlength=k * k).reshape(k, k).tolist()
    return table


def thresholds(truth: np.ndarray, scores: Floats, signature: Signature) -> list[dict[str, float]]:
    """What each threshold from 0.05 to 0.95 would mean: precision, recall, f1, share of rows decided positive."""
    import msgspec

    positive = positive_index(signature)
    rows = []
    for step in range(1, 20):
        at = step / 20
        moved = msgspec.structs.replace(signature, threshold=at, positive=signature.classes[positive])
        found = metrics("classification", truth, scores, moved)
        kept = {name: found[name] for name in ("accuracy", "precision", "recall", "f1")}
        rows.append({"threshold": at, **kept, "flagged": float((scores[:, positive] > at).mean())})
    return rows


def separation(event: np.ndarray, score: Floats) -> dict[str, list[float]]:
    """Histograms of the score where the event happened and where it did not: shares of rows in twentieths."""
    edges = np.linspace(0, 1, 21)
    shares = [np.histogram(score[part], edges)[0] / max(int(part.sum()), 1) for part in (event, ~event)]
    return {"happened": _plain(shares[0]), "not": _plain(shares[1])}


def residuals(truth: Floats, predicted: Floats) -> dict[str, Any]:
    """Predicted against true (at most 600 rows, evenly spaced), the errors' histogram, the error by size of answer."""
    error = predicted - truth
    at = np.unique(np.linspace(0, len(truth) - 1, min(DOTS, len(truth))).round().astype(int))
    low, high = np.quantile(error, [0.005, 0.995])
    counts, edges = np.histogram(error, 30, (float(low), float(max(high, low + 1e-12))))
    parts = np.array_split(np.argsort(predicted, kind="stable"), min(BINS, len(truth)))
    return {
        "truth": _plain(truth[at]),
        "predicted": _plain(predicted[at]),
        "edges": _plain(edges),
        "counts": [int(c) for c in counts],
        "by_size": [
            {
                "predicted": float(predicted[p].mean()),
                "error": float(error[p].mean()),
                "absolute": float(np.abs(error[p]).mean()),
            }
            for p in parts
        ],
    }


def _plain(values: Floats) -> list[float]:
    return [round(float(v), 6) for v in values]
