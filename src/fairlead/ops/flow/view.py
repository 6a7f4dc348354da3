"""Rows of an event-time interval as the watcher needs them: inputs, scores of both variants, labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract import records as names
from fairlead.contract.signature import Signature

if TYPE_CHECKING:
    import pyarrow as pa

    from fairlead.runtime.bundle import Model


class View:
    """Answered rows of one interval, shadows left out, in arrival order.

    columns: features in columns form; times: (n,) event time; labels: (n,) truth, object array of
    str | None (classification) or float64 with NaN (regression); labelled: (n,) bool.
    """

    def __init__(self, table: pa.Table, signature: Signature) -> None:
        self.table = table
        self.signature = signature
        self.rows = table.num_rows
        self.times = _floats(table, names.TIME)
        self.columns = {c.name: _cells(table, names.FEATURE_IN + c.name, c.numeric) for c in signature.columns}
        self.bundles = _cells(table, names.BUNDLE, False)
        self.labels, self.labelled = self._truth()

    def _truth(self) -> tuple[np.ndarray, np.ndarray]:
        raw = _cells(self.table, names.LABEL, False)
        definition = _cells(self.table, names.DEFINITION, False)
        # Labels of another definition of the target are never mixed in.
        ours = np.array([d is None or d == self.signature.definition for d in definition], dtype=bool)
        if self.signature.task == "classification":
            known = set(self.signature.classes)
            labelled = np.array([value in known for value in raw], dtype=bool) & ours
            return raw, labelled
        numbers = np.array([_number(value) for value in raw], dtype=np.float64)
        return numbers, np.isfinite(numbers) & ours

    def answered(self) -> np.ndarray:
        """What callers were answered, by whichever variant, shape (n, outputs); NaN where a record lacks it."""
        if self.signature.task == "classification":
            found = [_floats(self.table, names.PROBABILITY_OUT + name) for name in self.signature.outputs]
        else:
            found = [_floats(self.table, names.VALUE_OUT)]
        return np.column_stack(found) if self.rows else np.zeros((0, len(self.signature.outputs)))

    def scores(self, model: Model) -> np.ndarray:
        """What `model` says to every row, shape (n, outputs): as recorded where it answered, else computed now."""
        scores = self.answered()
        recorded = np.array([b == model.id for b in self.bundles], dtype=bool)
        missing = ~recorded | ~np.isfinite(scores).all(axis=1)
        if missing.any():
            rest = {name: array[missing] for name, array in self.columns.items()}
            scores[missing] = model.score_columns(rest)
        return scores


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
