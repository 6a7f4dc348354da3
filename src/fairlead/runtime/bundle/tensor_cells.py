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

try:
    from fairlead.runtime.bundle import _tensors
except ImportError:  # no compiler when the package was built
    _tensors = None  # type: ignore[assignment]

kernel: Any = _tensors

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
    if max(column.shape) > LARGEST or math.prod(column.shape) > LARGEST:
        return f"its shape has more than {LARGEST} elements, which is the limit"
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
    are rounded to the column's precision. Flags and texts are no numbers. `minimum` and `maximum` are not looked at:
    see `within`.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        return _of_bytes(value, column)
    if isinstance(value, Mapping):
        text = value.get("b64")
        return _of_text(text, column) if len(value) == 1 and isinstance(text, str) else None
    if kernel is not None and isinstance(value, list | tuple):
        cell: bytes | None = kernel.cell(value, column.shape, _CODES[column.dtype])
        if cell is not NotImplemented:
            return _halves(cell) if cell is not None and column.dtype == "float16" else cell
    numbers = _elements(value, column)
    cast = None if numbers is None else _cast(numbers, column)
    return None if cast is None else cast.tobytes()


_CODES = {name: at for at, name in enumerate(name for name in DTYPES if name != "float16")} | {"float16": 6}
"""What the kernel calls a dtype. It knows no halves: those are rounded from doubles."""


def _halves(doubles: bytes) -> bytes | None:
    with np.errstate(all="ignore"):
        found = np.frombuffer(doubles).astype(DTYPES["float16"])
    return found.tobytes() if np.isfinite(found).all() else None


def _of_text(text: str, column: Column) -> bytes | None:
    # Its length first: nothing is decoded that could not be a cell.
    if len(text) != (length(column) + 2) // 3 * 4:
        return None
    try:
        return _of_bytes(binascii.a2b_base64(text, strict_mode=True), column)
    except ValueError:  # binascii.Error is one
        return None


def _of_bytes(data: bytes | bytearray | memoryview, column: Column) -> bytes | None:
    if (data.nbytes if isinstance(data, memoryview) else len(data)) != length(column):
        return None
    cell, dtype = bytes(data), DTYPES[column.dtype]
    if dtype.kind == "f" and not np.isfinite(np.frombuffer(cell, dtype)).all():
        return None
    return cell


def _elements(value: Any, column: Column) -> Tensors | None:
    """The numbers of a list or an array in the column's shape or flat, shape (elements,)."""
    if isinstance(value, list | tuple):
        items = _listed(value, column)
        return None if items is None else _numbers(items)
    array = array_of(value)
    if array is not None and array.dtype.kind == "O" and array.ndim:
        return _elements(array.tolist(), column)
    if array is None or array.shape not in (column.shape, (size(column),)):
        return None
    return array.reshape(-1) if array.dtype.kind in "iuf" else None


def array_of(value: Any) -> Tensors | None:
    """The array that something is, or that its library makes of it (an image, a tensor); None for anything else."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, type | np.generic) or not hasattr(value, "__array__"):
        return None
    try:
        return np.asarray(value)
    except (ValueError, TypeError, RuntimeError, OverflowError):
        return None


def _listed(value: Sequence[Any], column: Column) -> Sequence[Any] | None:
    """All items of lists nested in the column's shape, or of a flat one."""
    if len(value) == size(column) and not isinstance(value[0], list | tuple | np.ndarray):
        return value
    level: Sequence[Any] = [value]
    for edge in column.shape:
        opened = _opened(level, edge)
        if opened is None:
            return None
        level = opened
    return level


def _opened(level: Sequence[Any], edge: int) -> list[Any] | None:
    """The items of the lists of a level; None unless all are lists of `edge` items."""
    if not all(issubclass(kind, list | tuple) for kind in set(map(type, level))):
        level = [item.tolist() if isinstance(item, np.ndarray) and item.size <= LARGEST else item for item in level]
    if not all(issubclass(kind, list | tuple) for kind in set(map(type, level))) or set(map(len, level)) != {edge}:
        return None
    return list(chain.from_iterable(level))


def _numbers(items: Sequence[Any]) -> Tensors | None:
    """Doubles; exact for whatever an integer dtype can hold. Types first: numpy would read texts and flags, too."""
    others = set(map(type, items)) - {int, float}
    if not all(issubclass(kind, np.integer | np.floating) for kind in others):
        return None
    try:
        return np.array([float(item) for item in items] if others else items, dtype=np.float64)
    except OverflowError:
        return None


def _cast(array: Tensors, column: Column) -> Tensors | None:
    """The same numbers in the column's dtype; None where one of them is none of it."""
    dtype = DTYPES[column.dtype]
    with np.errstate(all="ignore"):
        if dtype.kind == "f":
            array = array.astype(dtype, copy=False)
            return array if np.isfinite(array).all() else None
        if array.dtype == dtype:
            return array
        limits = np.iinfo(dtype)
        # As Python's numbers, which compare exactly; a NaN is within nothing.
        if not (limits.min <= array.min().item() and array.max().item() <= limits.max):
            return None
        cast = array.astype(dtype)
        return cast if array.dtype.kind != "f" or (cast == array).all() else None


def found_in(value: Any, column: Column) -> str:
    """What a value is that is no cell of the column: its kind and its shape, never an element."""
    if value is None or type(value).__name__ == "NAType" or (isinstance(value, float) and value != value):
        return "no value"  # as tables have it
    if isinstance(value, bytes | bytearray | memoryview):
        count = len(bytes(value))
        return f"{count} bytes" if count != length(column) else "bytes of a number that is not finite"
    if isinstance(value, Mapping):
        return _found_in_text(value, column)
    array = array_of(value)
    if array is not None and array.dtype.kind != "O":
        words = {"i": "numbers", "u": "numbers", "f": "numbers", "b": "booleans", "U": "text"}
        said = words.get(array.dtype.kind, "something else")
        shape: list[int] | None = list(array.shape)
    elif (array is not None and array.ndim) or isinstance(value, list | tuple):
        said, shape = _found_in_lists(value if array is None else array.tolist())
    else:
        return _SCALARS.get(type(value), type(value).__name__)
    if shape is None:
        return said
    fits = said == "numbers" and tuple(shape) in (column.shape, (size(column),))
    return f"{said} of shape {shape}{_trouble(value, column) if fits else ''}"


_SCALARS: dict[type, str] = {bool: "a boolean", int: "an integer", float: "a number", str: "text"}
_WORDS: dict[type, str] = {bool: "booleans", int: "numbers", float: "numbers", str: "text", type(None): "nulls"}


def _found_in_text(value: Mapping[Any, Any], column: Column) -> str:
    text = value.get("b64")
    if len(value) != 1 or not isinstance(text, str):
        return "an object"
    if len(text) > 2 * length(column) + 4:
        return f"{len(text)} letters of base64"
    try:
        return found_in(binascii.a2b_base64(text, strict_mode=True), column)
    except ValueError:
        return "text that is no base64"


def _found_in_lists(value: Any) -> tuple[str, list[int] | None]:
    level: list[Any] = [value]
    shape: list[int] = []
    while True:
        kinds = set(map(type, level))
        if any(issubclass(kind, np.ndarray) for kind in kinds):
            level = [item.tolist() if isinstance(item, np.ndarray) else item for item in level]
            kinds = set(map(type, level))
        lists = [issubclass(kind, list | tuple) for kind in kinds]
        if not any(lists):
            break
        if not all(lists):
            return "lists beside what is none", None
        if len(shape) > DIMENSIONS:
            return f"lists nested deeper than {DIMENSIONS}", None
        edges = set(map(len, level))
        if len(edges) > 1:
            return "lists of different lengths", None
        shape.append(edges.pop())
        level = list(chain.from_iterable(level))
    words = {_WORDS.get(kind, "numbers" if issubclass(kind, np.number) else "objects") for kind in kinds}
    return " and ".join(sorted(words)) or "nothing", shape


def _trouble(value: Any, column: Column) -> str:
    """Why numbers in the column's shape are none of its dtype."""
    quick = kernel.cell(value, column.shape, _CODES["float64"]) if kernel is not None else None
    numbers = np.frombuffer(quick) if isinstance(quick, bytes) else _elements(value, column)
    if numbers is None:  # too large for a double
        return f", one of them beyond {column.dtype}"
    with np.errstate(all="ignore"):
        if not np.isfinite(numbers).all():
            return ", one of them not finite"
        whole = DTYPES[column.dtype].kind == "f" or bool((np.floor(numbers) == numbers).all())
    return f", one of them beyond {column.dtype}" if whole else ", one of them not whole"


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
    found = _at_once(values, column)
    if found is not None:
        return found
    cells = []
    for row, value in enumerate(values):
        cell = cell_from(value, column)
        if cell is None:
            raise CellInvalid(row, column.name, found_in(value, column), allowed(column))
        if not within(cell, column):
            raise CellInvalid(row, column.name, "a value out of range", allowed(column))
        cells.append(cell)
    return together(cells, column)


def _at_once(values: Any, column: Column) -> Tensors | None:
    """An array whose every number fits; None where rows must be looked at one by one."""
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf" or values.ndim < 2 or not len(values):
        return None
    if values.shape[1:] not in (column.shape, (size(column),)):
        return None
    found = _cast(values.reshape(len(values), size(column)), column)
    if found is None:
        return None
    low, high = column.minimum, column.maximum
    if (low is not None and float(found.min()) < low) or (high is not None and float(found.max()) > high):
        return None
    return found
