"""Arrow columns of tensors: lists of numbers of a fixed size or any, nested or flat, Arrow's own fixed-shape tensors,
and binary columns of the elements' bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairlead.contract.errors import BodyInvalid
from fairlead.contract.signature import Column
from fairlead.runtime.bundle.tensor_cells import DIMENSIONS, size
from fairlead.runtime.bundle.tensor_tables import tensors_held


def tensor_reader(pa: Any, kind: Any, column: Column) -> Callable[[Any], list[Any]]:
    """What turns the chunks of a column of type `kind` into one value a row, for `Checks` to look at.

    Raises BodyInvalid for a type that holds no tensors.
    """
    types = pa.types

    def rows(values: Any) -> list[Any]:
        return list(tensors_held(values, column))

    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return _listed
    if isinstance(kind, pa.BaseExtensionType):
        _plain(pa, kind, column)
        return rows
    inner, depth = kind, 0
    while _is_list(types, inner) and depth <= DIMENSIONS:
        inner, depth = inner.value_type, depth + 1
    if not 1 <= depth <= DIMENSIONS or not (types.is_integer(inner) or types.is_floating(inner)):
        said = f"lists of numbers of a fixed size, nested up to {DIMENSIONS} deep, fixed-shape tensors or binary"
        raise BodyInvalid(f"column {column.name[:80]!r}: an Arrow column of tensors may be {said}")
    return rows


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
    if tuple(kind.shape) not in (column.shape, (size(column),)):
        raise BodyInvalid(f"column {column.name[:80]!r}: its tensors must have the shape {list(column.shape)}")


def _is_list(types: Any, kind: Any) -> bool:
    return bool(types.is_fixed_size_list(kind) or types.is_list(kind) or types.is_large_list(kind))
