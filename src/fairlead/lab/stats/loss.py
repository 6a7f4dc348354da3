"""Per-row losses in [0, 1]: what promises, canaries and gates compare, whatever the task."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import ShapeMismatch
from fairlead.contract.signature import Signature, Task
from fairlead.lab.stats.measures import Floats, class_codes, half_squared_distance
from fairlead.lab.stats.pinball import errors_of

CLIP_QUANTILE = 0.99


def losses(
    task: Task, truth: npt.ArrayLike, scores: npt.ArrayLike, signature: Signature, clip: float = 1.0
) -> npt.NDArray[np.float64]:
    """Loss of each row, shape (n,), in [0, 1].

    Classification: Brier, (p - y)^2; beyond two classes half the squared distance. Regression: the absolute error (of
    a quantile the pinball loss) divided by `clip`, at most 1. Anomaly: 1 where it is decided wrongly, and 0 where
    nobody knows. Clustering: 0, as no single row is right or wrong. Forecasting: the mean absolute error of the steps
    whose truth is known, divided by `clip`, at most 1; 0 where none is. A row whose score is not finite counts as 1.
    truth: shape (n,), of forecasts (n, horizon) with NaN for what is not due; scores: shape (n, k), as for `metrics`.
    Raises ShapeMismatch.
    """
    table = np.asarray(scores, dtype=np.float64)
    table = table.reshape(len(table), -1)
    if task == "forecasting":
        from fairlead.lab.stats.forecasts import forecast_losses

        found = forecast_losses(truth, table, clip)
        return np.nan_to_num(found, nan=0.0)
    n = len(np.asarray(truth))
    if len(table) != n:
        raise ShapeMismatch(f"truth has {n} rows, scores have {len(table)}")
    if task == "classification":
        found = half_squared_distance(class_codes(truth, signature.classes), table)
    elif task == "clustering":
        found = np.zeros(n)
    elif task == "anomaly":
        told = np.asarray(truth, dtype=np.float64)
        wrong = (table[:, 0] > signature.threshold) != (told > 0.5)
        found = np.where(np.isfinite(told) & wrong, 1.0, 0.0)
        found = np.where(np.isfinite(table[:, 0]), found, np.nan)
    else:
        found = errors_of(truth, table[:, 0], signature) / clip
    return np.clip(np.where(np.isfinite(found), found, 1.0), 0.0, 1.0)


def loss_clip(absolute_errors: Floats) -> float:
    """The absolute error that counts as loss 1: the 0.99 quantile of errors on held-out rows.

    Lower would hide how much worse bad rows became; the maximum would let one outlier make all else look like zero.
    Never 0, so that a model that was always right still has a loss.
    """
    errors = np.asarray(absolute_errors, dtype=np.float64)
    errors = errors[np.isfinite(errors)]
    if not len(errors):
        return 1.0
    found = float(np.quantile(errors, CLIP_QUANTILE))
    return found if found > 0 else float(errors.max()) or 1.0
