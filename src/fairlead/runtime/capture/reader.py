"""Reading records and labels back: by position, by event time, and joined.

Files are pruned by the statistics in their footers, which are remembered; files that appear, grow or go while
something reads are taken as they are found.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from fairlead.contract import records as names
from fairlead.contract.errors import UsageError
from fairlead.runtime.capture import layout
from fairlead.runtime.capture.joining import join
from fairlead.runtime.capture.lazy import arrow, compute, parquet
from fairlead.runtime.capture.tables import type_of

_ORDER = [(name, "ascending") for name in (names.ARRIVED, names.SEGMENT, names.OFFSET, names.ROW)]
_LABEL_ORDER = [(name, "ascending") for name in (names.ARRIVED, names.SEGMENT, names.OFFSET, names.ITEM)]


class _Footer(NamedTuple):
    size: int
    changed: int
    first: float
    last: float
    offset: int


class _Position(msgspec.Struct):
    """Cursor of `since`: per segment, the last (offset, row) that was given out."""

    at: dict[str, tuple[int, int]] = {}
    format: int = 1


class Records:
    """Records and labels of one model. Needs pyarrow; raises MissingExtra when it is first used without."""

    def __init__(self, home: Path, model: str) -> None:
        self._records, self._labels = layout.records_folder(home, model), layout.labels_folder(home, model)
        self._footers: dict[Path, _Footer] = {}
        self._label_tables: dict[Path, tuple[int, Any]] = {}

    def since(self, cursor: str = "", *, limit: int | None = None, shadows: bool = False) -> tuple[Any, str]:
        """Records that were collected after `cursor`, with the cursor to ask with next time.

        cursor: "" for all; else what an earlier call gave. limit: stop after the file that reaches so many rows.
        Every record is given exactly once however files appear. Returns (pyarrow.Table, cursor).
        Raises UsageError for a cursor that is none.
        """
        position = _read_position(cursor)
        tables, rows = [], 0
        for piece in self._unread(position):
            table = self._after(piece, position)
            if table is None or not table.num_rows:
                continue
            self._note(table, piece.segment, position)
            table = table if shadows else _answers(table)
            tables.append(table)
            rows += table.num_rows
            if limit is not None and rows >= limit:
                break
        return _sorted(_concat(tables), _ORDER), msgspec.json.encode(position).decode()

    def between(self, start: float | None, end: float | None, *, shadows: bool = False) -> Any:
        """Records whose event time lies in [start, end) as a pyarrow.Table, in order of arrival."""
        return _sorted(_concat(list(self._parts(start, end, shadows=shadows))), _ORDER)

    def batches(
        self, start: float | None, end: float | None, *, rows: int = 65_536, shadows: bool = False
    ) -> Iterator[Any]:
        """As `between`, in tables of at most `rows` rows, file by file: memory is bounded by one file."""
        for table in self._parts(start, end, shadows=shadows):
            for at in range(0, table.num_rows, rows):
                yield table.slice(at, rows)

    def labels(self, start: float | None = None, end: float | None = None) -> Any:
        """Labels whose arrival lies in [start, end) as a pyarrow.Table, by arrival; sent twice, there twice."""
        known: dict[Path, tuple[int, Any]] = {}
        for piece in layout.pieces(self._labels):
            try:
                changed = piece.path.stat().st_mtime_ns
                kept = self._label_tables.get(piece.path)
                known[piece.path] = kept if kept and kept[0] == changed else (changed, _read(piece.path))
            except FileNotFoundError:
                continue
        self._label_tables = known
        if not known:
            return arrow().table({name: arrow().array([], type_of(name)) for name in names.LABEL_META})
        table = arrow().concat_tables([table for _, table in known.values()], promote_options="permissive")
        return _sorted(_within(table, names.ARRIVED, start, end), _LABEL_ORDER)

    def joined(self, start: float | None, end: float | None, *, shadows: bool = False) -> Any:
        """`between` with what counts for each record: `label`, `definition`, `label.arrived`, `value`, `comment`.

        A label finds its record by request id and row; or by key and time: the nearest record of the key at or
        before that time; or by key alone: all records of the key. Of several, the one that arrived last counts,
        for each of label, value and comment. Null where none has come.
        """
        table = self.between(start, end, shadows=shadows)

        def later(until: float) -> Any:
            return _concat(list(self._parts(end, until, columns=[names.KEY, names.TIME, names.KIND], inclusive=True)))

        return join(table, self.labels(), end, later)

    def _parts(
        self,
        start: float | None,
        end: float | None,
        *,
        shadows: bool = False,
        columns: list[str] | None = None,
        inclusive: bool = False,
    ) -> Iterator[Any]:
        for piece in layout.pieces(self._records):
            footer = self._footer(piece.path)
            if footer is None or (start is not None and footer.last < start):
                continue
            if end is not None and (footer.first > end or (footer.first == end and not inclusive)):
                continue
            try:
                table = _read(piece.path, columns)
            except FileNotFoundError:
                continue
            table = _within(table, names.TIME, start, end, inclusive)
            yield table if shadows else _answers(table)

    def _footer(self, path: Path) -> _Footer | None:
        try:
            seen = os.stat(path)
            kept = self._footers.get(path)
            if kept is not None and (kept.size, kept.changed) == (seen.st_size, seen.st_mtime_ns):
                return kept
            made = _read_footer(path, seen)
        except FileNotFoundError:
            self._footers.pop(path, None)
            return None
        self._footers[path] = made
        return made

    def _unread(self, position: _Position) -> list[layout.Piece]:
        """Files that may hold records after the position, oldest first within each segment.

        Of the files of a segment that begin at or before the position, only those with its last offset can hold
        more: ranges of a segment follow each other.
        """
        by_segment: dict[str, list[layout.Piece]] = {}
        for piece in layout.pieces(self._records):
            by_segment.setdefault(piece.segment, []).append(piece)
        found = []
        for segment, listed in by_segment.items():
            at = position.at.get(segment)
            begun = [piece.offset for piece in listed if at is not None and piece.offset <= at[0]]
            found += [piece for piece in listed if not begun or piece.offset >= max(begun)]
        return sorted(found, key=lambda piece: (piece.offset, piece.segment, piece.path))

    def _after(self, piece: layout.Piece, position: _Position) -> Any:
        at = position.at.get(piece.segment)
        footer = self._footer(piece.path)
        if footer is None or (at is not None and footer.offset < at[0]):
            return None
        try:
            table = _read(piece.path)
        except FileNotFoundError:
            return None
        if at is None:
            return table
        pc = compute()
        offset, row = table.column(names.OFFSET), table.column(names.ROW)
        beyond = pc.or_(pc.greater(offset, at[0]), pc.and_(pc.equal(offset, at[0]), pc.greater(row, at[1])))
        return table.filter(beyond)

    @staticmethod
    def _note(table: Any, segment: str, position: _Position) -> None:
        pc = compute()
        last = pc.max(table.column(names.OFFSET)).as_py()
        rows = table.filter(pc.equal(table.column(names.OFFSET), last)).column(names.ROW)
        position.at[segment] = (last, pc.max(rows).as_py())


def _read_position(cursor: str) -> _Position:
    if not cursor:
        return _Position()
    try:
        return msgspec.json.decode(cursor, type=_Position)
    except msgspec.MsgspecError:
        raise UsageError("this is no cursor of Records.since.") from None


def _read(path: Path, columns: list[str] | None = None) -> Any:
    return parquet().ParquetFile(path).read(columns=columns)


def _read_footer(path: Path, seen: os.stat_result) -> _Footer:
    meta = parquet().ParquetFile(path).metadata
    place = {meta.schema.column(at).name: at for at in range(meta.num_columns)}
    groups = [meta.row_group(at) for at in range(meta.num_row_groups)]
    times = [group.column(place[names.TIME]).statistics for group in groups]
    offsets = [group.column(place[names.OFFSET]).statistics for group in groups]
    return _Footer(
        seen.st_size,
        seen.st_mtime_ns,
        min((s.min for s in times if s is not None and s.has_min_max), default=float("-inf")),
        max((s.max for s in times if s is not None and s.has_min_max), default=float("inf")),
        max((s.max for s in offsets if s is not None and s.has_min_max), default=1 << 62),
    )


def _answers(table: Any) -> Any:
    kinds = table.column(names.KIND)
    return table.filter(compute().equal(kinds, "prediction"))


def _within(table: Any, name: str, start: float | None, end: float | None, inclusive: bool = False) -> Any:
    pc = compute()
    if start is not None:
        table = table.filter(pc.greater_equal(table.column(name), start))
    if end is not None:
        limit = pc.less_equal if inclusive else pc.less
        table = table.filter(limit(table.column(name), end))
    return table


def _concat(tables: list[Any]) -> Any:
    pa = arrow()
    if not tables:
        return pa.table({name: pa.array([], type_of(name)) for name in names.RECORD_META})
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        # A column that was redacted for a while is text there and a number elsewhere: text holds both.
        return pa.concat_tables([_as_text(table) for table in tables], promote_options="permissive")


def _as_text(table: Any) -> Any:
    pa = arrow()
    fields = [pa.field(f.name, pa.string()) if f.name.startswith(names.FEATURE_IN) else f for f in table.schema]
    return table.cast(pa.schema(fields))


def _sorted(table: Any, order: list[tuple[str, str]]) -> Any:
    return table.sort_by(order) if table.num_rows > 1 else table
