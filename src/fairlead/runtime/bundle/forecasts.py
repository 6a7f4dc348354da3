"""What a model that forecasts takes and gives: the newest values of one series, the time of the last, the next ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from fairlead.contract.errors import BundleRefused
from fairlead.contract.signature import Column, Signature

HISTORY, ORIGIN = "history", "origin"
"""Names of the two columns: values (lags, 1 + covariates), oldest first, and the time of the newest."""

FORECAST = "forecast"
"""What an answer is called where it is one value: in JSON, and as a tensor."""

FURTHEST = 10_000
"""Most steps of one answer."""


def check_forecast(signature: Signature) -> None:
    """Raises BundleRefused for a forecast that no record could be understood of, or for another task with a horizon."""
    if signature.task != "forecasting":
        if signature.horizon or signature.step or signature.series is not None:
            raise BundleRefused(f"signature.json: a {signature.task} has no horizon, no step and no series")
        return
    if not 1 <= signature.horizon <= FURTHEST:
        raise BundleRefused(f"signature.json: a forecast has a horizon of 1 to {FURTHEST} steps")
    if not (math.isfinite(signature.step) and signature.step > 0.0):
        raise BundleRefused("signature.json: the step of a forecast must be a number of seconds above 0")
    found = {column.name: column for column in signature.columns}
    history, origin = found.get(HISTORY), found.get(ORIGIN)
    if history is None or history.kind != "tensor" or history.dtype != "float64" or len(history.shape) != 2:
        raise BundleRefused(f"signature.json: a forecast takes {HISTORY!r}, float64 of shape (lags, 1 + covariates)")
    if origin is None or origin.kind != "time" or origin.nullable:
        raise BundleRefused(f"signature.json: a forecast takes {ORIGIN!r}, a time that is never missing")
    if signature.series in found:
        raise BundleRefused("signature.json: the series of a forecast is passed through and no feature")


def history_of(signature: Signature) -> Column:
    """The column of newest values. Raises KeyError for a signature that forecasts nothing."""
    return {column.name: column for column in signature.columns}[HISTORY]


def said_times(times: Sequence[float]) -> list[str]:
    """Times as ISO 8601, UTC."""
    return [datetime.fromtimestamp(time, UTC).isoformat() for time in times]
