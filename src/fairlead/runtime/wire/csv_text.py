"""Rows as CSV: with the columns' names in the first line, as MLflow sends it, or without, as SageMaker does.

Cells are read as a table of the same text is read in training: blank is missing; NA, N/A, NaN, null, none, ? and -
are missing where a number, a flag or a time is wanted.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from fairlead.contract.errors import BodyInvalid
from fairlead.contract.signature import Column
from fairlead.runtime.bundle.collecting import no_collection
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import Parsed
from fairlead.runtime.wire.gathered import BLOCK, Gathered
from fairlead.runtime.wire.tables import Tables
from fairlead.runtime.wire.times import seconds
from fairlead.runtime.wire.whole_columns import Values

_MISSING = frozenset({"na", "n/a", "nan", "null", "none", "?", "-"})
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_BEYOND = re.compile("[_a-df-zA-DF-Z]")
_FLAGS = {"true": True, "false": False}


class CsvText:
    """Reads CSV for one signature."""

    def __init__(self, checks: Checks, tables: Tables) -> None:
        self._tables = tables
        self._names = checks.names
        self._known = frozenset((*checks.names, *checks.passthrough))
        self._read: dict[str, Callable[[Sequence[str]], list[Any]]] = {
            c.name: _reader(c) for c in checks.signature.columns
        }

    def rows(self, body: bytes) -> Parsed:
        """Raises InputInvalid and below."""
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise BodyInvalid("body is not UTF-8 text") from None
        try:
            with no_collection():
                columns = self._columns(text)
                if columns is not None:
                    return self._tables.columns(columns, "CSV")
            lines = list(lines_of(text))
        except csv.Error as bad:
            raise BodyInvalid(f"body is not valid CSV: {bad}") from None
        if not lines:
            raise BodyInvalid("the list of rows is empty")
        names, index = self._head(lines[0])
        if names is not self._names:
            lines = lines[1:]
        # Which says what is wrong.
        return self._tables.lists([line[1:] for line in lines] if index else lines, names, "CSV")

    def _columns(self, text: str) -> dict[str, Values] | None:
        """Values of every column, a block of lines at a time; None where lines are not all of one length."""
        lines = lines_of(text)
        first = next(lines, None)
        if first is None:
            return None
        names, index = self._head(first)
        width, wide = len(names), len(names) + index
        if len(set(names)) != width:
            return None
        gathered = [Gathered(self._read.get(name, _texts)) for name in names]
        if names is self._names:
            lines = chain([first], lines)
        while block := list(islice(lines, BLOCK)):
            if set(map(len, block)) != {wide}:
                return None
            for at, cells in enumerate(zip(*block, strict=True)):
                if at >= index:
                    gathered[at - index].add(cells)
        return {name: one.values() for name, one in zip(names, gathered, strict=True)} if gathered[0] else None

    def _head(self, line: Sequence[str]) -> tuple[Sequence[str], bool]:
        """Names of the columns, and whether the first column is the index that pandas writes without a name."""
        first = [cell.strip() for cell in line]
        if not self._is_header(first):
            return self._names, False
        return (first[1:], True) if first[0] == "" and len(first) > 1 else (first, False)

    def _is_header(self, cells: Sequence[str]) -> bool:
        """Whether most of the first line are names of columns."""
        return 2 * sum(cell in self._known for cell in cells) > sum(cell != "" for cell in cells)


def lines_of(text: str) -> Iterator[list[str]]:
    """Lines with nothing in them are no rows, unless the model has one column and takes none for missing."""
    return filter(None, csv.reader(io.StringIO(text, newline=""), strict=True))


def _reader(column: Column) -> Callable[[Sequence[str]], list[Any]]:
    """Cells of a column -> values, such as JSON would have them."""
    if column.kind == "time":
        return lambda cells: [_time(cell) for cell in cells]
    if column.coded == "integer":
        return lambda cells: [_code(cell) for cell in cells]
    if column.coded == "boolean" or column.kind == "boolean":
        return lambda cells: [_number(cell) for cell in cells]
    return numbers_of if column.numeric else _texts


def _texts(cells: Sequence[str]) -> list[Any]:
    return [cell if cell.strip() else None for cell in cells]


def numbers_of(cells: Sequence[str]) -> list[Any]:
    """At once where all are plain numbers: what `float` takes beyond those has an underscore, a letter or an accent."""
    whole = "".join(cells)
    if whole.isascii() and not _BEYOND.search(whole):
        try:
            return [float(cell) if cell else None for cell in cells]
        except ValueError:
            pass
    return [_number(cell) for cell in cells]


def _number(cell: str) -> Any:
    """A number or a flag; other text as it is, for the checks to refuse."""
    cell = cell.strip()
    if _NUMBER.fullmatch(cell) is not None:
        return float(cell)
    said = cell.lower()
    return None if not cell or said in _MISSING else _FLAGS.get(said, cell)


def _code(cell: str) -> Any:
    """Text that may be a code, or a number: pandas writes codes as 1.0 where some are missing."""
    found = _number(cell)
    return int(found) if isinstance(found, float) and found.is_integer() and abs(found) < 1 << 53 else found


def _time(cell: str) -> Any:
    cell = cell.strip()
    if not cell or cell.lower() in _MISSING:
        return None
    return float(cell) if seconds(cell) is None and _NUMBER.fullmatch(cell) is not None else cell
