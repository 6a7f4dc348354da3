"""A second, slower look at a CSV that knows line numbers: which rows can be read, and which lines cannot.

Arrow reads a CSV fast and gives up at the first line that does not fit. Only then, or to set such lines apart, is the
file read here, line by line, by Python's own reader.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from fairlead.contract.errors import SourceUnreadable
from fairlead.lab.tables.bad_lines import BadLines

UNCLOSED = "a quote that is not closed"
_WIDE = ("utf-16", "utf-32")  # their lines cannot be told apart before they are decoded


class Row(NamedTuple):
    """A row as it stands in the file. line: of its first line; raw: its bytes; why: what is wrong, else empty.

    lines: how many it takes; 0: nothing behind this line can be read either.
    """

    line: int
    raw: bytes
    lines: int
    why: str


def rows_of(path: Path, encoding: str, separator: str, width: int) -> Iterator[Row]:
    """Every row of the file but blank ones, its header first. width: cells that a row should have; 0: any."""
    feed = _Feed(path, encoding)
    rows = csv.reader(feed, delimiter=separator)
    while True:
        feed.taken.clear()
        try:
            cells = next(rows)
        except StopIteration:
            return
        except UnicodeError:
            if not feed.taken:
                yield Row(feed.reached + 1, b"", 0, f"bytes that are not {encoding}")
                return
            several = len(feed.taken) > 1
            why = UNCLOSED if several else f"bytes that are not {encoding}. Set [data] encoding, for example 'cp1252'"
            yield feed.row(why, first_only=several)
            continue
        except csv.Error as error:
            # A cell beyond all limits is a quote that swallowed what follows it.
            unclosed = "field limit" in str(error)
            row = feed.row(UNCLOSED if unclosed else str(error), first_only=unclosed)
            rows = csv.reader(feed, delimiter=separator)
            yield row
            continue
        if not cells:
            continue
        if len(feed.taken) > 1 and feed.ended and feed.unclosed(separator):
            yield feed.row(UNCLOSED, first_only=True)
        elif width and len(cells) != width:
            yield feed.row(f"{len(cells)} cells where the header has {width}")
        else:
            yield feed.row("")


def bad_lines_of(path: Path, name: str, encoding: str, separator: str, width: int) -> BadLines:
    """All lines of the file that cannot be read; told, not kept."""
    bad = BadLines(name)
    for row in rows_of(path, encoding, separator, width):
        if row.why:
            bad.add(row.line, row.why, row.raw, max(row.lines, 1))
    return bad


def clean(path: Path, name: str, encoding: str, separator: str, width: int, out: Path, bad: BadLines) -> None:
    """Write the rows that can be read to `out`, in UTF-8; the others go to `bad`. Raises SourceUnreadable."""
    header = True
    with out.open("wb") as file:
        for row in rows_of(path, encoding, separator, width):
            if not row.why:
                text = row.raw if encoding == "utf-8" or encoding.startswith(_WIDE) else _utf8(row.raw, encoding)
                file.write(text if text.endswith(b"\n") else text + b"\n")
            elif header or not row.lines:
                what = "This is the header" if header else "Nothing behind it can be read either"
                raise SourceUnreadable(f"{name}: line {row.line}: {row.why}. {what}.")
            else:
                bad.add(row.line, row.why, row.raw, row.lines)
            header = False


def _utf8(raw: bytes, encoding: str) -> bytes:
    return raw.decode(encoding).encode()


class _Feed:
    """Lines of a file, decoded one by one, that remembers what the current row has taken and can take it back.

    taken: (number, raw line) of each line since it was cleared.
    """

    def __init__(self, path: Path, encoding: str) -> None:
        self.encoding = encoding
        self.taken: list[tuple[int, bytes]] = []
        self.ended = False
        self.reached = 0
        self._again: list[tuple[int, bytes]] = []
        self._lines = enumerate(_raw_lines(path, encoding), start=1)

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        try:
            number, raw = self._again.pop() if self._again else next(self._lines)
        except StopIteration:
            self.ended = True
            raise
        self.taken.append((number, raw))
        self.reached = number
        if self.encoding.startswith(_WIDE):
            return raw.decode()
        first = number == 1 and self.encoding == "utf-8"
        return raw.decode("utf-8-sig" if first else self.encoding)

    def row(self, why: str, *, first_only: bool = False) -> Row:
        """What was taken, as a row; with `first_only` its first line alone, and the others are read again."""
        if first_only and len(self.taken) > 1:
            self._again.extend(reversed(self.taken[1:]))
            del self.taken[1:]
            self.ended = False
        raw = b"".join(line for _, line in self.taken)
        return Row(self.taken[0][0], raw, len(self.taken), why)

    def unclosed(self, separator: str) -> bool:
        """Whether what was taken ends within quotes."""
        text = [line.decode("utf-8" if self.encoding.startswith(_WIDE) else self.encoding) for _, line in self.taken]
        try:
            list(csv.reader(text, delimiter=separator, strict=True))
        except csv.Error as error:
            return "unexpected end" in str(error)
        return False


def _raw_lines(path: Path, encoding: str) -> Iterator[bytes]:
    raw: Any
    with pa.input_stream(str(path), compression="detect") as raw:
        if encoding.startswith(_WIDE):
            for line in io.TextIOWrapper(raw, encoding=encoding, newline=""):
                yield line.encode()
            return
        yield from io.BufferedReader(raw)
