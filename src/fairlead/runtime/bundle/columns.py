"""From tables as people hold them (columns, a DataFrame, Arrow) to the columns form, checked.

Where cells repeat, the distinct ones are checked and turned, not each row's. This is the embedded path
(`Model.predict`); requests are parsed by `runtime/wire`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, tzinfo
from typing import Any

import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import CellInvalid, ColumnMissing, ColumnUnknown, ShapeMismatch
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle import tensor_cells
from fairlead.runtime.bundle.cells import allowed_in, plain_cell
from fairlead.runtime.bundle.coded import Coded, cells_of, coded_numbers, coded_objects
from fairlead.runtime.bundle.tabular import columns_in, held
from fairlead.runtime.bundle.tensor_tables import alone, tensors_held
from fairlead.runtime.bundle.zones import instant, zone_of

Floats = npt.NDArray[np.float64]
_TYPED = {"number": "fiu", "integer": "fiu", "time": "fiu", "boolean": "bfiu"}


def columns_from(table: Any, signature: Signature) -> dict[str, npt.NDArray[Any]]:
    """Columns form of a mapping of sequences, or of a table of pandas, polars, Arrow or numpy.

    Raises as `rows_from`, and ShapeMismatch.
    """
    return cells_of(coded_columns_from(table, signature))


def coded_columns_from(table: Any, signature: Signature) -> dict[str, npt.NDArray[Any] | Coded]:
    """`columns_from` with columns of text as codes where their cells repeat."""
    expected = signature.names
    table = alone(table, signature) or columns_in(table, expected)
    given = {str(name) for name in table}
    if missing := [name for name in expected if name not in given]:
        raise ColumnMissing(missing, expected)
    if unknown := sorted(given - {*expected, *signature.passthrough}):
        raise ColumnUnknown(unknown, expected)
    zone = zone_of(signature.timezone)
    found = {column.name: column_of(table[column.name], column, zone) for column in signature.columns}
    if len({len(column) for column in found.values()}) > 1:
        raise ShapeMismatch("columns have different lengths: " + ", ".join(f"{n} {len(a)}" for n, a in found.items()))
    return found


def column_of(values: Any, column: Column, zone: tzinfo = UTC) -> npt.NDArray[Any] | Coded:
    """One column in the columns form: float64 with NaN, text as objects or as codes, a tensor (rows, elements)."""
    if column.kind == "tensor":
        return tensor_cells.column_from(tensors_held(values, column), column)
    taken = held(values, column, zone is UTC)
    if isinstance(taken, list) and not column.numeric:
        taken = coded_objects(taken) or taken
    if isinstance(taken, Coded):
        return _of_codes(taken, column, zone)
    array = _array(taken)
    fast = _fast(array, column, zone)
    if fast is not None:
        return _within(fast, column)
    if hasattr(values, "dtype") and isinstance(taken, np.ndarray):
        array = np.asarray(values)  # which says what is wrong as its library names it
    coded = None
    if array.dtype.kind == "O":
        coded = coded_objects(array)
    elif not column.numeric and array.dtype.kind in "iufb":
        coded = coded_numbers(array)
    if coded is not None:
        return _of_codes(coded, column, zone)
    return _one_by_one(array, column, zone)


def _array(values: Any) -> npt.NDArray[Any]:
    """As numpy holds them, except that numbers and flags in a list with texts stay what they are."""
    if isinstance(values, (list, tuple)):
        kinds = set(map(type, values))
        numbers = bool not in kinds and all(issubclass(kind, (int, float, np.number)) for kind in kinds)
        if not numbers and np.datetime64 not in kinds and kinds != {bool}:
            return _objects(values)
    return np.asarray(values)


def _of_codes(coded: Coded, column: Column, zone: tzinfo) -> npt.NDArray[Any] | Coded:
    cells = coded.cells
    if not column.numeric and column.nullable and set(map(type, cells)) <= {str, type(None)}:
        return coded
    appear = np.bincount(coded.codes, minlength=len(cells)) > 0
    found: list[Any] = [None] * len(cells)
    wrong = np.zeros(len(cells), dtype=bool)
    for at in np.flatnonzero(appear).tolist():
        try:
            found[at] = plain_cell(cells[at], column, 0, zone)
        except CellInvalid:
            wrong[at] = True
    if wrong.any():
        row = int(np.argmax(wrong[coded.codes]))
        plain_cell(cells[coded.codes[row]], column, row, zone)  # which raises
    if not column.numeric:
        return Coded(coded.codes, found)
    numbers = np.array([math.nan if cell is None else cell for cell in found], dtype=np.float64)
    return numbers.take(coded.codes)


def _one_by_one(array: npt.NDArray[Any], column: Column, zone: tzinfo) -> npt.NDArray[Any]:
    listed = array.tolist()
    texts = _texts(array, listed, column)
    if texts is not None:
        return texts
    cells = [plain_cell(value, column, row, zone) for row, value in enumerate(listed)]
    if not column.numeric:
        return _objects(cells)
    return np.array([math.nan if cell is None else cell for cell in cells], dtype=np.float64)


def _objects(cells: Sequence[Any]) -> npt.NDArray[Any]:
    return np.fromiter(cells, dtype=object, count=len(cells))


def _texts(array: npt.NDArray[Any], listed: list[Any], column: Column) -> npt.NDArray[Any] | None:
    """Texts with gaps, told by the types of all cells at once; None if cells must be looked at one by one."""
    if column.numeric or column.coded != "text" or not column.nullable:
        return None
    kinds = set(map(type, listed))
    if not kinds <= {str, type(None), float}:
        return None
    if float not in kinds:
        return array if array.dtype == object else np.array(listed, dtype=object)
    found = np.array(listed, dtype=object)
    # What differs from itself is NaN, a gap; any other float is no text.
    gaps = found != found
    if any(type(cell) is float for cell in found[~gaps]):
        return None
    found[gaps] = None
    return found


def _within(numbers: Floats, column: Column) -> Floats:
    """`numbers` if all are allowed. Raises CellInvalid."""
    if not column.nullable and len(gaps := np.flatnonzero(np.isnan(numbers))):
        raise CellInvalid(int(gaps[0]), column.name, "no value", f"a {column.kind}; it is not nullable")
    if column.minimum is None and column.maximum is None:
        return numbers
    low = -math.inf if column.minimum is None else column.minimum
    high = math.inf if column.maximum is None else column.maximum
    if len(out := np.flatnonzero((numbers < low) | (numbers > high))):
        raise CellInvalid(int(out[0]), column.name, "a value out of range", allowed_in(column))
    return numbers


def _fast(array: npt.NDArray[Any], column: Column, zone: tzinfo) -> Floats | None:
    """Numbers and times that numpy holds already, None if cells must be looked at one by one."""
    kind = array.dtype.kind
    if column.kind == "time" and kind == "M":
        return _moments(array.astype("datetime64[us]"), zone)
    if kind == "O" and column.numeric:
        listed = _numbers_and_gaps(array, column)
        if listed is None:
            return None
        array, kind = listed, "f"
    if kind not in _TYPED.get(column.kind, "") or array.dtype.itemsize > 8:
        return None
    numbers = array.astype(np.float64, copy=False)
    if kind == "f":
        if np.isinf(numbers).any():
            return None
        if column.kind == "integer" and not ((numbers == np.floor(numbers)) | np.isnan(numbers)).all():
            return None
    if column.kind == "boolean" and kind != "b" and not ((numbers == 0) | (numbers == 1) | np.isnan(numbers)).all():
        return None
    return numbers


def _numbers_and_gaps(array: npt.NDArray[Any], column: Column) -> Floats | None:
    """An array of objects that are floats, whole numbers and None."""
    listed = array.tolist()
    if not set(map(type, listed)) <= {float, int, type(None)}:
        return None
    try:
        return np.array(listed, dtype=np.float64)
    except OverflowError:
        return None


def _moments(stamps: npt.NDArray[Any], zone: tzinfo) -> Floats:
    """Seconds since the epoch of moments that carry no zone, microseconds."""
    if zone is UTC:
        return np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64) / 1e6)
    distinct, codes = np.unique(stamps, return_inverse=True)
    found = np.array([math.nan if moment is None else instant(moment, zone) for moment in distinct.tolist()])
    return found.astype(np.float64).take(codes.reshape(-1))
