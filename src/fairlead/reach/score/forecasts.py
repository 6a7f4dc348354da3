"""A long table of series, scored: one forecast a series, from its newest value on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.settings import Settings
from fairlead.contract.signature import Signature
from fairlead.runtime.bundle.forecasts import HISTORY, ORIGIN

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from fairlead.lab.tables.series import SeriesRows
    from fairlead.runtime.bundle import Model


def is_long(signature: Signature, columns: Any) -> bool:
    """Whether rows for a model that forecasts are values of series, and no histories yet. columns: their names."""
    return signature.task == "forecasting" and not {HISTORY, ORIGIN} & {str(name) for name in columns}


def newest_of(frame: pd.DataFrame, signature: Signature, settings: Settings) -> SeriesRows:
    """The newest history of every series of a long table. Raises InputInvalid, ColumnMissing, CellInvalid."""
    from fairlead.lab.tables.series import geometry_of_signature
    from fairlead.lab.tables.series_now import newest_rows

    return newest_rows(frame, settings.model, geometry_of_signature(signature, settings.model))


def forecast_table(model: Model, frame: pd.DataFrame, settings: Settings) -> tuple[pa.Table, tuple[str, ...]]:
    """The forecasts as a table of the series (where there are several), the origin (UTC) and `t+1` ..., and notes."""
    import pyarrow as pa

    signature = model.signature
    rows = newest_of(frame, signature, settings)
    scores = model.score_columns({HISTORY: rows.history.reshape(rows.rows, -1), ORIGIN: rows.origins})
    out: dict[str, Any] = {}
    if signature.series is not None and rows.names is not None:
        out[signature.series] = pa.array(rows.names, pa.string())
    out[ORIGIN] = pa.array(np.round(rows.origins * 1e3).astype(np.int64)).cast(pa.timestamp("ms", "UTC"))
    out |= {name: pa.array(scores[:, at]) for at, name in enumerate(signature.outputs)}
    return pa.table(out), rows.notes


def requests_of(frame: pd.DataFrame, signature: Signature, settings: Settings) -> list[dict[str, Any]]:
    """The newest history of every series as rows of a request."""
    from fairlead.runtime.bundle.forecasts import said_times

    rows = newest_of(frame, signature, settings)
    asked: list[dict[str, Any]] = []
    for at, (history, origin) in enumerate(zip(rows.history.tolist(), said_times(rows.origins.tolist()), strict=True)):
        row = {HISTORY: history, ORIGIN: origin}
        if signature.series is not None and rows.names is not None:
            row[signature.series] = rows.names[at]
        asked.append(row)
    return asked
