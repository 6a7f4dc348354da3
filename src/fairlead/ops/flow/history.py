"""All labelled rows a project has, in time order: the training table and what was recorded since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract.signature import UNSUPERVISED, Signature
from fairlead.ops.flow.definitions import as_defined_now, refuse_without_rows, switched, table_is_older
from fairlead.ops.flow.doubts import doubted
from fairlead.ops.flow.gathering import gather
from fairlead.ops.flow.ranked import cells_as_text, passed_cells, ranking_columns
from fairlead.ops.flow.view import View
from fairlead.ops.flow.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd


class History(msgspec.Struct, frozen=True):
    """frame: labelled rows in the training table's columns, oldest first; times: (n,) seconds, or row numbers
    when the project has no time; windows: (n,) consecutive window numbers; recorded: how many rows were served.

    left_out: how many served rows were left out because of their labels; notes: why, in sentences.
    """

    frame: Any
    times: Any
    windows: Any
    recorded: int
    left_out: int = 0
    notes: tuple[str, ...] = ()


def recorded_frame(view: View, ws: Workspace, chosen: np.ndarray | None = None) -> pd.DataFrame:
    """The labelled rows of a view (or those `chosen`) as a frame that looks like the training table."""
    import pandas as pd

    from fairlead.contract import records as names

    model = ws.settings.model
    chosen = learned_from(view) if chosen is None else chosen
    signature = view.signature
    frame = pd.DataFrame({c.name: outside(view.columns[c.name][chosen], c.coded) for c in signature.columns})
    if model.target:
        frame[model.target] = truth_cells(view, chosen)
    if model.id and names.KEY in view.table.schema.names:
        frame[model.id] = np.asarray(view.table.column(names.KEY).to_pylist(), dtype=object)[chosen]
    for name in ranking_columns(signature):
        if (cells := passed_cells(view, name, chosen)) is not None:
            frame[name] = cells
    return frame


def learned_from(view: View) -> np.ndarray:
    """Positions of the rows of a view that a model can learn from: those with a label, or all where none is needed."""
    return np.arange(view.rows) if view.signature.task in UNSUPERVISED else np.flatnonzero(view.labelled)


def truth_cells(view: View, chosen: np.ndarray) -> np.ndarray:
    """Labels of some rows as the target column holds them."""
    labels: np.ndarray = view.labels[chosen]
    if view.signature.task not in UNSUPERVISED:
        return labels
    cells = np.full(len(chosen), None, dtype=object)
    told = view.labelled[chosen]
    if view.signature.task == "clustering":
        # A cluster that somebody names is not one of the groups that the target names.
        return cells
    positive = view.signature.positive
    names = {1.0: positive if positive is not None else "true", 0.0: f"not {positive}" if positive else "false"}
    if positive in ("true", "false", "1", "0"):
        names[0.0] = {"true": "false", "false": "true", "1": "0", "0": "1"}[positive]
    cells[told] = [names[float(label)] for label in labels[told]]
    return cells


def outside(cells: np.ndarray, coded: str) -> np.ndarray:
    """Cells as tables hold them: integer-coded categories as numbers again."""
    if coded == "integer":
        return np.array([np.nan if c is None else float(c) for c in cells], dtype=np.float64)
    return cells


def time_cells(times: np.ndarray, signature: Signature, old: pd.DataFrame, zone: str) -> dict[str, pd.Series]:
    """The time columns that are not features, from event times: moments, or the date beside an hour column.

    times: (n,) seconds since the epoch; old: the training table, whose way of writing is kept.
    """
    import pandas as pd

    names = [n for n in signature.time if n not in signature.names and n in old.columns]
    if not names:
        return {}
    seconds = pd.Series(times, dtype="float64")
    if len(signature.time) == 1:
        return {names[0]: _times_like(seconds, old[names[0]], zone)}
    days = pd.to_datetime(seconds, unit="s", utc=True).dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
    written = pd.api.types.is_datetime64_dtype(old[names[0]].dtype)
    return {names[0]: days if written else days.dt.strftime("%Y-%m-%d").astype(object)}


def history(ws: Workspace, signature: Signature, *, until: float | None = None) -> History:
    """Training rows and labelled records up to `until` (event time), oldest first: of the target as it is defined now.

    signature: of the champion. Raises UsageError where its definition changed and there are no rows of the new one.
    """
    import pandas as pd
    import pyarrow.compute as pc

    from fairlead.contract import records as names
    from fairlead.lab.tables import event_times
    from fairlead.ops.monitor import window_numbers
    from fairlead.runtime.capture import Records

    gathered = gather(ws)
    old = gathered.frame
    outdated = table_is_older(ws, gathered.tables)
    if signature.task == "forecasting":
        return _series_history(ws, signature, old, until)
    if signature.task not in UNSUPERVISED:
        old = old[old[ws.settings.model.target].notna()]
    columns = ws.settings.model.time_columns
    table = Records(ws.home.root, ws.model).joined(None, until, definition=ws.settings.model.definition)
    zone = ws.settings.model.timezone
    if switched(ws, signature):
        told = table.filter(pc.equal(table.column(names.DEFINITION), ws.settings.model.definition))
        signature = as_defined_now(ws, signature, pc.unique(told.column(names.LABEL)).to_pylist())
    view = View(table, signature)
    chosen = learned_from(view)
    doubt = doubted(ws, view)
    chosen = chosen[~doubt.left_out[chosen]]
    new = recorded_like(view, ws, chosen, old, typed=bool(len(old)))
    key = ws.settings.model.id
    passed = [name for name in ranking_columns(signature) if name in old.columns]
    if key is not None and key in old.columns:
        # Keys come back as text, perhaps hashed; one kind of cell in a column keeps it a column.
        old = old.assign(**{key: old[key].astype(str)})
    old = old.assign(**{name: cells_as_text(old[name]) for name in passed})
    if set(ws.settings.capture.redact) & set(signature.names):
        # Of a hidden feature there is only a hash, which says nothing.
        new = new.iloc[:0]
    if outdated:
        # Its truth is of another definition of the target; what it says of columns was taken above.
        old = old.iloc[:0]
        refuse_without_rows(ws, len(new))
    frame = pd.concat([old, new], ignore_index=True) if len(new) else old.reset_index(drop=True)
    if columns:
        parts = [event_times(part, columns, zone) for part in (old, new) if len(part)]
        times = np.concatenate(parts) if parts else np.zeros(0)
        order = np.argsort(times, kind="stable")
        frame, times = frame.iloc[order].reset_index(drop=True), times[order]
    else:
        times = np.arange(len(frame), dtype=np.float64)
    left_out = int(doubt.left_out.sum())
    return History(frame, times, window_numbers(times, ws.settings), len(new), left_out, doubt.why)


def recorded_like(
    view: View, ws: Workspace, chosen: np.ndarray, old: pd.DataFrame, *, typed: bool = True
) -> pd.DataFrame:
    """Some rows of a view in the columns of the training table. old: rows of it, be it none; typed: in its kinds."""
    new, zone, signature = recorded_frame(view, ws, chosen), ws.settings.model.timezone, view.signature
    kinds = {c.name: c.kind for c in signature.columns}
    kept = {ws.settings.model.id, *ranking_columns(signature)}
    for name in new.columns:
        if typed and name in old.columns and name not in kept:
            new[name] = like(new[name], old[name], kinds.get(name, ""), zone)
    for name, cells in time_cells(view.times[chosen], signature, old, zone).items():
        new[name] = cells
    return new


def _series_history(ws: Workspace, signature: Signature, old: pd.DataFrame, until: float | None) -> History:
    """The long table of a forecast, with the values that records know and it does not."""
    import pandas as pd

    from fairlead.contract import records as names
    from fairlead.lab.stats import label_text
    from fairlead.lab.tables import event_times
    from fairlead.ops.flow.forecasts import recorded_rows
    from fairlead.ops.monitor import window_numbers
    from fairlead.runtime.bundle.forecasts import HISTORY, ORIGIN
    from fairlead.runtime.capture import Records

    model = ws.settings.model
    zone, series = model.timezone, model.series
    records = Records(ws.home.root, ws.model)
    read = [names.FEATURE_IN + HISTORY, names.FEATURE_IN + ORIGIN, names.KEY, names.PASSED_IN + (series or "")]
    joined = records.joined(None, until, tensors=False, definition=signature.definition)
    new = recorded_rows(records.batches(None, until, columns=read), joined, signature, ws.settings)
    times = event_times(old, model.time_columns, zone)
    if series:
        old = old.assign(**{series: [label_text(name) for name in old[series]]})
        known = pd.MultiIndex.from_arrays([old[series], np.round(times, 3)])
        beyond = ~pd.MultiIndex.from_arrays([new[series].astype(str), new["seconds"]]).isin(known)
    else:
        beyond = ~new["seconds"].isin(np.round(times, 3)).to_numpy()
    new = new[beyond].reset_index(drop=True)
    seconds = new.pop("seconds").to_numpy(dtype=np.float64)
    writing = msgspec.structs.replace(signature, time=model.time_columns, columns=())
    for name, cells in time_cells(seconds, writing, old, zone).items():
        new[name] = cells
    for name in model.time_columns[1:]:
        new[name] = _hours(seconds, zone, old[name])
    both = pd.concat([old, new], ignore_index=True) if len(new) else old
    at = np.concatenate([times, seconds]) if len(new) else times
    order = np.argsort(at, kind="stable")
    return History(both.iloc[order].reset_index(drop=True), at[order], window_numbers(at[order], ws.settings), len(new))


def _hours(seconds: np.ndarray, zone: str, old: pd.Series) -> pd.Series:
    """The hour of the day, as the column `old` beside that of a date has it: a number, or a time of day."""
    import pandas as pd

    moments = pd.to_datetime(pd.Series(seconds, dtype="float64"), unit="s", utc=True).dt.tz_convert(zone)
    return moments.dt.hour if pd.api.types.is_numeric_dtype(old.dtype) else moments.dt.strftime("%H:%M").astype(object)


def like(new: pd.Series, old: pd.Series, kind: str, zone: str) -> pd.Series:
    """A recorded column as the training table holds it, so that both are read alike.

    kind: of the feature, "" for other columns; zone: of times that carry none.
    """
    import pandas as pd

    if kind == "time":
        return _times_like(new, old, zone)
    if pd.api.types.is_bool_dtype(old.dtype) or kind == "boolean":
        flags = new.map({1.0: True, 0.0: False, "true": True, "false": False}).astype(object)
        return flags.where(flags.notna(), None)
    if pd.api.types.is_integer_dtype(old.dtype):
        numbers = pd.to_numeric(new).astype("float64")
        whole = numbers.notna().all() and bool((numbers == numbers.round()).all())
        return numbers.astype(old.dtype) if whole else numbers
    if pd.api.types.is_numeric_dtype(old.dtype):
        return pd.to_numeric(new)
    return new.astype(old.dtype)


def _times_like(new: pd.Series, old: pd.Series, zone: str) -> pd.Series:
    """Seconds since the epoch as the moments or texts of a training table."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(old.dtype):
        return new
    moments = pd.to_datetime(new, unit="s", utc=True)
    if isinstance(old.dtype, pd.DatetimeTZDtype):
        return moments.dt.tz_convert(old.dtype.tz)
    if pd.api.types.is_datetime64_dtype(old.dtype):
        return moments.dt.tz_convert(zone).dt.tz_localize(None)
    texts = [None if pd.isna(moment) else moment.isoformat() for moment in moments]
    return pd.Series(texts, index=new.index, dtype=object)
