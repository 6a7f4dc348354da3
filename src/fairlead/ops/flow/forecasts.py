"""Forecasts in the loop: when a truth is due, which errors say nothing about each other, and which rows they teach.

The truths of forecasts whose origins are close share most of their values, so their errors are nearly one error. What
is judged row by row elsewhere is judged here in blocks: origins less than a horizon apart count once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract import records as names
from fairlead.contract.settings import Settings
from fairlead.contract.signature import Signature
from fairlead.runtime.bundle.forecasts import HISTORY, ORIGIN, history_of

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.ops.flow.view import View


def label_delay(settings: Settings, signature: Signature) -> float:
    """Seconds after its event time that the truth of a row is known: of a forecast, after its last step is over."""
    from fairlead.ops.monitor import duration

    return duration(settings.monitor.label_delay) + signature.horizon * signature.step


def blocks_of(times: np.ndarray, signature: Signature) -> np.ndarray:
    """The block of each forecast, numbered from 0 in the order of time, (n,). times: of origins, seconds."""
    at = np.floor(np.asarray(times, dtype=np.float64) / (signature.horizon * signature.step))
    return np.asarray(np.unique(at, return_inverse=True)[1]).reshape(-1)


def means_of(values: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """The mean of each block, (blocks,). values: (n,)."""
    found: np.ndarray = np.bincount(blocks, weights=values) / np.bincount(blocks)
    return found


def repeated(view: View, chosen: np.ndarray) -> np.ndarray:
    """Forecasts that repeat the newest value, (n, horizon): what any model has to beat; NaN where it is hidden."""
    from fairlead.runtime.capture.moments import watched_history

    newest = view.columns.get(watched_history(HISTORY)[0])
    known = np.full(view.rows, np.nan) if newest is None else newest
    return np.repeat(known[chosen][:, None], view.signature.horizon, axis=1)


def recorded_rows(table: Any, signature: Signature, settings: Settings) -> pd.DataFrame:
    """What records know of the series, as a long table: `seconds`, the series, the target and the covariates.

    Every history is so many values of its series, and every truth more of them; where two say the same time, a truth
    counts before a history, and a later record before an earlier one. Covariates are known up to origins.
    table: of `Records.joined`, tensors included. No rows where the history, its origin or its series is hidden.
    """
    import pandas as pd

    from fairlead.lab.tables.series import geometry_of_signature
    from fairlead.lab.tables.series_now import times_after
    from fairlead.ops.flow.view import View, tensors_in

    model = settings.model
    columns = ["seconds", *([model.series] if model.series else []), model.target, *model.covariates]
    hidden = {HISTORY, ORIGIN, signature.series} & set(settings.capture.redact)
    column = history_of(signature)
    held = None if hidden or not settings.capture.tensors else tensors_in(table, column)
    if held is None or not len(held):
        return pd.DataFrame({name: np.empty(0, dtype=object if name == model.series else float) for name in columns})
    view = View(table, signature)
    lags, width = column.shape
    values = held.reshape(len(held), lags, width)
    origins = view.columns[ORIGIN]
    series = _series_of(table, signature)
    step = geometry_of_signature(signature, model).step
    past = times_after(origins, np.arange(1 - lags, 1), step)
    ahead = times_after(origins, np.arange(1, signature.horizon + 1), step)
    parts = [_long(past, series, values)]
    truth = view.labels[:, :, None]
    parts.append(_long(ahead, series, np.concatenate([truth, np.full((*truth.shape[:2], width - 1), np.nan)], axis=2)))
    frame = pd.concat(parts, ignore_index=True)
    named = [model.target, *model.covariates]
    frame.columns = ["seconds", "series", *named]
    # A record that came later knows better; truths follow histories. Of each column the last that is known counts.
    whole = frame.groupby(["series", "seconds"], as_index=False, sort=True)[named].last()
    whole = whole[whole[model.target].notna()]
    if model.series:
        whole = whole.rename(columns={"series": model.series})
    return whole[columns].reset_index(drop=True)


def _series_of(table: Any, signature: Signature) -> np.ndarray:
    """The series of each record, as text; "" where there is but one."""
    if signature.series is None:
        return np.full(table.num_rows, "", dtype=object)
    column = names.KEY if signature.row_key == signature.series else names.PASSED_IN + signature.series
    cells = table.column(column).to_pylist() if column in table.schema.names else [None] * table.num_rows
    return np.array(["" if cell is None else cell for cell in cells], dtype=object)


def _long(times: np.ndarray, series: np.ndarray, values: np.ndarray) -> pd.DataFrame:
    """(n, steps) times and (n, steps, columns) values as rows."""
    import pandas as pd

    steps, width = values.shape[1:]
    frame = pd.DataFrame(values.reshape(-1, width))
    # Whole milliseconds, so that the same time is the same number however it was added up.
    frame.insert(0, "seconds", np.round(times.reshape(-1), 3))
    frame.insert(1, "series", np.repeat(series, steps))
    return frame
