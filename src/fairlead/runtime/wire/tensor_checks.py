"""The check of a tensor column's cells. Its errors say the shape and kind found, never an element."""

from __future__ import annotations

from msgspec import Raw

from fairlead.contract.errors import BundleRefused, CellInvalid
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle.tensor_cells import allowed, cell_from, found_in, problem, within
from fairlead.runtime.wire.lists import numbers_in, value_in


def tensors_of(signature: Signature) -> dict[str, Column]:
    """The tensor columns by name. Raises BundleRefused for one that cannot be served."""
    found = {column.name: column for column in signature.columns if column.kind == "tensor"}
    for name, column in found.items():
        wrong = problem(column)
        if wrong is not None:
            raise BundleRefused(f"column {name!r}: {wrong}")
    return found


class TensorCells:
    """One tensor column's check: a value as people send it, or its text in JSON -> the bytes of its elements."""

    __slots__ = ("_column",)

    def __init__(self, column: Column) -> None:
        self._column = column

    def __call__(self, value: object, row: int) -> bytes:
        """Raises CellInvalid, BodyInvalid for a text that is no JSON."""
        column = self._column
        cell = None
        if type(value) is Raw:
            numbers = numbers_in(value, column.shape)
            cell = None if numbers is None else cell_from(numbers, column)
            value = value_in(value) if cell is None else None
        if cell is None:
            cell = cell_from(value, column)
        if cell is None:
            found = "null" if value is None else found_in(value, column)
            raise CellInvalid(row, column.name, found, allowed(column))
        if not within(cell, column):
            raise CellInvalid(row, column.name, "a value out of range", allowed(column))
        return cell
