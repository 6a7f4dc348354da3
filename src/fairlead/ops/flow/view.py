"""Rows of an event-time interval as the watcher needs them: inputs, scores of both variants, labels.

Tensors are not among what is held: of each there are the mean and the spread of its elements, and the tensors of rows
that a model has to answer anew are read a few at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract import records as names
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle.forecasts import HISTORY
from fairlead.runtime.capture.forecasts import steps_of

if TYPE_CHECKING:
    import pyarrow as pa

    from fairlead.runtime.bundle import Model
    from fairlead.runtime.capture import Records

_FLAGS = {"true": 1.0, "false": 0.0}
Pick = Callable[[Collection[Any], Sequence[str]], Iterator[Any]]


def read_view(records: Records, start: float | None, end: float | None, signature: Signature) -> View:
    """The answered rows of an interval with what is known of their labels; memory does not follow their tensors."""
    joined = records.joined(start, end, tensors=False, definition=signature.definition)
    return View(joined, signature, records.picked)


class View:
    """Answered rows of one interval, shadows left out, in arrival order.

    columns: features in columns form, in the place of a tensor its moments, where every row has them; times: (n,)
    event time; labels: (n,) truth, object array of str | None (classification, clustering) or float64 with NaN (a
    number, or 1 and 0 for an anomaly and none), or (n, horizon) of a forecast, NaN for what is not due; labelled: (n,)
    bool, of a forecast whether any step is due. pick: reads columns of some records, see `Records.picked`; without,
    tensors are not to be had.
    """

    def __init__(self, table: pa.Table, signature: Signature, pick: Pick | None = None) -> None:
        self.table, self._pick = table, pick
        self.signature = signature
        self.rows = table.num_rows
        self.times = _floats(table, names.TIME)
        self._tensors = [c for c in signature.columns if c.kind == "tensor"]
        self.columns = {
            c.name: _cells(table, names.FEATURE_IN + c.name, c.numeric) for c in signature.columns if c.kind != "tensor"
        }
        for column in self._tensors:
            self._add_moments(column.name)
        self.bundles = _cells(table, names.BUNDLE, False)
        self.labels, self.labelled = self._truth()

    def _add_moments(self, name: str) -> None:
        from fairlead.runtime.capture.moments import watched, watched_history

        prefixes: tuple[str, ...] = (names.MEAN_IN, names.SPREAD_IN)
        told: tuple[str, ...] = watched(name)
        if self.signature.task == "forecasting" and name == HISTORY:
            prefixes, told = (names.NEWEST_IN, *prefixes), watched_history(name)
        found = [_floats(self.table, prefix + name) for prefix in prefixes]
        # Of a tensor that was hidden, be it in some rows, nothing is known that could be compared.
        if not any(np.isnan(moments).any() for moments in found):
            self.columns.update(zip(told, found, strict=True))

    def _truth(self) -> tuple[np.ndarray, np.ndarray]:
        raw = _cells(self.table, names.LABEL, False)
        definition = _cells(self.table, names.DEFINITION, False)
        # Labels of another definition of the target are never mixed in.
        ours = np.array([d is None or d == self.signature.definition for d in definition], dtype=bool)
        if self.signature.task == "anomaly":
            raw = np.array([_FLAGS.get(value) for value in raw], dtype=object)
        if self.signature.classes:
            known = set(self.signature.classes)
            labelled = np.array([value in known for value in raw], dtype=bool) & ours
            return raw, labelled
        if self.signature.task == "forecasting":
            horizon = self.signature.horizon
            steps = np.array([steps_of(value, horizon) for value in raw], dtype=np.float64).reshape(-1, horizon)
            return steps, np.isfinite(steps).any(axis=1) & ours
        numbers = np.array([_number(value) for value in raw], dtype=np.float64)
        return numbers, np.isfinite(numbers) & ours

    def answered(self) -> np.ndarray:
        """What callers were answered, by whichever variant, shape (n, outputs); NaN where a record lacks it."""
        if self.signature.task == "forecasting":
            found = [_floats(self.table, names.STEP_OUT + name) for name in self.signature.outputs]
        elif self.signature.classes:
            found = [_floats(self.table, names.PROBABILITY_OUT + name) for name in self.signature.outputs]
        else:
            found = [_floats(self.table, names.VALUE_OUT)]
        return np.column_stack(found) if self.rows else np.zeros((0, len(self.signature.outputs)))

    def scores(self, model: Model) -> np.ndarray:
        """What `model` says to every row, shape (n, outputs): as recorded where it answered, else computed now.

        NaN for rows that it did not answer and whose tensors are hidden.
        """
        scores = self.answered()
        recorded = np.array([b == model.id for b in self.bundles], dtype=bool)
        missing = ~recorded | ~np.isfinite(scores).all(axis=1)
        if missing.any() and self._tensors:
            self._score_picked(model, np.flatnonzero(missing), scores)
        elif missing.any():
            rest = {name: array[missing] for name, array in self.columns.items()}
            scores[missing] = model.score_columns(rest)
        return scores

    def _score_picked(self, model: Model, rows: np.ndarray, scores: np.ndarray) -> None:
        """Write the answers to some rows, whose tensors are read for it and let go."""
        from fairlead.runtime.capture.picking import IDENTITY, identities

        scores[rows] = np.nan
        own = identities(self.table.select(IDENTITY).take(rows))
        places = dict(zip(own, rows.tolist(), strict=True))
        columns = [names.FEATURE_IN + c.name for c in self._tensors]
        for part in self._pick(places, columns) if self._pick is not None else ():
            found = [tensors_in(part, column) for column in self._tensors]
            at = np.array([places[one] for one in identities(part)], dtype=np.int64)
            held = {c.name: tensors for c, tensors in zip(self._tensors, found, strict=True) if tensors is not None}
            if len(held) == len(found):
                plain = {c.name: self.columns[c.name][at] for c in self.signature.columns if c.kind != "tensor"}
                scores[at] = model.score_columns({**plain, **held})


def tensors_in(table: pa.Table, column: Column) -> np.ndarray | None:
    """A tensor column of records, (rows, elements) in its dtype; None where they are hidden or of another kind."""
    from fairlead.runtime.bundle.tensor_cells import DTYPES, size
    from fairlead.runtime.capture.tensors import holds_tensors, matrix

    name = names.FEATURE_IN + column.name
    if name not in table.schema.names or not holds_tensors(table.schema.field(name).type):
        return None
    cells = table.column(name)
    if cells.null_count:
        return None
    found: np.ndarray = matrix(cells)
    fits = found.shape[1:] == (size(column),) and found.dtype == DTYPES[column.dtype]
    return found if fits else None


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return float("nan")


def _floats(table: pa.Table, name: str) -> np.ndarray:
    # A number that was redacted is text, which is no number.
    if name not in table.schema.names or _is_text(table.schema.field(name).type):
        return np.full(table.num_rows, np.nan)
    return np.asarray(table.column(name).to_numpy(zero_copy_only=False), dtype=np.float64).copy()


def _cells(table: pa.Table, name: str, numeric: bool) -> np.ndarray:
    if numeric:
        return _floats(table, name)
    cells = np.empty(table.num_rows, dtype=object)
    if name in table.schema.names:
        cells[:] = table.column(name).to_pylist()
    return cells


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))
