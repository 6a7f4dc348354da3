"""Cells of tensors: from what people hold (nested or flat lists, arrays, bytes) to bytes, and back.

A tensor cell is its elements' bytes, little-endian, row-major, in the column's dtype: immutable, compact, and what the
binary forms of every protocol carry.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import CellInvalid
from fairlead.contract.signature import Column

Tensors = npt.NDArray[Any]

DTYPES: dict[str, np.dtype[Any]] = {
    name: np.dtype(name).newbyteorder("<")
    for name in ("uint8", "int8", "uint16", "int16", "int32", "float16", "float32", "float64")
}
DIMENSIONS = 4
"""Most dimensions of one row's tensor."""
LARGEST = 1_000_000
"""Most elements of one row's tensor."""
_NUMBERS = (float, np.integer, np.floating)


def problem(column: Column) -> str | None:
    """What is wrong with a tensor column of a signature; None if it can be served."""
    if column.dtype not in DTYPES:
        return f"its dtype must be one of {', '.join(DTYPES)}"
    if not 1 <= len(column.shape) <= DIMENSIONS or any(edge < 1 for edge in column.shape):
        return f"its shape must have 1 to {DIMENSIONS} dimensions, each at least 1"
    if math.prod(column.shape) > LARGEST:
        return f"its shape has {math.prod(column.shape)} elements, the limit is {LARGEST}"
    if column.nullable:
        return "a tensor is never missing, so it must not be nullable"
    return None


def size(column: Column) -> int:
    """Elements of one cell."""
    return math.prod(column.shape)


def length(column: Column) -> int:
    """Bytes of one cell."""
    return size(column) * DTYPES[column.dtype].itemsize


def allowed(column: Column) -> str:
    """What a tensor column takes, for errors."""
    said = f'{column.dtype} of shape {list(column.shape)} as nested lists, or its bytes as {{"b64": ...}}'
    said += f", from {column.minimum:g}" if column.minimum is not None else ""
    return said + (f" up to {column.maximum:g}" if column.maximum is not None else "")


def cell_from(value: Any, column: Column) -> bytes | None:
    """The cell of a nested or flat list, an array, bytes, or `{"b64": text}`; None where it is no such tensor.

    Elements of another dtype are taken where they are the same numbers in the column's; floats must be finite, and
    in float16 and float32 they are rounded. `minimum` and `maximum` are not looked at: see `within`.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        return _of_bytes(bytes(value), column)
    if isinstance(value, Mapping):
        if set(value) != {"b64"} or not isinstance(value["b64"], str):
            return None
        try:
            return _of_bytes(base64.b64decode(value["b64"], validate=True), column)
        except (binascii.Error, ValueError):
            return None
    if isinstance(value, np.ndarray):
        array = value if value.dtype.kind in "iuf" else None
    else:
        array = _listed(value, column) if isinstance(value, Sequence) and not isinstance(value, str) else None
    if array is None or array.shape not in (column.shape, (size(column),)):
        return None
    return _cast(array, column)


def _listed(value: Sequence[Any], column: Column) -> Tensors | None:
    """Lists nested in the column's shape, or flat, as a flat array.

    They are looked at before numpy sees them: of one long text among numbers it would make as many texts of that
    length, and it takes true for 1.
    """
    if len(value) not in (column.shape[0], size(column)):
        return None
    if isinstance(value[0], np.ndarray):
        alike = all(isinstance(part, np.ndarray) and part.shape == value[0].shape for part in value)
        parts = np.stack(value) if alike and value[0].dtype.kind in "iuf" else None
        return parts if parts is not None and parts.dtype.kind in "iuf" else None
    flat: Sequence[Any] = value
    for inner in column.shape[1:] if isinstance(value[0], list | tuple) else ():
        if not all(isinstance(part, list | tuple) and len(part) == inner for part in flat):
            return None
        flat = list(chain.from_iterable(flat))
    kinds = set(map(type, flat))
    if len(flat) != size(column) or not all(kind is int or issubclass(kind, _NUMBERS) for kind in kinds):
        return None
    whole = kinds == {int} and DTYPES[column.dtype].kind != "f"
    try:
        return np.array(flat, np.int64 if whole else np.float64)
    except OverflowError:
        return None


def _cast(array: Tensors, column: Column) -> bytes | None:
    dtype = DTYPES[column.dtype]
    if array.dtype != dtype:
        with np.errstate(all="ignore"):
            cast = array.astype(dtype)
        if dtype.kind != "f" and not np.array_equal(cast.astype(array.dtype), array):
            return None
        if dtype.kind != "f" and array.size and (float(cast.min()) != float(array.min())):
            return None
        array = cast
    if dtype.kind == "f" and not np.isfinite(array).all():
        return None
    return array.tobytes()


def _of_bytes(data: bytes, column: Column) -> bytes | None:
    if len(data) != length(column):
        return None
    dtype = DTYPES[column.dtype]
    if dtype.kind == "f" and not np.isfinite(np.frombuffer(data, dtype)).all():
        return None
    return data


def within(cell: bytes, column: Column) -> bool:
    """Whether every element keeps to the limits that the project states."""
    if column.minimum is None and column.maximum is None:
        return True
    found = np.frombuffer(cell, DTYPES[column.dtype])
    return not (
        (column.minimum is not None and float(found.min()) < column.minimum)
        or (column.maximum is not None and float(found.max()) > column.maximum)
    )


def outside(cell: bytes, column: Column) -> list[Any]:
    """A cell as nested lists of numbers."""
    nested: list[Any] = np.frombuffer(cell, DTYPES[column.dtype]).reshape(column.shape).tolist()
    return nested


def packed(cell: bytes) -> dict[str, str]:
    """A cell as `{"b64": text}`, which `cell_from` takes back."""
    return {"b64": base64.b64encode(cell).decode()}


def together(cells: Sequence[bytes], column: Column) -> Tensors:
    """Cells as one array in the column's dtype, shape (n, elements): the columns form of a tensor."""
    return np.frombuffer(b"".join(cells), DTYPES[column.dtype]).reshape(len(cells), size(column))


def column_from(values: Any, column: Column) -> Tensors:
    """The columns form of an array of shape (n, *shape) or (n, elements), or of n tensors one by one.

    Raises CellInvalid for the first that does not fit.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf" and values.ndim >= 1 and len(values):
        flat = values.reshape(len(values), -1) if values.shape[1:] in (column.shape, (size(column),)) else None
        data = None if flat is None else _cast(flat, column)
        if data is not None:
            found = np.frombuffer(data, DTYPES[column.dtype]).reshape(len(values), size(column))
            if within(data, column):
                return found
    cells = []
    for row, value in enumerate(values):
        cell = cell_from(value, column)
        if cell is None:
            raise CellInvalid(row, column.name, "something else", allowed(column))
        if not within(cell, column):
            raise CellInvalid(row, column.name, "a value out of range", allowed(column))
        cells.append(cell)
    return together(cells, column)
