"""JSON lines: one object a line, its keys the columns, its values typed as JSON types them.

- Columns are the keys of all records, in the order in which they first come. A key that a record lacks is missing
  there, and the table's notes say of which keys this holds and since which line, for it may be a misspelling.
- null is missing; whole numbers, numbers, true and false, and texts stay what they are; whole numbers and numbers
  together are numbers. A column of both texts and something else becomes text, and the notes name the line.
- Lists of numbers are tensors where all cells of the column are lists of numbers. Objects in objects are refused: what
  they mean as columns is for the project's own `[data] prepare`, or whoever writes the file, to say.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from fairlead.contract.errors import SourceUnreadable
from fairlead.lab.tables.bad_lines import BadLines, SetAside

ENDINGS = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
MOST_COLUMNS = 10_000
MOST_NOTES = 10
_BLOCK_ROWS = 16_384
_LONGEST_LINE = 64 * 1024 * 1024
_ARROW = {"boolean": pa.bool_(), "integer": pa.int64(), "number": pa.float64(), "text": pa.string()}
_decode = msgspec.json.Decoder().decode


class JsonLines:
    """One file of JSON lines: a first pass finds columns, types and bad lines, later ones give rows.

    aside: folder where lines that cannot be read are kept; None: they end the reading. Raises SourceUnreadable.
    """

    def __init__(self, path: Path, encoding: str, aside: Path | None = None) -> None:
        self.path, self.encoding = path, encoding
        self.rows = 0
        self._bad = BadLines(path.name, aside)
        self._skipped: set[int] = set()
        self.kinds: dict[str, _Kind] = {}
        try:
            for number, record in self._records():
                self._look(number, record)
        except BaseException:
            self._bad.discard()
            raise
        if self._bad.count and aside is None:
            raise self._bad.refusal()
        self.set_aside: SetAside = self._bad.kept()
        if not self.rows:
            raise SourceUnreadable(
                f"{path.name}: the file holds no record" if self._bad.count else f"{path.name}: the file is empty"
            )
        self.columns = tuple(self.kinds)
        if not self.columns:
            raise SourceUnreadable(f"{path.name}: no record has a key")
        self.notes = tuple(self._notes())

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All records, some thousand a batch."""
        types = [kind.arrow() for kind in self.kinds.values()]
        schema = pa.schema(list(zip(self.columns, types, strict=True)))
        block: list[dict[str, Any]] = []
        for number, record in self._records(first=False):
            if number in self._skipped:
                continue
            block.append(record)
            if len(block) == _BLOCK_ROWS:
                yield self._batch(block, schema)
                block = []
        if block:
            yield self._batch(block, schema)

    def _batch(self, block: list[dict[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
        arrays = []
        for field in schema:
            cells = [record.get(field.name) for record in block]
            if self.kinds[field.name].mixed:
                cells = [_text(cell) for cell in cells]
            elif pa.types.is_floating(field.type):
                cells = [None if cell is None else float(cell) for cell in cells]
            try:
                arrays.append(pa.array(cells, field.type))
            except (pa.ArrowInvalid, pa.ArrowTypeError):
                raise SourceUnreadable(f"{self.path.name}: changed while it was read") from None
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _records(self, first: bool = True) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, line in self._lines():
            if not line.strip():
                continue
            try:
                record = _decode(line)
            except (ValueError, RecursionError) as error:
                if first:
                    self._refuse(number, _why(error), line)
                continue
            if isinstance(record, dict):
                yield number, record
            elif first:
                array = number == 1 and isinstance(record, list)
                hint = ": the file is a JSON array; JSON lines have an object a line" if array else ""
                self._refuse(number, f"{_name(record)} where an object is needed{hint}", line)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        utf8 = self.encoding in {"utf-8", "utf-8-sig"}
        try:
            with pa.input_stream(str(self.path), compression="detect") as raw:
                file = io.BufferedReader(raw)
                number = 0
                while line := file.readline(_LONGEST_LINE):
                    number += 1
                    if len(line) == _LONGEST_LINE:
                        raise SourceUnreadable(f"{self.path.name}: line {number} is longer than 64 MiB")
                    if number == 1:
                        line = line.removeprefix(b"\xef\xbb\xbf")
                    yield number, line if utf8 else self._as_utf8(number, line)
        except (OSError, pa.ArrowInvalid) as error:
            raise SourceUnreadable(f"{self.path.name}: cannot be read ({type(error).__name__})") from None

    def _as_utf8(self, number: int, line: bytes) -> bytes:
        try:
            return line.decode(self.encoding).encode()
        except UnicodeError:
            # Not UTF-8 either, so that it is refused like any other line that is not text.
            return b"\xff"

    def _refuse(self, number: int, why: str, raw: bytes) -> None:
        self._skipped.add(number)
        self._bad.add(number, why, raw)

    def _look(self, number: int, record: dict[str, Any]) -> None:
        found: list[tuple[str, str]] = []
        for name, value in record.items():
            kind = _kind_of(value)
            if kind.startswith("!"):
                self._refuse(number, f"{name!r} holds {kind[1:]}", msgspec.json.encode(record))
                return
            found.append((name, kind))
        self.rows += 1
        for name, kind in found:
            if name not in self.kinds:
                if len(self.kinds) == MOST_COLUMNS:
                    raise SourceUnreadable(f"{self.path.name}: line {number}: more than {MOST_COLUMNS:,} keys")
                self.kinds[name] = _Kind(self.rows, number)
            self.kinds[name].add(kind, number)

    def _notes(self) -> Iterator[str]:
        notes = [
            f"{self.path.name}: {name!r} " + said for name, kind in self.kinds.items() for said in kind.notes(self.rows)
        ]
        yield from notes[:MOST_NOTES]
        if len(notes) > MOST_NOTES:
            yield f"{self.path.name}: and {len(notes) - MOST_NOTES:,} more notes of this kind"


class _Kind:
    """What the cells of one key are: JSON's kinds with the line where each was first seen."""

    def __init__(self, record: int, line: int) -> None:
        self.record, self.line = record, line
        self.given = 0
        self.first: dict[str, int] = {}

    def add(self, kind: str, line: int) -> None:
        self.given += 1
        if kind != "null":
            self.first.setdefault(kind, line)

    @property
    def _found(self) -> set[str]:
        found = set(self.first)
        return found - {"integer"} if found == {"integer", "number"} else found

    @property
    def mixed(self) -> bool:
        """Whether cells of different kinds make it a column of texts."""
        return len(self._found) > 1 or self._found == {"long integer"}

    def arrow(self) -> pa.DataType:
        """Type of its column."""
        if self.mixed:
            return pa.string()
        found = next(iter(self._found), "null")
        depth = found.count("list of ")
        if not depth:
            return _ARROW.get(found, pa.null())
        # Lists of whole numbers may hold a number further down.
        kind: pa.DataType = pa.float64()
        for _ in range(depth):
            kind = pa.list_(kind)
        return kind

    def notes(self, rows: int) -> Iterator[str]:
        """What a reader should know: gaps and mixtures."""
        if self.given < rows:
            since = f", first in line {self.line}" if self.record > 1 else ""
            yield f"is a key of {self.given:,} of {rows:,} records{since}; it is missing in the others"
        if len(self._found) > 1:
            kinds = ", ".join(f"{kind} (line {line})" for kind, line in self.first.items())
            yield f"holds {kinds}: taken as text"


def _kind_of(value: Any) -> str:
    """JSON's kind of a value; with "!" before what no column can hold."""
    if value is None:
        return "null"
    if value is True or value is False:
        return "boolean"
    if isinstance(value, int):
        return "integer" if -(2**63) <= value < 2**63 else "long integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, dict):
        return "!an object; only texts, numbers, true, false, null and lists of numbers can be cells"
    return _list_kind(value)


def _list_kind(value: list[Any]) -> str:
    depth, flat = 1, value
    while flat and all(isinstance(v, list) for v in flat):
        flat = [v for inner in flat for v in inner]
        depth += 1
    if not flat or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in flat):
        return "!a list; only lists of numbers, all of one depth, can be cells"
    return "list of " * depth + "numbers"


def _text(cell: Any) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    return msgspec.json.encode(cell).decode()


def _name(value: Any) -> str:
    return {"null": "null"}.get(kind := _kind_of(value), "a list" if isinstance(value, list) else f"a {kind}")


def _why(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return "bytes that are not UTF-8. Set [data] encoding, for example 'cp1252'"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    # msgspec's words hold places and characters, never cells: "JSON is malformed: invalid character (byte 6)".
    said = str(error).partition(" - at ")[0]
    return f"not JSON: {said.removeprefix('JSON is malformed: ').lower()}"
