"""Columns of tensors in files of records: fixed-size lists of their elements, with the shape beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from fairlead.contract import records as names
from fairlead.contract.signature import Column
from fairlead.runtime.bundle.tensor_cells import size, together
from fairlead.runtime.capture.lazy import arrow
from fairlead.runtime.capture.moments import moments

SHAPE = b"shape"
"""In the metadata of a field: the shape of one cell, as a JSON list."""
LENGTH = b"length"
"""In the metadata of a field in a file: how long all its lists are, where the file has them as lists of any length."""
_SPLIT = frozenset({"float", "double"})


def columns_of(column: Column, cells: Sequence[bytes]) -> list[tuple[Any, Any]]:
    """A tensor column as fields with their arrays: the tensor, the mean and the spread of its elements."""
    pa = arrow()
    found = together(cells, column)
    values = pa.array(found.reshape(-1).astype(found.dtype.newbyteorder("="), copy=False))
    kind = pa.list_(pa.field("element", values.type, nullable=False), size(column))
    tensor = pa.FixedSizeListArray.from_arrays(values, type=kind)
    said = {SHAPE: msgspec.json.encode(column.shape)}
    means, spreads = (pa.array(numbers) for numbers in moments(found))
    return [
        (pa.field(names.FEATURE_IN + column.name, kind, metadata=said), tensor),
        (pa.field(names.MEAN_IN + column.name, means.type), means),
        (pa.field(names.SPREAD_IN + column.name, spreads.type), spreads),
    ]


def holds_tensors(kind: Any) -> bool:
    """Whether a type is that of tensors."""
    types = arrow().types
    return bool(types.is_fixed_size_list(kind) or types.is_list(kind) or types.is_large_list(kind))


def others(schema: Any) -> list[str]:
    """Columns that are no tensors."""
    return [field.name for field in schema if not holds_tensors(field.type)]


def split(schema: Any) -> list[str]:
    """Paths in Parquet of tensors whose bytes compress better apart: floats have few exponents and many fractions."""
    return [path_of(f) for f in schema if holds_tensors(f.type) and str(f.type.value_type) in _SPLIT]


def path_of(field: Any) -> str:
    """What Parquet calls the leaf of a field."""
    return f"{field.name}.list.element" if holds_tensors(field.type) else str(field.name)


def matrix(column: Any) -> Any:
    """Lists of one length as (n, elements), in their dtype; a view where Arrow's memory allows. Chunked or not."""
    pa = arrow()
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    values = whole.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(whole), -1) if len(whole) else np.empty((0, 0), values.dtype)


def storable(table: Any) -> Any:
    """Fixed-size lists with missing cells as lists of any length: Arrow before 26 cannot read such a column back."""
    pa = arrow()
    for at, field in enumerate(table.schema):
        column = table.column(at)
        if pa.types.is_fixed_size_list(field.type) and column.null_count:
            kind = pa.list_(field.type.value_field)
            said = {**(field.metadata or {}), LENGTH: str(field.type.list_size).encode()}
            chunks = [_any_length(chunk, kind, field.type.list_size) for chunk in column.chunks]
            table = table.set_column(at, pa.field(field.name, kind, metadata=said), pa.chunked_array(chunks, kind))
    return table


def restored(table: Any) -> Any:
    """What was given to `storable`."""
    pa = arrow()
    for at, field in enumerate(table.schema):
        said = dict(field.metadata or {})
        if pa.types.is_list(field.type) and LENGTH in said:
            kind = pa.list_(field.type.value_field, int(said.pop(LENGTH)))
            chunks = [_fixed(chunk, kind) for chunk in table.column(at).chunks]
            table = table.set_column(at, pa.field(field.name, kind, metadata=said), pa.chunked_array(chunks, kind))
    return table


def _any_length(lists: Any, kind: Any, length: int) -> Any:
    gaps = lists.is_null()
    lengths = np.where(gaps.to_numpy(zero_copy_only=False), 0, length)
    offsets = arrow().array(np.concatenate([[0], np.cumsum(lengths)]), arrow().int32())
    return arrow().ListArray.from_arrays(offsets, lists.flatten(), type=kind, mask=gaps)


def _fixed(lists: Any, kind: Any) -> Any:
    gaps = lists.is_null()
    found = lists.flatten().to_numpy(zero_copy_only=False)
    whole = np.zeros((len(lists), kind.list_size), found.dtype)
    whole[~gaps.to_numpy(zero_copy_only=False)] = found.reshape(-1, kind.list_size)
    return arrow().FixedSizeListArray.from_arrays(arrow().array(whole.reshape(-1)), type=kind, mask=gaps)
