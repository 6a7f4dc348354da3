"""How good answers were: every metric of a task, for one set of rows or for many resamples of it at once.

One implementation takes row weights, shape (draws, rows), so a bootstrap of 1,000 draws
costs a few matrix operations instead of 1,000 calls. Plain metrics are the case of one
draw with weight 1 everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import ShapeMismatch
from fairlead.contract.signature import UNSUPERVISED, Signature, Task

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LOWER_IS_BETTER: frozenset[str] = frozenset(
    {
        "log_loss",
        "brier",
        "mse",
        "rmse",
        "mae",
        "alert_rate",
        "davies_bouldin",
        "mase",
        "smape",
        "pinball",
        "coverage_error",
    }
)
CLASSIFICATION: tuple[str, ...] = (
    "accuracy", "precision", "recall", "f1", "roc_auc", "pr_auc", "log_loss", "brier",
)  # fmt: skip
REGRESSION: tuple[str, ...] = ("mse", "rmse", "mae", "r2")
ANOMALY: tuple[str, ...] = ("roc_auc", "pr_auc", "precision", "recall", "f1", "precision_at_k", "alert_rate")
FORECASTING: tuple[str, ...] = ("mae", "rmse", "mase", "smape", "bias")
CLUSTERING: tuple[str, ...] = (
    "silhouette", "calinski_harabasz", "davies_bouldin", "stability", "largest_share", "smallest_share",
    "adjusted_rand", "nmi",
)  # fmt: skip
_EPS = float(np.finfo(np.float64).eps)


def class_codes(truth: npt.ArrayLike, classes: Sequence[str]) -> Ints:
    """Position of each label in `classes`, -1 for a label that is none of them. Shape (n,).

    Labels are compared as text; whole floats and booleans read as they are written in tables (`1.0` as `1`).
    """
    found = np.asarray(truth)
    position = {name: i for i, name in enumerate(classes)}
    unique, inverse = _unique(found)
    table = np.array([position.get(label_text(u), -1) for u in unique], dtype=np.int64)
    return table[inverse] if len(unique) else np.zeros(0, dtype=np.int64)


def label_text(value: object) -> str:
    """A target's cell as the class label it stands for."""
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _unique(values: npt.NDArray[np.generic]) -> tuple[list[object], Ints]:
    if values.dtype != object:
        unique, inverse = np.unique(values, return_inverse=True)
        return list(unique), inverse.reshape(-1).astype(np.int64)
    cells = values.tolist()
    # In order of appearance; both loops over the rows are C's.
    seen = {cell: at for at, cell in enumerate(dict.fromkeys(cells))}
    return list(seen), np.fromiter(map(seen.__getitem__, cells), dtype=np.int64, count=len(cells))


def positive_index(signature: Signature) -> int:
    """Which score column is the event's: `positive`, else the last class."""
    if signature.positive in signature.classes:
        return signature.classes.index(str(signature.positive))
    return len(signature.classes) - 1


def decisions(scores: Floats, signature: Signature) -> Ints:
    """The class each row of `scores` (n, k) is decided to be, by the signature's rule. Shape (n,)."""
    decided: Ints = np.argmax(scores, axis=1).astype(np.int64)
    if len(signature.classes) == 2:
        positive = positive_index(signature)
        decided = np.where(scores[:, positive] > signature.threshold, positive, 1 - positive).astype(np.int64)
    return decided


def metrics(task: Task, truth: npt.ArrayLike, scores: npt.ArrayLike, signature: Signature) -> dict[str, float]:
    """Every metric of the task for these rows.

    truth: shape (n,), class labels as tables write them, or numbers.
    scores: shape (n, k), one column per class in the signature's order, or (n, 1) predicted numbers.
    Classification: accuracy, precision, recall, f1 (of the positive class; macro averages beyond two
    classes), roc_auc and pr_auc (average precision; one class against the rest, macro), log_loss in nats,
    brier (beyond two classes half the squared distance). Regression: mse, rmse, mae, r2. Forecasting: see
    `forecasts.forecast_metrics` (truth: (n, horizon), NaN for what is not due; mase: in reports alone). Anomaly: see
    `strangeness.anomaly_metrics`. Clustering: adjusted_rand and nmi, of rows whose group is known.
    A metric that these rows cannot give (an AUC with one class present, r2 of a constant) is left out.
    Raises ShapeMismatch when lengths or columns do not agree.
    """
    weights = np.ones((1, len(truth) if isinstance(truth, list) else len(np.asarray(truth))))
    found = weighted_metrics(task, truth, scores, signature, weights)
    return {name: float(v[0]) for name, v in found.items() if np.isfinite(v[0])}


def weighted_metrics(
    task: Task, truth: npt.ArrayLike, scores: npt.ArrayLike, signature: Signature, weights: Floats
) -> dict[str, Floats]:
    """The same metrics for many resamples at once: `weights` (draws, n), each value (draws,), NaN where undefined."""
    table = np.asarray(scores, dtype=np.float64)
    table = table.reshape(len(table), -1)
    if task == "forecasting":
        from fairlead.lab.stats.forecasts import forecast_metrics

        return forecast_metrics(truth, table, weights) if len(table) else {}
    n = len(np.asarray(truth))
    columns = table.shape[1] if task == "clustering" else len(signature.classes) if task == "classification" else 1
    if table.shape != (n, columns) or weights.shape[1] != n:
        raise ShapeMismatch(
            f"truth has {n} rows, scores have shape {table.shape}, expected ({n}, {columns}); "
            f"weights have {weights.shape[1]} columns"
        )
    if n == 0:
        return {}
    with np.errstate(divide="ignore", invalid="ignore"):
        if task == "classification":
            return _classification(class_codes(truth, signature.classes), table, signature, weights)
        if task in UNSUPERVISED:
            return _unsupervised(task, np.asarray(truth), table, signature, weights)
        if signature.quantile:
            from fairlead.lab.stats.pinball import quantile_metrics

            return quantile_metrics(np.asarray(truth, dtype=np.float64), table[:, 0], signature.quantile, weights)
        return _regression(np.asarray(truth, dtype=np.float64), table[:, 0], weights)


def _classification(codes: Ints, scores: Floats, signature: Signature, weights: Floats) -> dict[str, Floats]:
    n, k = scores.shape
    total = weights.sum(axis=1)
    decided = decisions(scores, signature)
    precision, recall, f1 = _precision_recall(codes, decided, k, weights, signature)
    known = codes >= 0
    own = np.where(known, scores[np.arange(n), np.maximum(codes, 0)], 0.0)
    nats = -np.log(np.clip(own / np.maximum(scores.sum(axis=1), _EPS), _EPS, 1.0))
    roc, pr = _areas(codes, scores, signature, weights)
    return {
        "accuracy": weights @ (decided == codes).astype(np.float64) / total,
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "roc_auc": roc,
        "pr_auc": pr,
        "log_loss": weights @ nats / total,
        "brier": weights @ half_squared_distance(codes, scores) / total,
    }


def _unsupervised(
    task: Task, truth: npt.NDArray[np.generic], scores: Floats, signature: Signature, weights: Floats
) -> dict[str, Floats]:
    from fairlead.lab.stats.grouping import agreement
    from fairlead.lab.stats.strangeness import anomaly_metrics

    if task == "anomaly":
        return anomaly_metrics(truth.astype(np.float64), scores, signature, weights)
    known = np.array([value is not None for value in truth], dtype=bool)
    if not known.any():
        return {}
    groups = np.unique([label_text(value) for value in truth[known]], return_inverse=True)[1]
    return agreement(groups, scores[known].argmax(axis=1), weights[:, known])


def half_squared_distance(codes: Ints, scores: Floats) -> Floats:
    """Half the squared distance between probabilities (n, k) and the truth as a corner; with two classes (p - y)^2."""
    own = np.where(codes >= 0, scores[np.arange(len(codes)), np.maximum(codes, 0)], 0.0)
    reached = (codes >= 0).astype(np.float64)
    found: Floats = 0.5 * ((scores * scores).sum(axis=1) - 2.0 * own + reached)
    return found


def _precision_recall(
    codes: Ints, decided: Ints, k: int, weights: Floats, signature: Signature
) -> tuple[Floats, Floats, Floats]:
    chosen = [positive_index(signature)] if k == 2 else list(range(k))
    said = np.stack([decided == c for c in chosen]).astype(np.float64)
    true = np.stack([codes == c for c in chosen]).astype(np.float64)
    hits, claims, events = weights @ (said * true).T, weights @ said.T, weights @ true.T
    precision = np.divide(hits, claims, out=np.zeros_like(hits), where=claims > 0)
    recall = np.divide(hits, events, out=np.zeros_like(hits), where=events > 0)
    both = claims + events
    f1 = np.divide(2.0 * hits, both, out=np.zeros_like(hits), where=both > 0)
    # As in sklearn, a class that neither occurs nor is predicted has no part in the macro average.
    present = both > 0
    count = np.maximum(present.sum(axis=1), 1)
    return precision.sum(axis=1) / count, recall.sum(axis=1) / count, f1.sum(axis=1) / count


def _areas(codes: Ints, scores: Floats, signature: Signature, weights: Floats) -> tuple[Floats, Floats]:
    k = scores.shape[1]
    if k == 2:
        chosen = positive_index(signature)
        return ranking_areas(codes == chosen, scores[:, chosen], weights)
    pairs = [ranking_areas(codes == c, scores[:, c], weights) for c in range(k)]
    # nanmean warns on an empty slice; a draw with one class present has no area at all.
    return _mean_of_defined([p[0] for p in pairs]), _mean_of_defined([p[1] for p in pairs])


def _mean_of_defined(parts: list[Floats]) -> Floats:
    table = np.stack(parts)
    there = np.isfinite(table)
    return np.where(there.any(axis=0), np.where(there, table, 0.0).sum(axis=0) / there.sum(axis=0), np.nan)


def ranking_areas(event: npt.NDArray[np.bool_], score: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Area under the ROC curve and average precision, ties counted as in sklearn. Each of shape (draws,).

    event, score: shape (n,); weights: shape (draws, n). NaN in draws where one class is absent.
    """
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.diff(score[order], append=-np.inf))
    ends = ends if len(ends) else np.array([len(order) - 1])
    ordered = weights[:, order]
    hit = event[order].astype(np.float64)
    true_positive = np.cumsum(ordered * hit, axis=1)[:, ends]
    predicted = np.cumsum(ordered, axis=1)[:, ends]
    false_positive = predicted - true_positive
    events, others = true_positive[:, -1], false_positive[:, -1]
    steps_fp = np.diff(false_positive, axis=1, prepend=0.0)
    previous_tp = np.concatenate([np.zeros((len(weights), 1)), true_positive[:, :-1]], axis=1)
    area = (steps_fp * (true_positive + previous_tp)).sum(axis=1) / 2.0
    precision = np.divide(true_positive, predicted, out=np.zeros_like(predicted), where=predicted > 0)
    average = (np.diff(true_positive, axis=1, prepend=0.0) * precision).sum(axis=1)
    undefined = (events <= 0) | (others <= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(undefined, np.nan, area / (events * others)), np.where(undefined, np.nan, average / events)


def _regression(truth: Floats, predicted: Floats, weights: Floats) -> dict[str, Floats]:
    total = weights.sum(axis=1)
    error = predicted - truth
    # Centred once, so that the variance below does not cancel for truths far from zero.
    centred = truth - truth.mean()
    squares = weights @ (error * error)
    spread = weights @ (centred * centred) - (weights @ centred) ** 2 / total
    flat = spread <= _EPS * np.maximum(weights @ (truth * truth), 1e-300)
    return {
        "mse": squares / total,
        "rmse": np.sqrt(squares / total),
        "mae": weights @ np.abs(error) / total,
        "r2": np.where(flat, np.nan, 1.0 - squares / spread),
    }
