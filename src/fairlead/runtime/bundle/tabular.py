"""Tables as libraries hold them, as a mapping of columns: pandas, polars, Arrow, numpy. None of them is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fairlead.contract.errors import BodyInvalid, ShapeMismatch


def is_table(given: Any) -> bool:
    """Whether something holds columns, and not rows."""
    return isinstance(given, (Mapping, np.ndarray)) or hasattr(given, "columns")


def columns_in(table: Any, names: Sequence[str]) -> Mapping[str, Any]:
    """Name -> values. names: of the model's columns, which a plain array has in that order.

    Raises ShapeMismatch, BodyInvalid.
    """
    if isinstance(table, Mapping):
        return table
    if isinstance(table, np.ndarray):
        return _array(table, names)
    if hasattr(table, "collect") and not hasattr(table, "iterrows"):
        raise BodyInvalid("a lazy frame has no rows yet: collect() it first")
    if hasattr(table, "schema") and hasattr(table, "column") and hasattr(table.schema, "names"):
        return {str(name): _arrow(table.column(name)) for name in table.schema.names}
    if hasattr(table, "columns"):
        return {str(name): _series(table[name]) for name in table.columns}
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


def _arrow(column: Any) -> Any:
    kind = str(column.type)
    # numpy has no time zones: a zoned instant would be taken for a time of the model's own zone.
    if kind.startswith(("timestamp", "date", "decimal")) or "," in kind.partition("<")[2]:
        return column.to_pylist()
    chunked = hasattr(column, "num_chunks")
    return column.to_numpy() if chunked else column.to_numpy(zero_copy_only=False)


def _series(column: Any) -> Any:
    zoned = getattr(getattr(column, "dtype", None), "time_zone", None)
    return column.to_list() if zoned else column
