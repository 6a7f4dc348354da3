"""Tensors among counted columns: of each the mean and the spread of its elements, two numeric columns.

Elements themselves are not counted: no pixel means the same in two images. See `runtime/capture/moments.py`, by
which records have the same two numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from fairlead.contract.signature import Column, Signature
from fairlead.runtime.capture.moments import moments, watched


def counted(signature: Signature) -> tuple[Column, ...]:
    """The columns of a signature as they are counted: two numbers in the place of each tensor."""
    found: list[Column] = []
    for column in signature.columns:
        names = watched(column.name) if column.kind == "tensor" else None
        found += [column] if names is None else [Column(name, "number", nullable=False) for name in names]
    return tuple(found)


def with_moments(columns: Mapping[str, Any], wanted: Collection[str]) -> Mapping[str, Any]:
    """Columns with the moments of tensors that are wanted and not there yet. Tensors: (rows, elements)."""
    absent = set(wanted) - columns.keys()
    if not absent:
        return columns
    more: dict[str, Any] = {}
    for name, values in columns.items():
        names = watched(name)
        if getattr(values, "ndim", 1) == 2 and absent & set(names):
            more.update(zip(names, moments(values), strict=True))
    return {**columns, **more}
