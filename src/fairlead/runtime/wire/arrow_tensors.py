"""Arrow columns of tensors: lists of numbers of a fixed size or any, nested or flat, Arrow's own fixed-shape tensors,
and binary columns of the elements' bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fairlead.contract.errors import BodyInvalid
from fairlead.contract.signature import Column
from fairlead.runtime.bundle.tensor_cells import DIMENSIONS


def tensor_reader(pa: Any, kind: Any, column: Column) -> Callable[[Any], list[Any]]:
    """What turns the chunks of a column of type `kind` into one value a row, for `Checks` to look at.

    Raises BodyInvalid for a type that holds no tensors.
    """
    types = pa.types
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return _listed
    if isinstance(kind, pa.BaseExtensionType):
        _plain(pa, kind, column)
        return lambda values: [row for chunk in values.chunks for row in _rows(types, chunk.storage)]
    inner, depth = kind, 0
    while _is_list(types, inner) and depth <= DIMENSIONS:
        inner, depth = inner.value_type, depth + 1
    if not 1 <= depth <= DIMENSIONS or not (types.is_integer(inner) or types.is_floating(inner)):
        said = f"lists of numbers of a fixed size, nested up to {DIMENSIONS} deep, fixed-shape tensors or binary"
        raise BodyInvalid(f"column {column.name[:80]!r}: an Arrow column of tensors may be {said}")
    return lambda values: [row for chunk in values.chunks for row in _rows(types, chunk)]


def _listed(values: Any) -> list[Any]:
    found: list[Any] = values.to_pylist()
    return found


def _plain(pa: Any, kind: Any, column: Column) -> None:
    """Raises BodyInvalid for an extension type but tensors of the column's shape, in its order."""
    tensor = isinstance(kind, pa.FixedShapeTensorType)
    swapped = tensor and kind.permutation is not None and list(kind.permutation) != sorted(kind.permutation)
    if not tensor or swapped or not (pa.types.is_integer(kind.value_type) or pa.types.is_floating(kind.value_type)):
        raise BodyInvalid(
            f"column {column.name[:80]!r}: of Arrow's extension types only fixed-shape tensors of numbers are taken, "
            "not permuted"
        )
    if tuple(kind.shape) not in (column.shape, (int(np.prod(column.shape)),)):
        raise BodyInvalid(f"column {column.name[:80]!r}: its tensors must have the shape {list(column.shape)}")


def _is_list(types: Any, kind: Any) -> bool:
    return bool(types.is_fixed_size_list(kind) or types.is_list(kind) or types.is_large_list(kind))


def _rows(types: Any, chunk: Any) -> list[Any]:
    """One array a row, sharing the chunk's memory; lists where rows are missing or not all alike, so that the check
    can say which of them is wrong."""
    values, shape, count = chunk, [], len(chunk)
    if not count:
        return []
    while _is_list(types, values.type):
        fixed = types.is_fixed_size_list(values.type)
        edges = [values.type.list_size] if fixed else np.unique(np.diff(values.offsets.to_numpy())).tolist()
        if values.null_count or len(edges) != 1:
            return _listed(chunk)
        shape.append(int(edges[0]))
        values = values.flatten()
    if values.null_count or 0 in shape:
        return _listed(chunk)
    return list(values.to_numpy(zero_copy_only=False).reshape(count, *shape))
