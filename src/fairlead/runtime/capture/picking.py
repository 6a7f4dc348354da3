"""Records found by their identity, with columns that are too large to be read of all: the inputs of a few rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from fairlead.contract import records as names
from fairlead.runtime.capture import layout
from fairlead.runtime.capture.files import open_file, read_group
from fairlead.runtime.capture.lazy import arrow

Identity = tuple[str, int, int]
"""Segment, offset and row."""
IDENTITY = (names.SEGMENT, names.OFFSET, names.ROW)


def identities(table: Any) -> list[Identity]:
    """Of each row of a table of records."""
    return list(zip(*(table.column(name).to_pylist() for name in IDENTITY), strict=True))


def pick(pieces: Iterable[layout.Piece], wanted: Collection[Identity], columns: Sequence[str]) -> Iterator[Any]:
    """Tables of the wanted records: identity, and those of `columns` that a file has. A row group at a time; groups
    without a wanted row stay unread."""
    segments = {segment for segment, _, _ in wanted}
    read = [*IDENTITY, *columns]
    for piece in pieces:
        if piece.segment not in segments:
            continue
        try:
            file = open_file(piece.path)
        except FileNotFoundError:
            continue
        with file:
            for group in range(file.num_row_groups):
                here = [one in wanted for one in identities(file.read_row_group(group, columns=list(IDENTITY)))]
                if any(here):
                    yield read_group(file, group, read).filter(arrow().array(here))
