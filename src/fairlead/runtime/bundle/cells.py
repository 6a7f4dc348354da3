"""From rows as people hold them to cells, checked, and from rows of cells to columns; `columns` takes whole tables.

This is the embedded path (`Model.predict`, golden rows); requests are parsed by `runtime/wire`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import BodyInvalid, CellInvalid, ColumnMissing, ColumnUnknown
from fairlead.contract.signature import Cell, Column, Signature
from fairlead.runtime.bundle import tensor_cells
from fairlead.runtime.bundle.zones import instant, zone_of


def rows_from(dicts: Iterable[Mapping[str, Any]], signature: Signature) -> list[list[Cell]]:
    """Rows in signature order; pass-through columns are ignored.

    Raises ColumnMissing, ColumnUnknown, CellInvalid, BodyInvalid.
    """
    expected = signature.names
    known = {*expected, *signature.passthrough}
    zone = zone_of(signature.timezone)
    taken = cell_of if any(column.kind == "tensor" for column in signature.columns) else plain_cell
    rows: list[list[Cell]] = []
    for number, given in enumerate(dicts):
        if not isinstance(given, Mapping):
            raise BodyInvalid(f"row {number} is {type(given).__name__}, a row maps column names to values")
        if missing := [name for name in expected if name not in given]:
            raise ColumnMissing(missing, expected, number)
        if unknown := [str(name) for name in given if name not in known]:
            raise ColumnUnknown(unknown, expected, number)
        rows.append([taken(given[column.name], column, number, zone) for column in signature.columns])
    return rows


def cell_of(value: Any, column: Column, row: int, zone: tzinfo = UTC) -> Cell:
    """One cell as the model takes it. Raises CellInvalid, which says the kind found and never the value.

    zone: of times that carry none.
    """
    return _tensor_cell(value, column, row) if column.kind == "tensor" else plain_cell(value, column, row, zone)


def plain_cell(value: Any, column: Column, row: int, zone: tzinfo = UTC) -> Cell:
    """`cell_of` for a column that is no tensor."""
    # pandas' NA first: asked whether it differs from itself, it does not say.
    if value is None or type(value).__name__ == "NAType" or value != value:
        if not column.nullable:
            raise CellInvalid(row, column.name, "no value", f"a {column.kind}; it is not nullable")
        return None
    if isinstance(value, np.generic):
        value = value.item()
    found = _numeric_cell(value, column, zone) if column.numeric else _text_cell(value, column)
    if found is None:
        raise CellInvalid(row, column.name, kind_of(value), allowed_in(column))
    if isinstance(found, float) and (
        (column.minimum is not None and found < column.minimum)
        or (column.maximum is not None and found > column.maximum)
    ):
        raise CellInvalid(row, column.name, "a value out of range", allowed_in(column))
    return found


def _tensor_cell(value: Any, column: Column, row: int) -> bytes:
    cell = tensor_cells.cell_from(value, column)
    if cell is None:
        raise CellInvalid(row, column.name, tensor_cells.found_in(value, column), tensor_cells.allowed(column))
    if not tensor_cells.within(cell, column):
        raise CellInvalid(row, column.name, "a value out of range", tensor_cells.allowed(column))
    return cell


def _numeric_cell(value: Any, column: Column, zone: tzinfo) -> float | None:
    if column.kind == "time":
        return _seconds(value, zone)
    if isinstance(value, bool):
        return float(value) if column.kind == "boolean" else None
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    if not math.isfinite(number):
        return None
    if column.kind == "boolean" and number not in (0.0, 1.0):
        return None
    if column.kind == "integer" and not number.is_integer():
        return None
    return number


def _text_cell(value: Any, column: Column) -> str | None:
    if isinstance(value, str):
        return value
    if column.coded == "integer" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(int(value)) if float(value).is_integer() else None
    if column.coded == "boolean" and isinstance(value, bool):
        return "true" if value else "false"
    return None


def _seconds(value: Any, zone: tzinfo) -> float | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return instant(value, zone)
    if isinstance(value, date):
        return instant(datetime(value.year, value.month, value.day), zone)
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def kind_of(value: Any) -> str:
    """What a value is, in the words of JSON, without the value."""
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int):
        return "an integer"
    if isinstance(value, float):
        return "a number" if math.isfinite(value) else "a number that is not finite"
    return {"list": "a list", "dict": "an object"}.get(type(value).__name__, type(value).__name__)


def allowed_in(column: Column) -> str:
    """What a column takes."""
    if column.kind == "tensor":
        return tensor_cells.allowed(column)
    kind = {"time": "time as ISO 8601 or seconds since the epoch", "category": f"category as {column.coded}"}
    said = kind.get(column.kind, column.kind)
    said += f" from {column.minimum:g}" if column.minimum is not None else ""
    said += f" up to {column.maximum:g}" if column.maximum is not None else ""
    return said + (" or null" if column.nullable else "")


def outside(cell: Cell, column: Column) -> Any:
    """A cell as it looks in tables and requests: the inverse of `cell_of`."""
    if cell is None:
        return None
    if isinstance(cell, bytes):
        return tensor_cells.outside(cell, column)
    if isinstance(cell, str):
        if column.coded == "integer" and cell.lstrip("-").isdigit():
            return int(cell)
        return cell == "true" if column.coded == "boolean" and cell in ("true", "false") else cell
    if column.kind == "boolean":
        return bool(cell)
    return int(cell) if column.kind == "integer" and abs(cell) < 2**63 else cell


def columns_of_rows(rows: Sequence[Sequence[Cell]], signature: Signature) -> dict[str, npt.NDArray[Any]]:
    """The columns form of rows."""
    found: dict[str, npt.NDArray[Any]] = {}
    for at, column in enumerate(signature.columns):
        cells = [row[at] for row in rows]
        if column.numeric:
            found[column.name] = np.array([math.nan if c is None else c for c in cells], dtype=np.float64)
        elif column.kind == "tensor":
            found[column.name] = tensor_cells.together(cast("list[bytes]", cells), column)
        else:
            found[column.name] = np.empty(len(cells), dtype=object)
            found[column.name][:] = cells
    return found
