"""How good forecasts were: errors of every step of many forecasts, over all steps and by step.

A truth that is not due yet is NaN and counts nowhere. Everything takes row weights, as `measures.weighted_metrics`, so
that one matrix product serves a bootstrap of many draws; a row is one forecast, so its steps are drawn together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import ShapeMismatch
from fairlead.lab.stats.measures import Floats

FORECASTING: tuple[str, ...] = ("mae", "rmse", "smape", "bias")
SCALED: tuple[str, ...] = ("mase",)
"""Metrics of a forecast; the second need the size of the series' own seasonal changes."""


def truths_of(values: Any, horizon: int) -> Floats:
    """Truths as (rows, horizon), NaN for what is not due. values: such a table, or a list of numbers or None a row.

    Raises ShapeMismatch for a row of another length.

    >>> truths_of([[1, None], [2, 3]], 2)
    array([[ 1., nan],
           [ 2.,  3.]])
    """
    if isinstance(values, np.ndarray) and values.dtype.kind == "f" and values.ndim == 2:
        table = values.astype(np.float64, copy=False)
    else:
        rows = list(values)
        table = np.full((len(rows), horizon), np.nan)
        for at, row in enumerate(rows):
            if row is None or (isinstance(row, float) and row != row):
                continue
            if len(row) != horizon:
                raise ShapeMismatch(f"row {at}: the truth has {len(row)} numbers, the forecast {horizon}")
            table[at] = [np.nan if value is None else value for value in row]
    if table.shape[1] != horizon:
        raise ShapeMismatch(f"truths have {table.shape[1]} numbers a row, forecasts {horizon}")
    return table


def errors_of(truth: Any, scores: npt.ArrayLike) -> Floats:
    """Forecast less truth, (rows, horizon), NaN where the truth is not known; infinite answers stay infinite."""
    table = np.asarray(scores, dtype=np.float64)
    table = table.reshape(len(table), -1)
    known = truths_of(truth, table.shape[1])
    if len(known) != len(table):
        raise ShapeMismatch(f"truth has {len(known)} rows, forecasts have {len(table)}")
    with np.errstate(invalid="ignore"):
        found: Floats = table - known
    return np.where(np.isnan(known), np.nan, np.where(np.isnan(found), np.inf, found))


def forecast_losses(truth: Any, scores: npt.ArrayLike, clip: float) -> Floats:
    """Loss of each forecast, (rows,), in [0, 1]: the mean absolute error of its steps that are due, over `clip`, at
    most 1. NaN where none is due.
    """
    error = np.abs(errors_of(truth, scores))
    due = ~np.isnan(error)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(due, error, 0.0).sum(axis=1) / due.sum(axis=1)
    found: Floats = np.clip(mean / clip, 0.0, 1.0)
    return found


def forecast_metrics(
    truth: Any, scores: npt.ArrayLike, weights: Floats, scale: npt.ArrayLike | None = None
) -> dict[str, Floats]:
    """mae, rmse, smape, bias, and with `scale` mase, of all steps that are due: {name: (draws,)}, NaN where none is.

    weights: (draws, rows). smape: mean of 2 |error| / (|truth| + |forecast|), from 0 to 2 (0 where both are 0;
    Makridakis, 1993). bias: mean of forecast less truth. mase: mean absolute error over the mean absolute change of the
    series from one season to the next, `scale`, one of each row's series (rows,); rows whose series does not change are
    left out (Hyndman and Koehler, Another look at measures of forecast accuracy, 2006). Below 1 it is better than
    repeating the last season was on the values before.
    """
    error = errors_of(truth, scores)
    due = ~np.isnan(error)
    e = np.where(due, error, 0.0)
    size = np.abs(e)
    table = np.asarray(scores, dtype=np.float64).reshape(len(error), -1)
    reach = np.where(due, np.abs(table) + np.abs(np.nan_to_num(truths_of(truth, table.shape[1]))), 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(due & (reach > 0.0), 2.0 * size / reach, 0.0)
        count = weights @ due.sum(axis=1).astype(np.float64)
        found = {
            "mae": weights @ size.sum(axis=1) / count,
            "rmse": np.sqrt(weights @ (e * e).sum(axis=1) / count),
            "smape": weights @ np.nan_to_num(relative, nan=2.0).sum(axis=1) / count,
            "bias": weights @ e.sum(axis=1) / count,
        }
        if scale is not None:
            found["mase"] = _scaled(size, due, np.asarray(scale, dtype=np.float64), weights)
    return found


def _scaled(size: Floats, due: npt.NDArray[np.bool_], scale: Floats, weights: Floats) -> Floats:
    usable = np.isfinite(scale) & (scale > 0.0)
    own = np.where(usable, scale, 1.0)[:, None]
    counted = np.where(usable[:, None], due, False)
    total = weights @ np.where(counted, size / own, 0.0).sum(axis=1)
    found: Floats = total / (weights @ counted.sum(axis=1).astype(np.float64))
    return found


def by_step(truth: Any, scores: npt.ArrayLike, weights: Floats) -> Floats:
    """Mean absolute error of every step, (draws, horizon); NaN for a step of which nothing is due."""
    error = errors_of(truth, scores)
    due = ~np.isnan(error)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = (weights @ np.where(due, np.abs(error), 0.0)) / (weights @ due.astype(np.float64))
    return found


def seasonal_naive(history: Floats, horizon: int, season: int) -> Floats:
    """The value one season (or as many as it takes) before each step, (rows, horizon). history: (rows, lags), oldest
    first. Raises ShapeMismatch for a history shorter than a season.

    >>> seasonal_naive(np.array([[1.0, 2.0, 3.0]]), 4, 2)
    array([[2., 3., 2., 3.]])
    """
    lags = history.shape[1]
    if not 1 <= season <= lags:
        raise ShapeMismatch(f"a season of {season} steps does not lie within a history of {lags}")
    steps = np.arange(horizon)
    return np.asarray(history[:, lags - season + steps % season], dtype=np.float64)


def season_changes(history: Floats, season: int) -> Floats:
    """Mean absolute change from one season to the next within each history, (rows,): what errors are measured by.

    history: (rows, lags). A history of one season alone is measured by its changes from step to step.
    """
    lags = history.shape[1]
    season = season if lags > season else 1
    if lags <= season:
        return np.full(len(history), np.nan)
    found: Floats = np.abs(history[:, season:] - history[:, :-season]).mean(axis=1)
    return found
