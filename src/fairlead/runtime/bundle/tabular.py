"""Tables as libraries hold them, as numpy, lists and codes: pandas, polars, Arrow. None of them is imported."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fairlead.contract.errors import BodyInvalid, ShapeMismatch
from fairlead.contract.signature import Column
from fairlead.runtime.bundle.calendar import EARLIEST, LATEST
from fairlead.runtime.bundle.coded import Coded, with_gaps

_HEAD = 4096
"""First rows of a text column by which it is told whether its texts repeat."""

_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000}
_MASKED = {f"{sign}Int{bits}Dtype" for sign in ("", "U") for bits in (8, 16, 32, 64)} | {"Float32Dtype", "Float64Dtype"}


def is_table(given: Any) -> bool:
    """Whether something holds columns, and not rows."""
    return isinstance(given, (Mapping, np.ndarray)) or hasattr(given, "columns")


def columns_in(table: Any, names: Sequence[str]) -> Mapping[str, Any]:
    """Name -> values, still as their library holds them. names: of the model's columns, which a plain array has in
    that order.

    Raises ShapeMismatch, BodyInvalid.
    """
    if isinstance(table, Mapping):
        return table
    if isinstance(table, np.ndarray):
        return _array(table, names)
    if hasattr(table, "collect") and not hasattr(table, "iterrows"):
        raise BodyInvalid("a lazy frame has no rows yet: collect() it first")
    if hasattr(table, "schema") and hasattr(table, "column") and hasattr(table.schema, "names"):
        return {str(name): table.column(name) for name in table.schema.names}
    if hasattr(table, "columns"):
        return {str(name): table[name] for name in table.columns}
    raise BodyInvalid(f"{type(table).__name__} is no table: give dicts, columns, pandas, polars, Arrow or numpy")


def _array(table: Any, names: Sequence[str]) -> Mapping[str, Any]:
    if table.dtype.names:
        return {name: table[name] for name in table.dtype.names}
    if table.ndim != 2 or table.shape[1] != len(names):
        raise ShapeMismatch(
            f"an array of shape {table.shape} is no table of this model: it needs (rows, {len(names)}), "
            f"in the order {', '.join(names)}"
        )
    return {name: table[:, at] for at, name in enumerate(names)}


def held(values: Any, column: Column, utc: bool) -> Any:
    """Values of a column as a numpy array, a list, or codes where their library can tell distinct ones sooner.

    utc: whether times that carry no zone are of UTC. Instants come as float64 seconds since the epoch.
    """
    if isinstance(values, (np.ndarray, list, tuple)):
        return values
    if hasattr(values, "to_pylist"):
        return _arrow(values, column, utc)
    dtype = getattr(values, "dtype", None)
    kind = type(dtype).__name__
    if kind == "CategoricalDtype":
        return _categories(values)
    if kind == "StringDtype":
        return with_gaps(*_listed(values.factorize())) if _repeats(values.head(_HEAD).nunique(), values) else values
    if kind == "String" and hasattr(values, "to_physical"):
        return _polars_texts(values) if _repeats(values.head(_HEAD).n_unique(), values) else values
    if kind in ("Categorical", "Enum") and hasattr(values, "to_physical"):
        return _polars_categories(values)
    if column.numeric and (kind in _MASKED or (kind == "BooleanDtype" and column.kind == "boolean")):
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    if kind == "DatetimeTZDtype" and column.kind == "time":
        return _instants(values)
    return values.to_list() if getattr(dtype, "time_zone", None) else values


def _repeats(distinct: int, values: Any) -> bool:
    return bool(distinct <= min(_HEAD, len(values)) // 2)


def _listed(factorized: Any) -> tuple[Any, list[Any]]:
    codes, cells = factorized
    return codes, cells.tolist()


def _categories(values: Any) -> Any:
    """Of pandas. Numbers and flags it gives as other types beside missing ones: those are left to it."""
    cells = values.cat.categories.tolist()
    return with_gaps(values.cat.codes.to_numpy(), cells) if set(map(type, cells)) <= {str} else values


def _polars_categories(values: Any) -> Any:
    """Categories are those of every series of the process; where they are many, texts of their own are fewer."""
    cells = values.cat.get_categories()
    if len(cells) > max(_HEAD, len(values)):
        return values
    return _polars_codes(values.to_physical(), cells.to_list())


def _polars_texts(values: Any) -> Coded:
    cells = values.unique().drop_nulls()
    # The module of who gave the series, which has imported it.
    library = sys.modules[type(values).__module__.partition(".")[0]]
    return _polars_codes(values.cast(library.Enum(cells)).to_physical(), cells.to_list())


def _polars_codes(codes: Any, cells: list[Any]) -> Coded:
    gaps = codes.is_null().to_numpy() if codes.null_count() else None
    found = codes.fill_null(0).to_numpy().astype(np.int32)
    if gaps is None:
        return Coded(found, cells)
    found[gaps] = len(cells)
    return Coded(found, [*cells, None])


def _arrow(values: Any, column: Column, utc: bool) -> Any:
    kind = str(values.type)
    if kind.startswith("dictionary"):
        return _arrow_codes(values)
    if kind in ("string", "large_string"):
        few = _repeats(len(values.slice(0, _HEAD).unique()), values)
        return _arrow_codes(values.dictionary_encode()) if few else _arrow_array(values)
    if kind.startswith("timestamp"):
        found = _arrow_instants(values) if column.kind == "time" and (utc or "tz=" in kind) else None
        return values.to_pylist() if found is None else found
    # numpy has no dates of these kinds, and nothing nested.
    if kind.startswith(("date", "decimal")) or "," in kind.partition("<")[2]:
        return values.to_pylist()
    return _arrow_array(values)


def _arrow_array(column: Any) -> Any:
    chunked = hasattr(column, "num_chunks")
    return column.to_numpy() if chunked else column.to_numpy(zero_copy_only=False)


def _arrow_codes(column: Any) -> Coded:
    if hasattr(column, "num_chunks"):
        if not column.num_chunks:
            # Arrow before 25 makes no empty dictionary of large strings out of no chunk.
            return Coded(np.empty(0, np.int32), [])
        column = column.unify_dictionaries().combine_chunks()
        if hasattr(column, "num_chunks"):
            column = column.chunk(0)
    codes = column.indices.cast("int32")
    return with_gaps((codes.fill_null(-1) if codes.null_count else codes).to_numpy(), column.dictionary.to_pylist())


def _arrow_instants(column: Any) -> Any:
    """Seconds since the epoch; None where a datetime would say something else, or nothing."""
    unit = _UNITS.get(column.type.unit)
    if unit is None:
        return None
    stamps = column.cast("int64")
    gaps = _arrow_array(stamps.is_null()) if stamps.null_count else None
    seconds = _arrow_array(stamps.fill_null(0)) / unit
    if len(seconds) and not (seconds.min() >= EARLIEST and seconds.max() < LATEST):
        return None
    if gaps is not None:
        seconds[gaps] = np.nan
    return seconds


def _instants(values: Any) -> Any:
    """Zoned times of pandas as seconds; as they are where they are finer than a microsecond."""
    fine = getattr(values.dtype, "unit", "ns") == "ns"
    stamps = values.to_numpy(dtype="datetime64[ns]" if fine else "datetime64[us]")
    known = ~np.isnat(stamps)
    whole = np.where(known, stamps.astype(np.int64), 0)
    if fine and (whole % 1000).any():
        return values
    return np.where(known, (whole // 1000 if fine else whole) / 1e6, np.nan)
