"""Forecasts in the loop: when a truth is due, which errors say nothing about each other, and which rows they teach.

The truths of forecasts whose origins are close share most of their values, so their errors are nearly one error. What
is judged row by row elsewhere is judged here in blocks: origins less than a horizon apart count once.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract import records as names
from fairlead.contract.errors import BundleNotFound, BundleRefused
from fairlead.contract.settings import Settings
from fairlead.contract.signature import Signature
from fairlead.runtime.bundle.forecasts import HISTORY, ORIGIN, history_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    import pyarrow as pa

    from fairlead.ops.flow.view import View
    from fairlead.ops.flow.workspace import Workspace

_SECONDS, _SERIES = "\0seconds", "\0series"
"""Names that no column of a table has."""
_AT_ONCE = 4096
"""Truths that are spread out at once."""
_MOST_HELD = 2_000_000
"""Values of series, the same time told twice counted twice, that are held before they are folded."""


def label_delay(settings: Settings, signature: Signature) -> float:
    """Seconds after its event time that the truth of a row is known: of a forecast, after its last step is over."""
    from fairlead.ops.monitor import duration

    return duration(settings.monitor.label_delay) + signature.horizon * signature.step


def delay_of(ws: Workspace, bundle: str) -> float:
    """`label_delay` of what a bundle answers. It is read only if it forecasts, and without it none of its steps count:
    who asks for the status is to hear of a bundle that is damaged, not to be refused for it."""
    from fairlead.ops.monitor import duration

    if ws.settings.model.task == "forecasting":
        with suppress(BundleNotFound, BundleRefused):
            return label_delay(ws.settings, ws.load(bundle).signature)
    return duration(ws.settings.monitor.label_delay)


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


def recorded_rows(
    histories: Iterable[pa.Table], joined: pa.Table, signature: Signature, settings: Settings
) -> pd.DataFrame:
    """What records know of the series, as a long table: `seconds`, the series, the target and the covariates.

    Every history is so many values of its series, and every truth more of them; where two say the same time, a truth
    counts before a history, and a later record before an earlier one. Covariates are known up to origins. Memory
    follows the times there are, not how often each was sent.
    histories: records with their tensors, a few at a time. joined: the same with their labels, without tensors. No rows
    where the history, its origin or its series is hidden.
    """
    from fairlead.lab.tables.series import geometry_of_signature
    from fairlead.lab.tables.series_now import times_after
    from fairlead.ops.flow.view import View, tensors_in

    model = settings.model
    known = _Known((model.target, *model.covariates))
    if settings.capture.tensors and not {HISTORY, ORIGIN, signature.series} & set(settings.capture.redact):
        column, step = history_of(signature), geometry_of_signature(signature, model).step
        lags, width = column.shape
        for table in histories:
            held = tensors_in(table, column)
            if held is None or not len(held):
                continue
            origins = np.asarray(table.column(names.FEATURE_IN + ORIGIN).to_numpy(), dtype=np.float64)
            past = times_after(origins, np.arange(1 - lags, 1), step)
            known.add(past, _series_of(table, signature), held.reshape(len(held), lags, width))
        view = View(joined, signature)
        series = _series_of(joined, signature)
        for at in range(0, view.rows if known.any else 0, _AT_ONCE):
            part = slice(at, at + _AT_ONCE)
            ahead = times_after(view.columns[ORIGIN][part], np.arange(1, signature.horizon + 1), step)
            known.add(ahead, series[part], view.labels[part][:, :, None])
    return known.table(model.series)


class _Known:
    """Values of series by time, of each column the last that was told. columns: the target first."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = list(columns)
        self._parts: list[pd.DataFrame] = []
        self.any = False

    def add(self, times: np.ndarray, series: np.ndarray, values: np.ndarray) -> None:
        """times: (n, steps) seconds; series: (n,) names; values: (n, steps, columns), fewer columns are the first."""
        import pandas as pd

        steps, width = values.shape[1:]
        part = pd.DataFrame(values.reshape(-1, width), columns=self._columns[:width])
        for name in self._columns[width:]:
            part[name] = np.nan
        # Whole milliseconds, so that the same time is the same number however it was added up.
        part[_SECONDS] = np.round(times.reshape(-1), 3)
        part[_SERIES] = np.repeat(series, steps)
        self.any = True
        self._parts.append(self._folded([part]))
        if sum(map(len, self._parts)) > _MOST_HELD:
            self._parts = [self._folded(self._parts)]

    def _folded(self, parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
        import pandas as pd

        whole = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
        return whole.groupby([_SERIES, _SECONDS], as_index=False, sort=True)[self._columns].last()

    def table(self, series: str | None) -> pd.DataFrame:
        """All of it. series: what the column of their names is called, None: there is none."""
        import pandas as pd

        kept = ["seconds", *([series] if series else []), *self._columns]
        if not self._parts:
            return pd.DataFrame({name: np.empty(0, dtype=object if name == series else float) for name in kept})
        whole = self._folded(self._parts)
        whole = whole[whole[self._columns[0]].notna()].rename(columns={_SECONDS: "seconds", _SERIES: series or ""})
        return whole[kept].reset_index(drop=True)


def _series_of(table: Any, signature: Signature) -> np.ndarray:
    """The series of each record, as text; "" where there is but one."""
    if signature.series is None:
        return np.full(table.num_rows, "", dtype=object)
    column = names.KEY if signature.row_key == signature.series else names.PASSED_IN + signature.series
    cells = table.column(column).to_pylist() if column in table.schema.names else [None] * table.num_rows
    return np.array(["" if cell is None else cell for cell in cells], dtype=object)
