"""Rows with tensors in the shapes that scoring protocols have in common; see `tables`.

A cell that is itself a list makes two things ambiguous, which are decided here: whether a list is a row or a tensor,
and whether columns are lists of cells or the cells of one row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fairlead.contract.errors import BodyInvalid, CellInvalid
from fairlead.runtime.bundle.tensor_cells import DIMENSIONS
from fairlead.runtime.wire.checks import NEVER, Checks
from fairlead.runtime.wire.codec import Parsed, Row
from fairlead.runtime.wire.lists import LEFT, numbers_in
from fairlead.runtime.wire.reading import UNREADABLE
from fairlead.runtime.wire.tables import Tables
from fairlead.runtime.wire.tensor_checks import TensorCells


def tables_of(checks: Checks) -> Tables:
    """What reads the rows of a signature."""
    return TensorTables(checks) if checks.tensors else Tables(checks)


class TensorTables(Tables):
    """`Tables` of a signature with tensors. One whose only column is a tensor takes bare tensors as rows, too, as V1's
    `instances` and MLflow's `inputs` have them."""

    def __init__(self, checks: Checks) -> None:
        super().__init__(checks)
        self._tensors = checks.tensors
        self._sole = next(iter(checks.tensors.values())) if checks.width == 1 else None
        if self._sole is not None:
            # A list may be a row or its tensor, which a typed decoder cannot tell apart.
            self.row = NEVER if LEFT is Any else LEFT
            self._check, self._decode = TensorCells(self._sole), msgspec.json.Decoder(checks.json_row).decode

    def typed(self, rows: Sequence[Any]) -> Parsed | None:
        """See Tables. rows: of a single tensor, the text of each."""
        sole = self._sole
        if sole is None or not rows:
            return super().typed(rows)
        cells: list[Row] = []
        for text in rows:
            numbers = numbers_in(text, sole.shape)
            if numbers is None:
                numbers = numbers_in(text, (1, *sole.shape))  # a row as the list of its only cell
            if numbers is None:
                return None if cells else self._objects(rows)
            try:
                cells.append([self._check(numbers, 0)])
            except CellInvalid:
                return None
        return Parsed(cells)

    def _objects(self, rows: Sequence[Any]) -> Parsed | None:
        try:
            return super().typed([self._decode(text) for text in rows])
        except UNREADABLE:
            return None

    def rows(self, rows: object, said: str) -> Parsed:
        """See Tables."""
        sole = self._sole
        if sole is None or not isinstance(rows, list) or not rows:
            return super().rows(rows, said)
        named = [self._named(row) for row in rows]
        if any(named):
            if not all(named):
                raise BodyInvalid(f"row {named.index(not named[0])}: {said} must be all objects or all tensors")
            return super().rows(rows, said)
        return super().columns({sole.name: [self._bare(row) for row in rows]}, said)

    def _named(self, row: object) -> bool:
        """Whether a row names its columns, where `{"b64": ...}` is a tensor."""
        return isinstance(row, Mapping) and (set(row) != {"b64"} or "b64" in self._tensors)

    def _bare(self, row: Any) -> Any:
        """The tensor of a row that is one, or a list of one."""
        if not isinstance(row, list) or len(row) != 1 or self._sole is None:
            return row
        # A tensor whose first dimension is 1 looks like a row, and the other way round.
        within = self._sole.shape[0] != 1 or _shape(row) not in (self._sole.shape, (1,))
        return row[0] if within and isinstance(row[0], (list, Mapping)) else row

    def columns(self, columns: object, said: str) -> Parsed:
        """See Tables."""
        if isinstance(columns, Mapping) and columns and self._one_row(columns):
            columns = {name: [value] for name, value in columns.items()}
        return super().columns(columns, said)

    def _one_row(self, columns: Mapping[Any, Any]) -> bool:
        """Whether these are cells of one row: told by the other columns, or by the shape of the only tensor."""
        others = [value for name, value in columns.items() if name not in self._tensors]
        if others:
            return not any(isinstance(value, Sequence) and not isinstance(value, str) for value in others)
        return self._sole is not None and _shape(columns.get(self._sole.name)) == self._sole.shape


def _shape(value: Any) -> tuple[int, ...]:
    """Of lists, as their first ones say; one dimension more than a tensor can have is enough to tell."""
    found: list[int] = []
    while isinstance(value, list) and len(found) <= DIMENSIONS:
        found.append(len(value))
        value = value[0] if value else None
    return tuple(found)
