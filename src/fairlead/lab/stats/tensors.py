"""Tensors among counted columns: of each the mean and the spread of its elements, two numeric columns.

Elements themselves are not counted: no pixel means the same in two images. See `runtime/capture/moments.py`, by
which records have the same two numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle.forecasts import HISTORY, ORIGIN, history_of
from fairlead.runtime.bundle.tensor_cells import size
from fairlead.runtime.capture.moments import moments, of_history, watched, watched_history


def counted(signature: Signature) -> tuple[Column, ...]:
    """The columns of a signature as they are counted: two numbers in the place of each tensor; of a forecast three in
    the place of its history, and none in that of its origin, which is later than all that was learned from.
    """
    found: list[Column] = []
    ahead = signature.task == "forecasting"
    for column in signature.columns:
        if ahead and column.name == ORIGIN:
            continue
        names: tuple[str, ...] | None = watched(column.name) if column.kind == "tensor" else None
        if ahead and column.name == HISTORY:
            names = watched_history(HISTORY)
        found += [column] if names is None else [Column(name, "number", nullable=False) for name in names]
    return tuple(found)


def with_histories(columns: Mapping[str, Any], signature: Signature) -> Mapping[str, Any]:
    """Columns of a forecast with what is counted of its history, (rows, elements); those of any other task as they
    are.
    """
    if signature.task != "forecasting" or HISTORY not in columns:
        return columns
    column = history_of(signature)
    # As they come from a table of origins, or as they are served.
    tensors = np.asarray(columns[HISTORY]).reshape(-1, size(column))
    return {**columns, **dict(zip(watched_history(HISTORY), of_history(tensors, column.shape), strict=True))}


def with_moments(columns: Mapping[str, Any], wanted: Collection[str]) -> Mapping[str, Any]:
    """Columns with the moments of tensors that are wanted and not there yet. Tensors: (rows, elements)."""
    absent = set(wanted) - columns.keys()
    if not absent:
        return columns
    more: dict[str, Any] = {}
    for name, values in columns.items():
        names = watched(name)
        if getattr(values, "ndim", 1) == 2 and absent & set(names):
            more.update(zip(names, moments(values), strict=True))
    return {**columns, **more}
