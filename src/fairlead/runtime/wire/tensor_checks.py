"""The check of a tensor column's cells, and what its errors say: the shape and kind found, never an element."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from fairlead.contract.errors import BundleRefused, CellInvalid
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle import tensor_cells
from fairlead.runtime.wire.kinds import kind_of

_DEEPEST = 8
"""Levels of nested lists that an error counts."""


def tensors_of(signature: Signature) -> dict[str, Column]:
    """The tensor columns by name. Raises BundleRefused for one that cannot be served."""
    found = {column.name: column for column in signature.columns if column.kind == "tensor"}
    for name, column in found.items():
        wrong = tensor_cells.problem(column)
        if wrong is not None:
            raise BundleRefused(f"column {name!r}: {wrong}")
    return found


class TensorCells:
    """One tensor column's check: a value as people send it -> the bytes of its elements."""

    __slots__ = ("_column",)

    def __init__(self, column: Column) -> None:
        self._column = column

    def __call__(self, value: object, row: int) -> bytes:
        """Raises CellInvalid."""
        column = self._column
        cell = tensor_cells.cell_from(value, column)
        if cell is None:
            raise CellInvalid(row, column.name, found_in(value, column), tensor_cells.allowed(column))
        if not tensor_cells.within(cell, column):
            raise CellInvalid(row, column.name, "a value out of range", tensor_cells.allowed(column))
        return cell


def found_in(value: Any, column: Column) -> str:
    """What a value is that is no cell of the column."""
    if isinstance(value, bytes | bytearray | memoryview):
        length = len(bytes(value))
        return f"{length} bytes" if length != tensor_cells.length(column) else "a number that is not finite"
    if isinstance(value, Mapping):
        return _of_object(value, column)
    if isinstance(value, np.ndarray):
        return _of_shape(list(value.shape), column) or _unheld(value, column)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _of_list(value, column)
    return kind_of(value)


def _of_object(value: Mapping[Any, Any], column: Column) -> str:
    text = value.get("b64") if set(value) == {"b64"} else None
    if not isinstance(text, str):
        return "an object"
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return "text that is not base64"
    return found_in(data, column)


def _of_list(value: Sequence[Any], column: Column) -> str:
    shape, flat = [len(value)], value
    while flat and any(isinstance(part, list | tuple) for part in flat):
        if not all(isinstance(part, list | tuple) and len(part) == len(flat[0]) for part in flat):
            return "lists that are not all of one length"
        if len(shape) == _DEEPEST:
            return f"lists nested more than {_DEEPEST} deep"
        shape.append(len(flat[0]))
        flat = list(chain.from_iterable(flat))
    other = _of_shape(shape, column)
    if other is not None:
        return other
    kinds = {type(part): part for part in flat}
    odd = [part for kind, part in kinds.items() if kind not in (int, float)]
    return f"{kind_of(odd[0])} in a list of shape {shape}" if odd else _unheld(flat, column)


def _of_shape(shape: list[int], column: Column) -> str | None:
    fits = tuple(shape) in (column.shape, (tensor_cells.size(column),))
    return None if fits else f"a list of shape {shape}"


def _unheld(numbers: Any, column: Column) -> str:
    try:
        finite = bool(np.isfinite(np.asarray(numbers, dtype=np.float64)).all())
    except (OverflowError, ValueError, TypeError):
        finite = True
    if not finite:
        return "a number that is not finite"
    return f"a number that {column.dtype} does not hold"
