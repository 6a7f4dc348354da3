"""Columns of tensors as libraries hold them: arrays, lists of lists, fixed-size lists. None of them is imported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fairlead.contract.errors import BodyInvalid, ShapeMismatch
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle.tensor_cells import DIMENSIONS, size


def alone(table: Any, signature: Signature) -> Mapping[str, Any] | None:
    """A plain array as the only column of a model that takes nothing but one tensor; None for anything else.

    Raises ShapeMismatch for an array that is no such column.
    """
    if not isinstance(table, np.ndarray) or table.dtype.names or len(signature.columns) != 1:
        return None
    column = signature.columns[0]
    if column.kind != "tensor":
        return None
    if table.shape[1:] in (column.shape, (size(column),)):
        return {column.name: table}
    shape = ", ".join(map(str, column.shape))
    raise ShapeMismatch(
        f"an array of shape {table.shape} is no table of this model: it needs (rows, {shape}) or (rows, {size(column)})"
    )


def tensors_held(values: Any, column: Column) -> Any:
    """Values of a column of tensors as one array where their library holds them so, else one by one.

    Raises BodyInvalid for what holds no rows.
    """
    if isinstance(values, (np.ndarray, list, tuple)):
        return values
    if hasattr(values, "to_pylist"):
        return _arrow(values)
    if hasattr(values, "to_physical"):
        return _polars(values, column)
    if hasattr(values, "tolist"):
        return values.tolist()
    if not hasattr(values, "__iter__"):
        raise BodyInvalid(f"column {column.name!r}: {type(values).__name__} holds no rows")
    return list(values)


def _arrow(values: Any) -> Any:
    """The numbers of nested lists of equal lengths, which lie one after another in memory; else lists."""
    part = values.combine_chunks() if hasattr(values, "num_chunks") else values
    if hasattr(part, "num_chunks"):
        return values.to_pylist()
    shape = [len(part)]
    while len(shape) <= DIMENSIONS + 1 and not part.null_count:
        part = getattr(part, "storage", part)
        if not hasattr(part, "flatten") or not str(part.type).startswith(("list", "large_list", "fixed_size_list")):
            break
        flat = part.flatten()
        edge, rest = divmod(len(flat), max(len(part), 1))
        if rest or not _even(part, edge):
            return values.to_pylist()
        shape.append(edge)
        part = flat
    if len(shape) < 2 or part.null_count or str(part.type) not in _NUMBERS:
        return values.to_pylist()
    return part.to_numpy(zero_copy_only=False).reshape(shape)


_NUMBERS = {*(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "halffloat", "float", "double"}


def _even(lists: Any, edge: int) -> bool:
    """Whether every list has `edge` items."""
    if not hasattr(lists, "offsets"):
        return True
    return bool((np.diff(lists.offsets.to_numpy(zero_copy_only=False)) == edge).all())


def _polars(values: Any, column: Column) -> Any:
    kind = type(values.dtype).__name__
    if kind == "Array" and not values.null_count():
        found = values.to_numpy()
        return found if found.dtype.kind in "iuf" else values.to_list()
    if kind == "List" and len(values):
        return _arrow(values.to_arrow())
    return values.to_list()
