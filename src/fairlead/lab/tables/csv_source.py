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
import tempfile
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from fairlead.contract.errors import SourceUnreadable
from fairlead.lab.tables.bad_lines import BadLines, SetAside
from fairlead.lab.tables.csv_lines import bad_lines_of, clean, rows_of

SEPARATORS = (",", ";", "\t", "|")
_COMMA_NUMBER = re.compile(r"[+-]?\d+(,\d+([eE][+-]?\d+)?)?")
_HEAD_BYTES = 256 * 1024
_BLOCKS = (1024 * 1024, 4 * 1024 * 1024)
"""Sizes of the blocks that are read: Arrow reads 32 of them ahead, but a row must fit into one."""
_BATCH_BYTES = 4 * 1024 * 1024


class CsvReader:
    """How one CSV file is read. Raises SourceUnreadable for what cannot be read, with the lines.

    aside: folder where lines that cannot be read are kept while the rest is read; None: they end the reading.
    """

    def __init__(
        self, path: Path, separator: str | None, encoding: str, decimal: str, aside: Path | None = None
    ) -> None:
        try:
            self.encoding = codecs.lookup(encoding).name
        except LookupError:
            raise SourceUnreadable(f"{path.name}: unknown encoding {encoding!r}") from None
        self.path, self.decimal, self.aside = path, decimal, aside
        head = self._head()
        if not head.strip():
            raise SourceUnreadable(f"{path.name}: the file is empty")
        self.separator = separator or sniff_separator(head, decimal)
        if self.separator == decimal:
            raise SourceUnreadable(f"{path.name}: separator and decimal mark are both {decimal!r}")
        self.columns = self._names(head)
        if any("\ufffd" in name for name in self.columns):
            self._check_header()
        self.likely_decimal = sniff_decimal(head, self.separator)
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows, in blocks of about four megabytes, every column text; empty cells are empty texts."""
        path, encoding = (self.path, self.encoding) if self.aside is None else self._sound
        yield from self._batches_of(path, encoding)

    @cached_property
    def set_aside(self) -> SetAside:
        """Lines that were kept apart; needs a pass over the file."""
        return SetAside() if self.aside is None or self._sound[0] == self.path else self._kept

    @cached_property
    def _sound(self) -> tuple[Path, str]:
        """A file with the rows that can be read, and its encoding: this one where all can."""
        try:
            for _ in self._batches_of(self.path, self.encoding, say=False):
                pass
            return self.path, self.encoding
        except SourceUnreadable:
            pass
        self._folder = tempfile.TemporaryDirectory(prefix="fairlead-csv-")
        out = Path(self._folder.name) / f"{self.path.name.removesuffix('.gz')}.sound"
        bad = BadLines(self.path.name, self.aside)
        try:
            clean(self.path, self.path.name, self.encoding, self.separator, len(self.columns), out, bad)
        except (OSError, UnicodeError) as error:
            bad.discard()
            raise SourceUnreadable(f"{self.path.name}: cannot be read ({type(error).__name__})") from None
        except BaseException:
            bad.discard()
            raise
        self._kept = bad.kept()
        return out, "utf-8"

    def _batches_of(self, path: Path, encoding: str, say: bool = True) -> Iterator[pa.RecordBatch]:
        batch: pa.RecordBatch | None = None
        try:
            for batch in _together(self._rows_in(path, encoding)):
                yield self._with_points(batch)
            if batch is not None and batch.num_rows and self._swallowed(batch, path, encoding):
                raise pa.ArrowInvalid
        except (pa.ArrowInvalid, UnicodeError, OSError) as error:
            # Arrow's own message quotes the line; ours gives its number and keeps the cells to ourselves.
            raise SourceUnreadable(self._diagnosis(error) if say else "") from None

    def _rows_in(self, path: Path, encoding: str) -> Iterator[pa.RecordBatch]:
        """All rows, by small blocks while every row fits into one, by large ones from there on."""
        given = 0
        for size in _BLOCKS:
            passed = 0
            try:
                for batch in self._opened(path, encoding, size):
                    fresh = batch.slice(min(batch.num_rows, given - passed))
                    passed += batch.num_rows
                    if fresh.num_rows:
                        given = passed
                        yield fresh
                return
            except pa.ArrowInvalid as error:
                if size == _BLOCKS[-1] or "straddles" not in str(error):
                    raise

    def _opened(self, path: Path, encoding: str, block_size: int) -> Any:
        return arrow_csv.open_csv(
            str(path),
            read_options=arrow_csv.ReadOptions(
                column_names=self.columns, skip_rows=0, encoding=encoding, block_size=block_size,
                skip_rows_after_names=1,
            ),
            parse_options=arrow_csv.ParseOptions(delimiter=self.separator, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(self.columns, pa.string()), strings_can_be_null=False
            ),
        )  # fmt: skip

    def _swallowed(self, batch: pa.RecordBatch, path: Path, encoding: str) -> bool:
        """Whether the last row is one that a quote without an end made of all lines behind it, which Arrow accepts."""
        last = batch.slice(batch.num_rows - 1).to_pylist()[0]
        if not any(cell and "\n" in cell for cell in last.values()):
            return False
        return bad_lines_of(path, self.path.name, encoding, self.separator, len(self.columns)).count > 0

    def _with_points(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if self.decimal == ".":
            return batch
        mark = "\\" + self.decimal
        shape = rf"^(\s*[+-]?[0-9]*){mark}([0-9]+([eE][+-]?[0-9]+)?\s*)$"
        arrays = [pc.replace_substring_regex(column, shape, r"\1.\2") for column in batch.columns]
        return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)

    def _head(self) -> str:
        encoding = "utf-8-sig" if self.encoding == "utf-8" else self.encoding
        try:
            # What cannot be decoded is told with its line when the rows are read.
            with io.TextIOWrapper(
                pa.input_stream(str(self.path), compression="detect"), encoding=encoding, errors="replace", newline=""
            ) as file:
                return file.read(_HEAD_BYTES)
        except (OSError, UnicodeError) as error:
            raise SourceUnreadable(f"{self.path.name}: cannot be read ({type(error).__name__})") from error

    def _check_header(self) -> None:
        """Names that cannot be decoded are no names, whatever becomes of lines below them."""
        header = next(rows_of(self.path, self.encoding, self.separator, 0), None)
        if header is not None and header.why:
            raise SourceUnreadable(f"{self.path.name}: line {header.line}: {header.why}. This is the header.")

    def _names(self, head: str) -> list[str]:
        header = next((row for row in csv.reader(io.StringIO(head, newline=""), delimiter=self.separator) if row), [])
        names = [name.strip() or f"unnamed_{i}" for i, name in enumerate(header)]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise SourceUnreadable(f"{self.path.name}: line 1: column names given twice: {', '.join(twice)}")
        return names

    def _diagnosis(self, error: Exception) -> str:
        try:
            bad = bad_lines_of(self.path, self.path.name, self.encoding, self.separator, len(self.columns))
        except (OSError, UnicodeError):
            bad = None
        if bad is not None and bad.count:
            return str(bad.refusal())
        return f"{self.path.name}: not readable as CSV ({type(error).__name__})"


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


def _together(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of some megabytes, since every batch costs each reader a little."""
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        held.append(batch)
        size += batch.nbytes
        if size >= _BATCH_BYTES:
            yield pa.concat_batches(held)
            held, size = [], 0
    if held:
        yield pa.concat_batches(held)
