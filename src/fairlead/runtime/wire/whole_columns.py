"""Whole columns checked at once: what is surely right becomes cells; anything else is left to the careful check."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from fairlead.contract.signature import Cell, Column
from fairlead.runtime.bundle.coded import Coded

Values = Sequence[Any] | npt.NDArray[Any] | Coded
"""One value a row: float, int, bool, str or None in a list or as codes, or a numeric array in which NaN is missing."""

FLAGS: Mapping[Any, Cell] = {True: 1.0, False: 0.0, None: None}
FLAG_CODES: Mapping[Any, Cell] = {True: "true", False: "false", None: None}
_WITHIN = Meta(ge=-(1 << 63), le=(1 << 63) - 1)


class WholeColumn:
    """values -> cells of one column, None where they must be looked at one by one. typed: what decoders take for it."""

    def __init__(self, column: Column, typed: Any) -> None:
        self._column, self._typed = column, typed
        self._held: Any = None
        self._after = self._turned(column)

    def __call__(self, values: Values) -> Sequence[Cell] | None:
        if isinstance(values, np.ndarray):
            return _of_array(self._column, values)
        if isinstance(values, Coded):
            # All of its cells, although not all need to be used: one that does not fit is for the careful check.
            cells = self(values.cells)
            return None if cells is None else Coded(values.codes, cells).array().tolist()
        if self._column.kind == "time":
            return None
        if self._held is None:
            self._held = self._holder()
        try:
            got: list[Any] = msgspec.convert({"values": values}, self._held).values
        except msgspec.ValidationError:
            return None
        return got if self._after is None else self._after(got)

    def _holder(self) -> Any:
        # A structure, as msgspec keeps what it works out about one; a bare type would be worked out at each call.
        typed = self._typed
        if self._column.coded == "integer":
            code: Any = Annotated[int, _WITHIN]
            typed = code | None if self._column.nullable else code
        return msgspec.defstruct("Values", [("values", list[typed])])  # type: ignore[valid-type]

    @staticmethod
    def _turned(column: Column) -> Callable[[list[Any]], list[Cell] | None] | None:
        if column.kind == "boolean":
            return lambda got: list(map(FLAGS.__getitem__, got))
        if column.coded == "boolean":
            return lambda got: list(map(FLAG_CODES.__getitem__, got))
        if column.coded == "integer":
            return lambda got: [None if code is None else str(code) for code in got]
        return _finite if column.numeric else None


def _finite(got: list[Any]) -> list[Cell] | None:
    """Values that came as bytes may be infinite, which msgspec lets pass; a sum of numbers is finite if they are."""
    return got if isfinite(sum(filter(None, got))) else None


def _of_array(column: Column, array: npt.NDArray[Any]) -> list[Cell] | None:
    kind = array.dtype.kind
    if kind not in "fiub":
        return None
    if not column.numeric:
        if column.coded == "integer" and kind in "iu" and array.dtype != np.uint64:
            return list(map(str, array.tolist()))
        if column.coded == "boolean" and kind == "b":
            return list(map(FLAG_CODES.__getitem__, array.tolist()))
        return None
    if (kind == "b") != (column.kind == "boolean") or column.kind == "time":
        return None
    numbers = array.astype(np.float64)
    missing = np.isnan(numbers)
    gaps = bool(missing.any())
    with np.errstate(invalid="ignore"):
        wrong = (
            (gaps and not column.nullable)
            or bool(np.isinf(numbers).any())
            or (column.minimum is not None and bool((numbers < column.minimum).any()))
            or (column.maximum is not None and bool((numbers > column.maximum).any()))
            or (column.kind == "integer" and bool(((numbers != np.floor(numbers)) & ~missing).any()))
        )
    if wrong:
        return None
    cells: list[Cell] = numbers.tolist()
    for at in np.flatnonzero(missing).tolist() if gaps else ():
        cells[at] = None
    return cells


def listed(values: Values) -> Sequence[Any]:
    """An array as a list whose NaN is None, codes as a list; a list as it is."""
    if isinstance(values, Coded):
        return list(values)
    if not isinstance(values, np.ndarray):
        return values
    return [None if value != value else value for value in values.tolist()]
