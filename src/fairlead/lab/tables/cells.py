"""Cells of tables to the in-memory forms of `contract.signature`, and to the frames that sklearn sees.

A cell that does not fit its column is refused with row and column and never
with its value. Whether a missing cell is allowed (`Column.nullable`) is for the
door that answers requests to say; a table may have gaps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fairlead.contract.errors import CellInvalid, ColumnMissing, ShapeMismatch
from fairlead.contract.signature import UNSUPERVISED, Column, Signature
from fairlead.lab.stats.buffers import integer, of_mask, to_integers, to_mask, to_numpy, word
from fairlead.lab.tables.parsing import (
    family,
    is_text,
    parse_numbers,
    plain,
    trimmed,
    without_blanks,
)
from fairlead.lab.tables.tensors import arrow_lists, series_from, series_of, tensors_of
from fairlead.lab.tables.times import seconds_of
from fairlead.lab.tables.untaught import truth_if_any
from fairlead.runtime.bundle.coded import Coded, with_gaps

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.lab.tables.sources import Table

Columns = dict[str, Any]


def columns_of(
    rows: Any,
    signature: Signature,
    *,
    zone: str = "UTC",
    first_row: int = 0,
    invalid: Literal["refuse", "missing"] = "refuse",
    text: Literal["object", "arrow", "codes"] = "object",
) -> Columns:
    """The features of these rows in the columns form: float64 with NaN, or object arrays of str | None; of a tensor
    an array (rows, elements) in its dtype.

    rows: pandas frame, Arrow table or batch, or a mapping of arrays; other columns are ignored.
    zone: of times that carry none. first_row: number of the first row, for error messages.
    invalid: what becomes of a cell that is not of its column's kind. text: "arrow" keeps categories and
    texts as Arrow dictionaries, which profiles take and which makes no string a cell; "codes" as `Coded`, which
    models take.
    Raises ColumnMissing, CellInvalid.
    """
    names = names_of(rows)
    absent = [c.name for c in signature.columns if c.name not in names]
    if absent:
        raise ColumnMissing(absent, signature.names)
    found: Columns = {}
    values: Any
    for column in signature.columns:
        if column.kind == "tensor":
            # No cell of a tensor is ever missing, so one that does not fit is refused whatever `invalid` says.
            found[column.name] = tensors_of(_given(rows, column.name), column, first_row)
            continue
        if column.numeric:
            values, strange = _numbers(rows, column, zone)
        else:
            encoded, strange = _texts(arrow_of(rows, column.name), column)
            values = encoded if text == "arrow" else _codes(encoded) if text == "codes" else _objects(encoded)
        if strange is not None and invalid == "refuse" and strange.any():
            row = int(np.argmax(strange))
            raise CellInvalid(first_row + row, column.name, _kind_found(rows, column.name, row), _allowed(column))
        found[column.name] = values
    return found


def target_of(rows: Any, signature: Signature) -> np.ndarray:
    """The truth of these rows: object array of class labels | None, or float64 with NaN. Shape (rows,).

    Of tasks that need no truth see `untaught.truth_if_any`. Raises ColumnMissing, CellInvalid (a target that is no
    number in a regression).
    """
    if signature.task in UNSUPERVISED:
        known = signature.target in names_of(rows)
        values = arrow_of(rows, signature.target).to_pylist() if known else None
        return truth_if_any(values, rows.num_rows if hasattr(rows, "num_rows") else len(rows), signature)
    if signature.target not in names_of(rows):
        raise ColumnMissing([signature.target], [signature.target])
    if signature.task == "classification":
        coded = label_coding(signature.classes)
        column = Column(signature.target, "category", coded=coded)
        return _objects(_texts(arrow_of(rows, signature.target), column)[0])
    column = Column(signature.target, "number")
    values, strange = _numbers(rows, column, "UTC")
    if strange is not None and strange.any():
        row = int(np.argmax(strange))
        raise CellInvalid(row, signature.target, _kind_found(rows, signature.target, row), _allowed(column))
    return values


def label_coding(classes: tuple[str, ...]) -> Literal["text", "integer", "boolean"]:
    """How class labels look in tables, by their texts."""
    if set(classes) == {"true", "false"}:
        return "boolean"
    return "integer" if classes and all(c.lstrip("-").isdecimal() and str(int(c)) == c for c in classes) else "text"


def frame_of(columns: Mapping[str, Any], signature: Signature) -> pd.DataFrame:
    """The frame that preparation and learners see: float64, and object columns with NaN for missing.

    NaN and not None: sklearn's SimpleImputer takes None in an object column for a value.
    """
    import pandas as pd

    lengths = {len(columns[n]) for n in signature.names}
    if len(lengths) > 1:
        raise ShapeMismatch("columns of different lengths")
    series = {}
    for column in signature.columns:
        values = columns[column.name]
        if column.kind == "tensor":
            series[column.name] = series_of(np.asarray(values).reshape(-1, *column.shape))
        elif column.numeric:
            series[column.name] = pd.Series(np.asarray(values, dtype=np.float64))
        else:
            cells = np.array(values, dtype=object)
            cells[pd.isna(cells)] = np.nan
            series[column.name] = pd.Series(cells, dtype=object)
    return pd.DataFrame(series)


def names_of(rows: Any) -> tuple[str, ...]:
    """Column names of a frame, an Arrow table or batch, or a mapping."""
    if isinstance(rows, pa.Table | pa.RecordBatch):
        return tuple(rows.schema.names)
    return tuple(str(n) for n in (rows if isinstance(rows, Mapping) else rows.columns))


def _given(rows: Any, name: str) -> Any:
    return rows.column(name) if isinstance(rows, pa.Table | pa.RecordBatch) else rows[name]


def arrow_of(rows: Any, name: str) -> pa.Array:
    """One column as a single Arrow array (dictionaries kept)."""
    if isinstance(rows, pa.Table | pa.RecordBatch):
        array = rows.column(name)
        return array.combine_chunks() if isinstance(array, pa.ChunkedArray) and array.num_chunks == 1 else array
    return arrow_column(rows[name])


def arrow_column(values: Any) -> pa.Array:
    """A pandas series or a numpy array as Arrow; tensors become lists, objects of mixed kinds their texts."""
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if (lists := arrow_lists(values)) is not None:
        return lists
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        import pandas as pd

        cells = np.asarray(values, dtype=object)
        absent = pd.isna(cells)
        return pa.array([None if m else _as_text(v) for v, m in zip(cells, absent, strict=True)], pa.string())


def _as_text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool | np.bool_) else str(value)


def _numbers(rows: Any, column: Column, zone: str) -> tuple[np.ndarray, np.ndarray | None]:
    fast = _numpy_numbers(rows, column)
    if fast is not None:
        values, strange = fast, None
    else:
        array = plain(arrow_of(rows, column.name))
        if column.kind == "time":
            return seconds_of(array, zone)
        values, strange = _arrow_numbers(array)
        if column.kind == "boolean" and strange is not None and strange.any():
            values, strange = _flags(array, values, strange)
    infinite = np.isinf(values)
    if infinite.any():
        values = np.where(infinite, np.nan, values)
        strange = infinite if strange is None else strange | infinite
    limited = _outside(values, column.kind)
    if limited is not None and limited.any():
        values = np.where(limited, np.nan, values)
        strange = limited if strange is None else strange | limited
    return values, strange


def _numpy_numbers(rows: Any, column: Column) -> np.ndarray | None:
    if isinstance(rows, pa.Table | pa.RecordBatch) or column.kind == "time":
        return None
    kind = getattr(rows[column.name], "dtype", None)
    if isinstance(kind, np.dtype) and kind.kind in "fiub":
        return np.asarray(rows[column.name], dtype=np.float64)
    return None


def _arrow_numbers(array: pa.Array) -> tuple[np.ndarray, np.ndarray | None]:
    kind = array.type
    if is_text(kind):
        return parse_numbers(array)
    if family(kind) in {"boolean", "integer", "number"}:
        return to_numpy(array.cast(pa.float64(), safe=False)), None
    strange = to_mask(array.is_valid())
    return np.full(len(array), np.nan), strange


def _flags(array: pa.Array, values: np.ndarray, strange: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lower = pc.utf8_lower(trimmed(array))
    yes, no = to_mask(pc.equal(lower, word("true"))), to_mask(pc.equal(lower, word("false")))
    return np.where(yes, 1.0, np.where(no, 0.0, values)), strange & ~yes & ~no


def _outside(values: np.ndarray, kind: str) -> np.ndarray | None:
    if kind == "integer":
        return np.asarray(~np.isnan(values) & (values != np.floor(values)))
    if kind == "boolean":
        return np.asarray(~np.isnan(values) & (values != 0.0) & (values != 1.0))
    return None


def _texts(array: pa.Array | pa.ChunkedArray, column: Column) -> tuple[pa.DictionaryArray, np.ndarray | None]:
    if isinstance(array, pa.ChunkedArray):
        array = array.unify_dictionaries().combine_chunks() if pa.types.is_dictionary(array.type) else plain(array)
        if isinstance(array, pa.ChunkedArray):
            array = plain(array)
    if not pa.types.is_dictionary(array.type):
        array = (array.cast(pa.string()) if pa.types.is_null(array.type) else array).dictionary_encode()
    # Every rule applies to the few distinct values, not to the many cells.
    values, odd = _canonical(plain(array.dictionary), column)
    # The dictionary may now hold the same text twice, or a missing one: encode it once more and follow the codes.
    again = values.dictionary_encode()
    indices = again.indices.take(array.indices)
    strange = None
    if odd is not None and odd.any():
        strange = to_mask(of_mask(odd).take(array.indices))
    return pa.DictionaryArray.from_arrays(indices, again.dictionary), strange


def _canonical(values: pa.Array, column: Column) -> tuple[pa.Array, np.ndarray | None]:
    kind = values.type
    if column.coded == "integer" and column.kind == "category":
        if pa.types.is_integer(kind):
            return values.cast(pa.string()), None
        floats, odd = _arrow_numbers(values)
        whole = np.isfinite(floats) & (floats == np.floor(floats)) & (np.abs(floats) < 2**53)
        odd = (~np.isnan(floats) & ~whole) | (odd if odd is not None else False)
        integers = pa.array(np.where(whole, floats, 0).astype(np.int64), mask=~whole)
        return integers.cast(pa.string()), odd
    if pa.types.is_boolean(kind):
        return pc.if_else(values, word("true"), word("false")), None
    if column.coded == "boolean":
        floats, odd = _arrow_numbers(values)
        if is_text(kind) and odd is not None:
            floats, odd = _flags(values, floats, odd)
        flag = (floats == 0) | (floats == 1)
        odd = (~np.isnan(floats) & ~flag) | (odd if odd is not None else False)
        return pa.array(np.where(floats == 1, "true", "false"), mask=~flag), odd
    if is_text(kind):
        return without_blanks(values), None
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.nulls(len(values), pa.string()), np.ones(len(values), dtype=bool)
    return values.cast(pa.string()), None


def _codes(encoded: pa.DictionaryArray) -> Coded:
    return with_gaps(
        to_integers(pc.coalesce(encoded.indices.cast(pa.int64()), integer(-1))), encoded.dictionary.to_pylist()
    )


def _objects(encoded: pa.DictionaryArray) -> np.ndarray:
    return _codes(encoded).array()


def _kind_found(rows: Any, name: str, row: int) -> str:
    value = plain(arrow_of(rows, name))[row].as_py()
    if isinstance(value, str):
        number, strange = parse_numbers(pa.array([value]))
        if strange[0] or np.isnan(number[0]):
            return "text"
        value = float(number[0])
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number" if np.isfinite(value) else "an infinite number"
    return f"a {type(value).__name__}"


def _allowed(column: Column) -> str:
    if column.coded != "text":
        return {"integer": "an integer", "boolean": "true or false"}[column.coded]
    return {
        "number": "a finite number",
        "integer": "an integer",
        "boolean": "true or false",
        "time": "a date or a time such as 2011-01-31 or 2011-01-31T17:00:00Z",
    }.get(column.kind, "text")


def _booleans(flags: np.ndarray) -> Any:
    """Flags with NaN as pandas keeps booleans: bool, or objects where some are missing, so that they stay booleans."""
    missing = np.isnan(flags)
    if not missing.any():
        return flags.astype(bool)
    cells = (flags == 1.0).astype(object)
    cells[missing] = None
    return cells


def typed_frame(table: Table) -> pd.DataFrame:
    """A whole table in pandas, text columns turned into what the schema found in them."""
    import pandas as pd

    batches = list(table.batches())
    if not batches:
        return pd.DataFrame({name: pd.Series(dtype=object) for name in table.columns})
    whole = pa.Table.from_batches(batches)
    kinds = {c.name: c for c in table.schema.columns}
    series: dict[str, Any] = {}
    for name in table.columns:
        array = plain(whole.column(name))
        facts = kinds[name]
        if not is_text(array.type):
            series[name] = series_from(array, whole.schema.field(name))
        elif facts.strays and facts.role in {"key", "id"}:
            series[name] = pd.Series(_objects(without_blanks(array).dictionary_encode()), dtype=object)
        elif facts.kind in {"number", "integer"} or facts.coded == "integer":
            values = parse_numbers(array)[0]
            # NaN and whole numbers that 64 bits cannot hold stay floats: cast, they would be other numbers.
            exact = (facts.kind == "integer" or facts.coded == "integer") and bool((np.abs(values) < 2.0**63).all())
            series[name] = values.astype(np.int64) if exact else values
        elif facts.kind == "boolean":
            flags = _flags(array, *parse_numbers(array))[0]
            series[name] = _booleans(flags)
        else:
            series[name] = pd.Series(_objects(without_blanks(array).dictionary_encode()), dtype=object)
    return pd.DataFrame(series)
