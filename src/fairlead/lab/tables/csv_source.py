"""CSV as a stream of text batches. Numbers are parsed later, by what a column is found or known to be.

Arrow's own type inference looks at the first block alone and fails on a later
one that differs; read as text, a table means the same whatever its order.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from fairlead.contract.errors import SourceUnreadable

SEPARATORS = (",", ";", "\t", "|")
_COMMA_NUMBER = re.compile(r"[+-]?\d+(,\d+([eE][+-]?\d+)?)?")
_HEAD_BYTES = 256 * 1024
_BLOCK_BYTES = 4 * 1024 * 1024


class CsvReader:
    """How one CSV file is read. Raises SourceUnreadable for what cannot be read, with the line."""

    def __init__(self, path: Path, separator: str | None, encoding: str, decimal: str) -> None:
        try:
            self.encoding = codecs.lookup(encoding).name
        except LookupError:
            raise SourceUnreadable(f"{path.name}: unknown encoding {encoding!r}") from None
        self.path, self.decimal = path, decimal
        head = self._head()
        if not head.strip():
            raise SourceUnreadable(f"{path.name}: the file is empty")
        self.separator = separator or sniff_separator(head, decimal)
        if self.separator == decimal:
            raise SourceUnreadable(f"{path.name}: separator and decimal mark are both {decimal!r}")
        self.columns = self._names(head)
        self.likely_decimal = sniff_decimal(head, self.separator)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows, in blocks of about four megabytes, every column text; empty cells are empty texts."""
        ragged = False

        def on_ragged(_: Any) -> str:
            nonlocal ragged
            ragged = True
            return "error"

        try:
            reader = arrow_csv.open_csv(
                str(self.path),
                read_options=arrow_csv.ReadOptions(
                    column_names=self.columns, skip_rows=0, encoding=self.encoding, block_size=_BLOCK_BYTES,
                    skip_rows_after_names=1,
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self.separator, newlines_in_values=True, invalid_row_handler=on_ragged
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(self.columns, pa.string()), strings_can_be_null=False
                ),
            )  # fmt: skip
            for batch in reader:
                if batch.num_rows:
                    yield self._with_points(batch)
        except (pa.ArrowInvalid, UnicodeError, OSError) as error:
            # Arrow's own message quotes the line; ours gives its number and keeps the cells to ourselves.
            raise SourceUnreadable(self._diagnosis(ragged, error)) from None

    def _with_points(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if self.decimal == ".":
            return batch
        mark = "\\" + self.decimal
        shape = rf"^(\s*[+-]?[0-9]*){mark}([0-9]+([eE][+-]?[0-9]+)?\s*)$"
        arrays = [pc.replace_substring_regex(column, shape, r"\1.\2") for column in batch.columns]
        return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)

    def _open(self) -> io.TextIOWrapper:
        encoding = "utf-8-sig" if self.encoding == "utf-8" else self.encoding
        return io.TextIOWrapper(pa.input_stream(str(self.path), compression="detect"), encoding=encoding, newline="")

    def _head(self) -> str:
        try:
            with self._open() as file:
                return file.read(_HEAD_BYTES)
        except UnicodeError:
            raise SourceUnreadable(self._diagnosis(False, None)) from None
        except OSError as error:
            raise SourceUnreadable(f"{self.path.name}: cannot be read ({type(error).__name__})") from error

    def _names(self, head: str) -> list[str]:
        header = next((row for row in csv.reader(io.StringIO(head, newline=""), delimiter=self.separator) if row), [])
        names = [name.strip() or f"unnamed_{i}" for i, name in enumerate(header)]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise SourceUnreadable(f"{self.path.name}: line 1: column names given twice: {', '.join(twice)}")
        return names

    def _diagnosis(self, ragged: bool, error: Exception | None) -> str:
        line, what = self._first_bad_line()
        if line:
            return f"{self.path.name}: line {line}: {what}"
        kind = "a line with too few or too many cells" if ragged else "not readable as CSV"
        return f"{self.path.name}: {kind}" + (f" ({type(error).__name__})" if error and not ragged else "")

    def _first_bad_line(self) -> tuple[int, str]:
        # Only after a failure: a second, slower look that knows line numbers.
        reached = 0

        def lines() -> Iterator[str]:
            nonlocal reached
            with pa.input_stream(str(self.path), compression="detect") as raw:
                for number, line in enumerate(_byte_lines(raw, self.encoding), start=1):
                    reached = number
                    yield line

        width = len(getattr(self, "columns", ()))
        rows = csv.reader(lines(), delimiter=getattr(self, "separator", ","))
        first = 1
        try:
            for row in rows:
                if row and width and len(row) != width:
                    return first, f"{len(row)} cells where the header has {width}"
                first = rows.line_num + 1
        except UnicodeError:
            return reached + 1, f"bytes that are not {self.encoding}. Set [data] encoding, for example 'cp1252'."
        except csv.Error as error:
            return rows.line_num, str(error)
        return 0, ""


def _byte_lines(raw: Any, encoding: str) -> Iterator[str]:
    if encoding.startswith(("utf-16", "utf-32")):
        yield from io.TextIOWrapper(raw, encoding=encoding, newline="")
        return
    encoding = "utf-8-sig" if encoding == "utf-8" else encoding
    for line in io.BufferedReader(raw):
        yield line.decode(encoding)


def sniff_decimal(head: str, separator: str) -> str:
    """A comma if it marks the decimals of a column in the first lines, else a full stop.

    A column of numbers with three digits after each comma may hold thousands, which say nothing.

    >>> sniff_decimal("a;b\\n1,5;x\\n2;y\\n", ";"), sniff_decimal("a;b\\n1,500;x\\n2,000;y\\n", ";")
    (',', '.')
    """
    if separator == ",":
        return "."
    try:
        rows = list(csv.reader(io.StringIO(head, newline=""), delimiter=separator))[1:1000]
    except csv.Error:
        return "."
    for column in itertools.zip_longest(*rows, fillvalue=""):
        cells = [cell.strip() for cell in column if cell.strip()]
        marked = [cell.partition(",")[2] for cell in cells if "," in cell]
        if marked and all(_COMMA_NUMBER.fullmatch(cell) for cell in cells) and any(len(m) != 3 for m in marked):
            return ","
    return "."


def sniff_separator(head: str, decimal: str = ".") -> str:
    """The separator that cuts the first lines into the same number of cells, and the most of them; else a comma.

    >>> sniff_separator("a;b\\n1,5;2\\n")
    ';'
    """
    best, best_score = (";" if decimal == "," else ","), (0.0, 1)
    for candidate in SEPARATORS:
        if candidate == decimal:
            continue
        try:
            rows = list(csv.reader(io.StringIO(head, newline=""), delimiter=candidate))
        except csv.Error:
            continue
        # The head may end in the middle of a line.
        widths = [len(r) for r in (rows[:-1] if len(rows) > 2 else rows) if r][:200]
        if not widths or widths[0] < 2:
            continue
        score = (sum(w == widths[0] for w in widths) / len(widths), widths[0])
        if score > best_score:
            best, best_score = candidate, score
    return best
