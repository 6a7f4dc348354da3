"""Typed validation that every protocol shares: compiled per signature, and a careful path that says what is wrong.

The fast path is a typed msgspec structure: it accepts only what is surely right. Whatever it turns down goes
through the careful path, which decides, and whose errors name row, column, the kind found and what is allowed,
never the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.structs import astuple

from fairlead.contract.errors import BundleRefused, CellInvalid, ColumnMissing, ColumnUnknown, ShapeMismatch, UsageError
from fairlead.contract.signature import Cell, Column, Signature
from fairlead.runtime.bundle.zones import zone_of
from fairlead.runtime.wire.frames import Pass
from fairlead.runtime.wire.kinds import kind_of as kind_of
from fairlead.runtime.wire.lists import LEFT
from fairlead.runtime.wire.tensor_checks import TensorCells, tensors_of
from fairlead.runtime.wire.times import seconds
from fairlead.runtime.wire.whole_columns import FLAG_CODES, FLAGS, WholeColumn, listed
from fairlead.runtime.wire.whole_columns import Values as Values

Row = Sequence[Cell]
_UNFIT = re.compile(r'["\\\x00-\x1f]')
_LONG = 1 << 63
_DIGITS = 128
PASSED: Any = Annotated[int, Meta(ge=-_LONG, le=_LONG - 1)] | float | str | bool | None
NEVER: Any = msgspec.defstruct("Row", [("never", Annotated[int, Meta(ge=1, le=0)])], forbid_unknown_fields=True)
"""A structure that fits nothing: it sends every row along the careful path."""
_NAMES = {"integer": "an integer", "boolean": "true or false", "number": "a number", "time": "a time"}


def _allowed(column: Column) -> str:
    if column.kind in _NAMES:
        said = _NAMES[column.kind]
    else:
        said = {"integer": "an integer", "boolean": "true or false"}.get(column.coded, "text")
    if column.minimum is not None:
        said += f" from {column.minimum:g}"
    if column.maximum is not None:
        said += f" up to {column.maximum:g}"
    return said + (" or null" if column.nullable else "")


def _type(column: Column) -> Any:
    """What the fast path accepts for a column."""
    limits: dict[str, Any] = {}
    if column.minimum is not None:
        limits["ge"] = column.minimum
    if column.maximum is not None:
        limits["le"] = column.maximum
    taken: Any
    if column.kind == "number":
        taken = Annotated[float, Meta(**limits)] if limits else float
    elif column.kind == "integer":
        taken = Annotated[float, Meta(multiple_of=1, **limits)]
    elif column.kind == "boolean":
        taken = bool
    elif column.kind == "time":
        taken = float | str
    elif column.kind in {"category", "text"}:
        taken = {"integer": int, "boolean": bool}.get(column.coded, str)
    elif column.kind == "tensor":
        return Any  # lists, text and bytes: `Checks.fix` decides
    else:
        raise BundleRefused(f"column {column.name!r} is of kind {column.kind}, which this version does not serve")
    return taken | None if column.nullable else taken


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if number - number == 0.0 else None


def _integer(value: object) -> float | None:
    number = _number(value)
    return number if number is not None and number.is_integer() else None


def _boolean(value: object) -> float | None:
    if isinstance(value, bool) or (isinstance(value, (int, float)) and value in (0, 1)):
        return 1.0 if value else 0.0
    return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _integer_code(value: object) -> str | None:
    if isinstance(value, str):
        digits = value.removeprefix("-")
        canonical = digits.isascii() and digits.isdigit() and (digits == "0" or digits[0] != "0") and value != "-0"
        return value if canonical and len(digits) < 20 else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 1 << 63 else None
    number = _integer(value)
    return str(int(number)) if number is not None and abs(number) < 1 << 53 else None


def _boolean_code(value: object) -> str | None:
    if isinstance(value, str):
        return value if value in {"true", "false"} else None
    flag = _boolean(value)
    return None if flag is None else "true" if flag else "false"


def _reader(column: Column, zone: tzinfo) -> Callable[[object], Cell]:
    """value -> cell, None where the value is of no kind that the column takes."""
    if column.kind in {"category", "text"}:
        return {"integer": _integer_code, "boolean": _boolean_code}.get(column.coded, _text)
    if column.kind == "time":
        return partial(seconds, zone=zone)
    return {"number": _number, "integer": _integer, "boolean": _boolean}[column.kind]


class _Cells:
    """One column's careful check."""

    __slots__ = ("_column", "_read")

    def __init__(self, column: Column, zone: tzinfo) -> None:
        self._column, self._read = column, _reader(column, zone)

    def __call__(self, value: object, row: int) -> Cell:
        column = self._column
        if value is None:
            if column.nullable:
                return None
            raise CellInvalid(row, column.name, "null", _allowed(column))
        cell = self._read(value)
        if cell is None:
            raise CellInvalid(row, column.name, kind_of(value), _allowed(column))
        if isinstance(cell, float) and (
            (column.minimum is not None and cell < column.minimum)
            or (column.maximum is not None and cell > column.maximum)
        ):
            raise CellInvalid(row, column.name, "a value out of range", _allowed(column))
        return cell


class Checks:
    """Validation of one signature. Raises BundleRefused for columns or a time zone that cannot be served here.

    types: what typed decoders take for each column; fix: turns a list of such values into cells in place and raises
    CellInvalid, None where they are cells already. row_type: a structure of a row by its columns' names, and
    split(row) -> (cells, pass-through cells or None). json_types, json_row: the same for decoders of JSON, who leave
    tensors as text. timed: whether `check_times` has anything to look at. tensors: the tensor columns by name.
    """

    def __init__(self, signature: Signature) -> None:
        try:
            zone = zone_of(signature.timezone)
        except UsageError as why:
            raise BundleRefused(str(why)) from why
        self.signature = signature
        self.names = signature.names
        self.passthrough = signature.passthrough
        self.width = len(self.names)
        self.tensors = tensors_of(signature)
        self._cells: tuple[Callable[[object, int], Cell], ...] = tuple(
            TensorCells(column) if column.kind == "tensor" else _Cells(column, zone) for column in signature.columns
        )
        self.types = tuple(_type(column) for column in signature.columns)
        self._whole: tuple[Callable[[Values], Sequence[Cell] | None], ...] = tuple(
            _one_by_one if column.kind == "tensor" else WholeColumn(column, typed)
            for column, typed in zip(signature.columns, self.types, strict=True)
        )
        self._known = frozenset((*self.names, *self.passthrough))
        self._fix = tuple(
            (at, _reader(column, zone))
            for at, column in enumerate(signature.columns)
            if column.kind in {"boolean", "time"} or (column.coded != "text" and column.kind != "tensor")
        )
        self._zone = zone
        # The first time column may be a feature, too (or absent): then its own check has seen it.
        first = signature.time[0] if signature.time else None
        self._time_at = self.passthrough.index(first) if first in self.passthrough else None
        self.timed = self._time_at is not None
        self.row_type: Any = self._structure(self.types)
        self.json_types = tuple(
            LEFT if column.kind == "tensor" else typed
            for column, typed in zip(signature.columns, self.types, strict=True)
        )
        self.json_row: Any = self._structure(self.json_types) if self.tensors else self.row_type
        self.fix = self._fixer()
        self.split = self._splitter()

    def check_times(self, passes: Sequence[Sequence[Pass]] | None) -> None:
        """Raises CellInvalid for an event time that is none: taken as the time of arrival it would move all that waits
        for event time to now. passes: pass-through cells per row, None where no row had any."""
        if passes is None or self._time_at is None:
            return
        for row, cells in enumerate(passes):
            value = cells[self._time_at]
            given = value is not None and value != ""
            if given and seconds(value, self._zone) is None:
                allowed = "a time: ISO 8601, or seconds since the epoch"
                raise CellInvalid(row, self.passthrough[self._time_at], kind_of(value), allowed)

    def _structure(self, types: Sequence[Any]) -> Any:
        if any(_UNFIT.search(name) for name in self._known):
            return NEVER  # msgspec cannot name a field so
        fields: list[Any] = [(f"c{at}", taken) for at, taken in enumerate(types)]
        fields += [(f"p{at}", PASSED, None) for at in range(len(self.passthrough))]
        rename = dict(zip((field[0] for field in fields), (*self.names, *self.passthrough), strict=True))
        return msgspec.defstruct("Row", fields, rename=rename, forbid_unknown_fields=True, gc=False)

    def _splitter(self) -> Callable[[Any], tuple[Row, Sequence[Pass] | None]]:
        """`split` with no work that this signature does not need."""
        fix, width, passed = self.fix, self.width, len(self.passthrough)
        if self.passthrough:

            def split(got: Any) -> tuple[Row, Sequence[Pass] | None]:
                cells = astuple(got)
                passes = cells[width:]
                row = cells[:width] if fix is None else fix(list(cells[:width]))
                return row, None if passes.count(None) == passed else passes

            return split
        if fix is None:
            return lambda got: (astuple(got), None)
        return lambda got: (fix(list(astuple(got))), None)

    def _fixer(self) -> Callable[[list[Any]], Row] | None:
        """What turns values that `types` took into cells, in place; None where they are cells already."""
        flags: list[tuple[int, Mapping[Any, Cell]]] = []
        readers: list[tuple[int, Callable[[object], Cell]]] = []
        for at, read in self._fix:
            column = self.signature.columns[at]
            if column.kind == "boolean":
                flags.append((at, FLAGS))
            elif column.coded == "boolean":
                flags.append((at, FLAG_CODES))
            else:
                readers.append((at, read))
        tensors = [(at, check) for at, check in enumerate(self._cells) if isinstance(check, TensorCells)]
        if not flags and not readers:
            return _fixing(tensors, None) if tensors else None
        careful = self._cells

        def fix(cells: list[Any]) -> Row:
            for at, table in flags:
                cells[at] = table[cells[at]]
            for at, read in readers:
                value = cells[at]
                if value is not None:
                    cell = cells[at] = read(value)
                    if cell is None:
                        careful[at](value, 0)
            return cells

        return _fixing(tensors, fix) if tensors else fix

    def rows(self, records: Sequence[Mapping[str, Any]]) -> tuple[list[Row], list[Sequence[Pass]] | None]:
        """The careful path, row by row. Raises ColumnMissing, ColumnUnknown, CellInvalid."""
        rows: list[Row] = []
        passes: list[Sequence[Pass]] = []
        for number, record in enumerate(records):
            self._names_fit(record, number)
            rows.append([check(record[name], number) for name, check in zip(self.names, self._cells, strict=True)])
            passes.append(tuple(self._passed(record.get(name), name, number) for name in self.passthrough))
        return rows, passes if any(value is not None for row in passes for value in row) else None

    def columns(self, columns: Mapping[str, Values]) -> tuple[list[Row], list[Sequence[Pass]] | None]:
        """Rows from one list of values a column, or a numeric array in which NaN is missing.

        Raises as `rows`, and ShapeMismatch for lengths that differ.
        """
        self._names_fit(columns, None)
        lengths = {len(values) for values in columns.values()}
        if len(lengths) > 1:
            first = len(columns[self.names[0]])
            odd = next(name for name, values in columns.items() if len(values) != first)
            raise ShapeMismatch(
                f"columns differ in length: {self.names[0]!r} has {first} rows, {odd!r} has {len(columns[odd])}"
            )
        if lengths == {1}:
            one = self._one({name: listed(values)[0] for name, values in columns.items()})
            if one is not None:
                return one
        taken = [self._column(at, columns[name]) for at, name in enumerate(self.names)]
        rows: list[Row] = list(zip(*taken, strict=True))
        given = [listed(columns[name]) if name in columns else None for name in self.passthrough]
        none = [None] * len(rows)
        passed = [
            none if values is None else [self._passed(value, name, row) for row, value in enumerate(values)]
            for name, values in zip(self.passthrough, given, strict=True)
        ]
        if not any(value is not None for values in passed for value in values):
            return rows, None
        return rows, list(zip(*passed, strict=True))

    def _one(self, record: dict[str, Any]) -> tuple[list[Row], list[Sequence[Pass]] | None] | None:
        """A single row at once; None where the careful way must decide."""
        try:
            row, passed = self.split(msgspec.convert(record, self.row_type))
        except (msgspec.ValidationError, CellInvalid):
            return None
        # What came as bytes may be infinite, which msgspec lets pass.
        if any(type(cell) is float and cell - cell != 0.0 for cell in row):
            return None
        return [tuple(row)], None if passed is None else [passed]

    def _column(self, at: int, values: Values) -> Sequence[Cell]:
        cells = self._whole[at](values)
        if cells is not None:
            return cells
        check = self._cells[at]
        return [check(value, number) for number, value in enumerate(listed(values))]

    def _names_fit(self, given: Mapping[str, Any], row: int | None) -> None:
        missing = [name for name in self.names if name not in given]
        if missing:
            raise ColumnMissing(missing, self.names, row)
        if len(given) > self.width:
            unknown = sorted(name for name in given if name not in self._known)
            if unknown:
                raise ColumnUnknown([name[:80] for name in unknown[:10]], self.names, row)

    @staticmethod
    def _passed(value: Any, name: str, row: int) -> Pass:
        if isinstance(value, int) and not -_LONG <= value < _LONG:
            # Frames hold 64 bits; a key is compared as text.
            if abs(value) < 10**_DIGITS:
                return str(value)
            raise CellInvalid(row, name, f"an integer of more than {_DIGITS} digits", "a shorter one, or text")
        if value is None or isinstance(value, (str, int, float)):
            return value
        raise CellInvalid(row, name, kind_of(value), "text, a number, a boolean or null")


def _fixing(tensors: Sequence[tuple[int, TensorCells]], others: Callable[[list[Any]], Row] | None) -> Any:
    """What `_fixer` makes for a signature with tensors."""

    def fix(cells: list[Any]) -> Row:
        for at, check in tensors:
            cells[at] = check(cells[at], 0)
        return cells if others is None else others(cells)

    return fix


def _one_by_one(values: Values) -> None:
    """Tensors are not checked as whole columns: the work is in each."""


def text_of(value: object) -> str | None:
    """A key or sticky value as text, so that 7, 7.0 and "7" are the same key.

    >>> text_of(7.0), text_of("7"), text_of(True), text_of(2.5)
    ('7', '7', 'true', '2.5')
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
