"""Frames as columns: one builder per bundle, so that a file holds typed features and not JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fairlead.contract import records as names
from fairlead.contract.records import PASSED_IN
from fairlead.runtime.bundle.abstaining import abstaining
from fairlead.runtime.bundle.forecasts import history_of
from fairlead.runtime.bundle.zones import zone_of
from fairlead.runtime.capture import forecasts, tensors
from fairlead.runtime.capture.lazy import arrow
from fairlead.runtime.wire import frames
from fairlead.runtime.wire.checks import text_of
from fairlead.runtime.wire.times import event_time, wall_time

_TYPES = {
    names.SEGMENT: "string",
    names.OFFSET: "int64",
    names.ROW: "int32",
    names.ITEM: "int32",
    names.KIND: "string",
    names.ARRIVED: "float64",
    names.TIME: "float64",
    names.LATENCY: "float64",
    names.VALUE: "float64",
}


def type_of(name: str) -> Any:
    """Arrow type of a column of our own."""
    return getattr(arrow(), _TYPES.get(name, "string"))()


class RecordColumns:
    """Collects the predictions of one bundle, row by row, into columns."""

    def __init__(self, schema: frames.Schema, segment: str) -> None:
        self._schema, self._segment = schema, segment
        signature = schema.signature
        self._key = _where(signature.row_key, schema)
        self._time = [_where(name, schema) for name in signature.time]
        self._zone = zone_of(signature.timezone)
        # Forecasts of one series need no key: the time of the origin says which.
        self._alone = signature.task == "forecasting" and signature.row_key is None
        self._history = history_of(signature) if signature.task == "forecasting" else None
        self._meta: dict[str, list[Any]] = {name: [] for name in names.RECORD_META}
        self._cells: list[list[Any]] = [[] for _ in signature.columns]
        self._passes: list[list[Any]] = [[] for _ in schema.passes]
        self._labels: list[Any] = []
        self._scores: list[list[float]] = [[] for _ in signature.outputs]
        self.rows = 0

    def add(self, frame: frames.Prediction, offset: int) -> None:
        """Append all rows of a frame."""
        count = len(frame.rows)
        self.rows += count
        meta = self._meta
        meta[names.SEGMENT].extend([self._segment] * count)
        meta[names.OFFSET].extend([offset] * count)
        meta[names.ROW].extend(frame.positions if frame.positions is not None else range(count))
        kind = "shadow" if isinstance(frame, frames.Shadow) else "prediction"
        for name, value in (
            (names.KIND, kind),
            (names.ARRIVED, frame.time),
            # A clock that was set back while a request was answered took no time off it.
            (names.LATENCY, max(frame.latency_s, 0.0)),
            (names.REQUEST, frame.request),
            (names.CALLER, frame.caller),
            (names.MODEL, frame.model),
            (names.BUNDLE, frame.bundle),
            (names.VARIANT, frame.variant),
            (names.PROTOCOL, frame.protocol),
        ):
            meta[name].extend([value] * count)
        passes = frame.passes if frame.passes is not None else [()] * count
        for row, passed in zip(frame.rows, passes, strict=True):
            meta[names.KEY].append("" if self._alone else _cell(self._key, row, passed, text=True))
            time = self._event_time(row, passed) if self._time else None
            meta[names.TIME].append(frame.time if time is None else time)
            for column, value in zip(self._cells, row, strict=True):
                column.append(value)
            for at, column in enumerate(self._passes):
                column.append(text_of(passed[at]) if at < len(passed) else None)
        self._labels.extend(frame.labels if frame.labels is not None else [None] * count)
        for scores in frame.scores:
            for column, value in zip(self._scores, scores, strict=True):
                column.append(value)

    def _event_time(self, row: Any, passed: Any) -> float | None:
        parts = [_cell(where, row, passed) for where in self._time]
        first = self._time[0]
        if len(parts) > 1 and first is not None and not first[0] and isinstance(parts[0], float):
            # A date that is a feature is an instant already; its hour is added to what the wall showed.
            parts[0] = wall_time(parts[0], self._zone)
        return event_time(parts, self._zone)

    def table(self) -> Any:
        """All rows added, as an Arrow table in the layout of `contract/records.py`."""
        pa = arrow()
        signature, redacted = self._schema.signature, set(self._schema.redacted)
        columns = {name: pa.array(values, type_of(name)) for name, values in self._meta.items()}
        # Fields that say more than the type of their column.
        said: dict[str, Any] = {}
        for column, cells in zip(signature.columns, self._cells, strict=True):
            if column.kind == "tensor" and column.name not in redacted:
                made = forecasts.columns_of if column is self._history else tensors.columns_of
                for field, array in made(column, cells):
                    columns[field.name], said[field.name] = array, field
                continue
            numeric = column.numeric and column.name not in redacted
            columns[names.FEATURE_IN + column.name] = pa.array(cells, pa.float64() if numeric else pa.string())
        for name, cells in zip(self._schema.passes, self._passes, strict=True):
            if name != signature.row_key:
                columns[PASSED_IN + name] = pa.array(cells, pa.string())
        if signature.labels:
            columns[names.LABEL_OUT] = pa.array(self._labels, pa.string())
        if signature.classes:
            for output, values in zip(signature.outputs, self._scores, strict=True):
                columns[names.PROBABILITY_OUT + output] = pa.array(values, pa.float64())
        elif signature.task == "forecasting":
            for output, values in zip(signature.outputs, self._scores, strict=True):
                columns[names.STEP_OUT + output] = pa.array(values, pa.float64())
        else:
            columns[names.VALUE_OUT] = pa.array(self._scores[0], pa.float64())
        if (left := abstaining(signature)) is not None:
            rows = zip(*self._scores, strict=True)
            columns[names.ABSTAINED_OUT] = pa.array(left.of(self._labels, list(rows)), pa.bool_())
        return pa.table(columns, pa.schema([said.get(name, pa.field(name, c.type)) for name, c in columns.items()]))


class LabelColumns:
    """Collects the labels of one model."""

    def __init__(self, segment: str) -> None:
        self._segment = segment
        self._columns: dict[str, list[Any]] = {name: [] for name in names.LABEL_META}
        self.rows = 0

    def add(self, frame: frames.Label, offset: int) -> None:
        """Append all items of a feedback."""
        columns = self._columns
        for item, given in enumerate(frame.items):
            values = (
                self._segment, offset, item, frame.time, given.time, given.request,
                given.row, given.key, frame.model, given.label, given.value, given.comment, given.definition,
                frame.caller,
            )  # fmt: skip
            for name, value in zip(names.LABEL_META, values, strict=True):
                columns[name].append(value)
        self.rows += len(frame.items)

    def table(self) -> Any:
        """All labels added, as an Arrow table."""
        pa = arrow()
        return pa.table({name: pa.array(values, type_of(name)) for name, values in self._columns.items()})


Where = tuple[bool, int] | None


def _where(name: str | None, schema: frames.Schema) -> Where:
    """Where a column is in a frame: (passed through?, position)."""
    if name is None:
        return None
    if name in schema.passes:
        return True, schema.passes.index(name)
    known = schema.signature.names
    return (False, known.index(name)) if name in known else None


def _cell(where: Where, row: Any, passed: Any, text: bool = False) -> Any:
    if where is None:
        return None
    from_passes, at = where
    if from_passes and at >= len(passed):
        return None
    value = passed[at] if from_passes else row[at]
    return text_of(value) if text else value


def plain(tables: Sequence[Any], columns: Sequence[str]) -> Any:
    """Label tables as one, with the types that labels have."""
    pa = arrow()
    schema = pa.schema([pa.field(name, type_of(name)) for name in columns])
    if not tables:
        return schema.empty_table()
    table = pa.concat_tables(tables, promote_options="permissive")
    for name in columns:
        # Of labels that were kept before who sent them was.
        if name not in table.schema.names:
            table = table.append_column(name, pa.nulls(table.num_rows, type_of(name)))
    return table.select(list(columns)).cast(schema)
