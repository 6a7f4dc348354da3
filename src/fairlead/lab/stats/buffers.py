"""Between Arrow's arrays and NumPy's by their buffers.

Arrow's own ways (`Array.to_numpy`, `pa.array`, `pa.scalar`) load pandas first, which takes longer than a report of a
hundred thousand rows; nothing here does for numbers, booleans and words.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa


def to_numpy(array: pa.Array) -> np.ndarray:
    """Float64 with NaN for missing."""
    kind = _plain_dtype(array.type)
    if kind is None:
        return np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.float64)
    found = _cells(array, kind).astype(np.float64)
    if array.null_count:
        found[~there(array)] = np.nan
    return found


def to_integers(array: pa.Array) -> np.ndarray:
    """Int64 of integers of which none is missing."""
    kind = _plain_dtype(array.type)
    cells = array.to_numpy(zero_copy_only=False) if kind is None else _cells(array, kind)
    return np.asarray(cells, dtype=np.int64)


def to_mask(array: pa.Array) -> np.ndarray:
    """Booleans with False for missing."""
    if not pa.types.is_boolean(array.type):
        return np.asarray(array.fill_null(False).to_numpy(zero_copy_only=False), dtype=bool)
    found = _bits(array.buffers()[1], array.offset, len(array))
    return found & there(array) if array.null_count else found


def there(array: pa.Array) -> np.ndarray:
    """Which cells are not missing, of an array that has a map of them or none missing."""
    held = array.buffers()[0]
    if held is None:
        return np.full(len(array), not array.null_count)
    return _bits(held, array.offset, len(array))


def of_mask(chosen: np.ndarray) -> pa.Array:
    """Booleans of NumPy as Arrow's."""
    packed = pa.py_buffer(np.packbits(np.asarray(chosen, dtype=bool), bitorder="little"))
    return pa.BooleanArray.from_buffers(pa.bool_(), len(chosen), [None, packed])


def of_words(words: Sequence[str]) -> pa.Array:
    """A few words as an array."""
    held = [word.encode() for word in words]
    ends = np.cumsum([0, *map(len, held)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(held), pa.py_buffer(ends), pa.py_buffer(b"".join(held)))


def nothing(kind: pa.DataType) -> pa.Scalar:
    """A missing cell of a type."""
    return pa.nulls(1, kind)[0]


def integer(value: int) -> pa.Scalar:
    """An integer to compare cells with."""
    held = pa.py_buffer(np.asarray([value], dtype=np.int64))
    return pa.Int64Array.from_buffers(pa.int64(), 1, [None, held])[0]


def word(value: str) -> pa.Scalar:
    """A word to compare cells with."""
    return of_words((value,))[0]


def _plain_dtype(kind: pa.DataType) -> np.dtype | None:
    if pa.types.is_float64(kind):
        return np.dtype(np.float64)
    if pa.types.is_float32(kind):
        return np.dtype(np.float32)
    return np.dtype(str(kind)) if pa.types.is_integer(kind) else None


def _cells(array: pa.Array, kind: np.dtype) -> np.ndarray:
    data = array.buffers()[1]
    if data is None or not len(array):
        return np.zeros(len(array), dtype=kind)
    return np.frombuffer(data, dtype=kind, count=len(array), offset=array.offset * kind.itemsize)


def _bits(data: pa.Buffer | None, offset: int, count: int) -> np.ndarray:
    if data is None or not count:
        return np.zeros(count, dtype=bool)
    first = offset // 8
    held = np.frombuffer(data, dtype=np.uint8, count=-(-(offset + count) // 8) - first, offset=first)
    return np.unpackbits(held, bitorder="little")[offset - 8 * first :][:count].astype(bool)
