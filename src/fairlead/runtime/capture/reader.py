"""Reading records and labels back: by position, by event time, and joined.

Files are pruned by the statistics in their footers. Footers and what a join looks up are remembered between
reads (`remembered`); files that appear, grow or go while something reads are taken as they are found.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from fairlead.contract import records as names
from fairlead.contract.errors import UsageError
from fairlead.runtime.capture import layout
from fairlead.runtime.capture.agreement import as_one
from fairlead.runtime.capture.asked_again import counted_once
from fairlead.runtime.capture.files import open_file, read_group, read_table
from fairlead.runtime.capture.joining import join
from fairlead.runtime.capture.lazy import arrow, compute
from fairlead.runtime.capture.picking import Identity, pick
from fairlead.runtime.capture.remembered import files, once, table_of
from fairlead.runtime.capture.spans import Span, ends, overlap, range_of, span_of, statistics_of
from fairlead.runtime.capture.tables import plain, type_of

_ORDER = [(name, "ascending") for name in (names.ARRIVED, names.SEGMENT, names.OFFSET, names.ROW)]
_LABEL_ORDER = [(name, "ascending") for name in (names.ARRIVED, names.SEGMENT, names.OFFSET, names.ITEM)]


_LOOKED_UP = tuple(name for name in names.LABEL_META if name != names.MODEL)
_MOMENT = (names.KEY, names.TIME, names.KIND)
_FEW = (names.SEGMENT, names.LABEL, names.COMMENT, names.DEFINITION)
"""Columns of labels with few different texts, kept once each in memory."""


class _Footer(NamedTuple):
    """Of records: first and last event time, last offset."""

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

    def since(
        self, cursor: str = "", *, limit: int | None = None, shadows: bool = False, tensors: bool = True
    ) -> tuple[Any, str]:
        """Records that were collected after `cursor`, with the cursor to ask with next time.

        cursor: "" for all; else what an earlier call gave. limit: stop after the file that reaches so many rows.
        tensors: as in `between`. Every record is given exactly once however files appear.
        Returns (pyarrow.Table, cursor). Raises UsageError for a cursor that is none.
        """
        position = _read_position(cursor)
        tables, rows = [], 0
        for piece in self._unread(position):
            table = self._after(piece, position, tensors)
            if table is None or not table.num_rows:
                continue
            self._note(table, piece.segment, position)
            table = table if shadows else _answers(table)
            tables.append(table)
            rows += table.num_rows
            if limit is not None and rows >= limit:
                break
        return _sorted(_concat(tables), _ORDER), msgspec.json.encode(position).decode()

    def arrived(self, cursor: str, start: float, wanted: Sequence[str], limit: int | None = None) -> tuple[Any, str]:
        """Some columns of the answers that arrived from `start` on and were collected after `cursor`, in no order.

        For who looks every second: files that were read whole are not opened again. cursor: as of `since`, always with
        the same `start`; it stays as it is when there is no more. limit: stop after the file that reaches so many
        rows. A column that no file has is left out. Returns (pyarrow.Table, cursor).
        """
        position, rows = _read_position(cursor), 0
        read = list(dict.fromkeys((*wanted, names.ARRIVED, names.KIND, names.OFFSET, names.ROW)))
        tables = []
        for piece in self._unread(position, layout.day_of(start)):
            at, footer = position.at.get(piece.segment), self._footer(piece.path)
            # A frame is collected whole, so nothing more is to come of the last one that was read.
            if footer is None or (at is not None and footer.offset <= at[0]):
                continue
            table = self._after(piece, position, False, read)
            if table is not None and table.num_rows:
                self._note(table, piece.segment, position)
                tables.append(_within(_answers(table), names.ARRIVED, start, None))
                rows += table.num_rows
            if limit is not None and rows >= limit:
                break
        table = _concat(tables)
        found = table.select([name for name in dict.fromkeys(wanted) if name in table.schema.names])
        return found, msgspec.json.encode(position).decode()

    def between(self, start: float | None, end: float | None, *, shadows: bool = False, tensors: bool = True) -> Any:
        """Records whose event time lies in [start, end) as a pyarrow.Table, in order of arrival.

        tensors: with the columns of tensors; a week of images may be more than a machine's memory, see `batches`.
        What was asked again because its answer was lost is there once, see `asked_again`; the other methods give each
        record.
        """
        every = _concat(list(self._parts(start, end, shadows=shadows, tensors=tensors)))
        return _sorted(counted_once(every), _ORDER)

    def columns(self, start: float | None, end: float | None, wanted: Sequence[str]) -> Any:
        """Some columns of the records in [start, end), in no order: what a watcher needs to know often, read cheaply.

        A column that no record has is left out.
        """
        read = list(dict.fromkeys((*wanted, names.TIME, names.KIND)))
        table = _concat(list(self._parts(start, end, columns=read)))
        return table.select([name for name in dict.fromkeys(wanted) if name in table.schema.names])

    def times(self, start: float | None, end: float | None) -> npt.NDArray[np.float64]:
        """Event times of the answers in [start, end), sorted: a watcher asks at every pass, so files are read once."""
        found = []
        for path in self._files(start, end):
            try:
                times = files.get(path, "times", _read_times)
            except FileNotFoundError:
                continue
            first = 0 if start is None else int(np.searchsorted(times, start))
            found.append(times[first : len(times) if end is None else int(np.searchsorted(times, end))])
        return np.sort(np.concatenate(found)) if found else np.zeros(0)

    def with_shadows(self, start: float | None, end: float | None) -> bool:
        """Whether files that may hold records of [start, end) hold any that nobody was answered with."""
        for path in self._files(start, end):
            try:
                if files.get(path, "shadows", _read_shadows):
                    return True
            except FileNotFoundError:
                continue
        return False

    def batches(
        self,
        start: float | None,
        end: float | None,
        *,
        rows: int = 65_536,
        shadows: bool = False,
        columns: Sequence[str] | None = None,
    ) -> Iterator[Any]:
        """As `between`, in tables of at most `rows` rows, file by file: memory is bounded by one row group.

        columns: those that are wanted of what a file has, None for all.
        """
        wanted = None if columns is None else list(dict.fromkeys((*columns, names.TIME, names.KIND)))
        for path in self._files(start, end):
            try:
                file = open_file(path)
            except FileNotFoundError:
                continue
            with file:
                for group in range(file.num_row_groups):
                    table = read_group(file, group, wanted)
                    table = _within(table, names.TIME, start, end)
                    table = table if shadows else _answers(table)
                    for at in range(0, table.num_rows, rows):
                        yield table.slice(at, rows)

    def picked(self, wanted: Collection[Identity], columns: Sequence[str]) -> Iterator[Any]:
        """Records by identity (segment, offset, row) with some columns, in small tables: see `picking`."""
        return pick(layout.pieces(self._records), wanted, columns)

    def labels(self, start: float | None = None, end: float | None = None) -> Any:
        """Labels whose arrival lies in [start, end) as a pyarrow.Table, by arrival; sent twice, there twice."""
        tables = []
        for piece in layout.pieces(self._labels, *_days(start, end)):
            try:
                tables.append(_within(read_table(piece.path), names.ARRIVED, start, end))
            except FileNotFoundError:
                continue
        return _sorted(plain(tables, names.LABEL_META), _LABEL_ORDER)

    def joined(
        self,
        start: float | None,
        end: float | None,
        *,
        shadows: bool = False,
        tensors: bool = True,
        definition: str = "",
    ) -> Any:
        """`between` with what counts for each record: `label`, `definition`, `label.arrived`, `value`, `comment`.

        A label finds its record by request id and row; or by key and time: the nearest record of the key at or
        before that time; or by key alone: all records of the key. Of several, the one that arrived last counts,
        for each of label, value and comment. Null where none has come. definition: of the target; a label of another
        one counts only where there is none of this. Empty: whichever came last.
        """
        table = self.between(start, end, shadows=shadows, tensors=tensors)

        def later(until: float, keys: Any) -> Any:
            read = [files.get(path, _MOMENT, _read_moment) for path in self._files(end, until, inclusive=True)]
            moments = _within(_concat(read), names.TIME, end, until, inclusive=True)
            return _answers(moments.filter(compute().is_in(moments.column(names.KEY), value_set=keys)))

        return join(table, self._labels_of(table), end, later, definition)

    def _labels_of(self, table: Any) -> Any:
        """Labels that name a request or a key of these records, by arrival; files that cannot have any stay unread."""
        pc = compute()
        requests, keys = (pc.unique(table.column(name)).drop_null() for name in (names.REQUEST, names.KEY))
        wanted = Span(ends(requests), ends(keys))
        tables = []
        for path, span in once(("labels", self._labels), self._label_spans):
            try:
                if overlap(span.requests, wanted.requests) or overlap(span.keys, wanted.keys):
                    tables.append(files.get(path, "looked up", _read_looked_up))
            except FileNotFoundError:
                continue
        if not tables:
            return plain(tables, _LOOKED_UP)
        every = arrow().concat_tables(tables, promote_options="default")
        mine = pc.or_(
            pc.is_in(every.column(names.REQUEST), value_set=requests), pc.is_in(every.column(names.KEY), value_set=keys)
        )
        return _sorted(plain([every.filter(mine)], _LOOKED_UP), _LABEL_ORDER)

    def _label_spans(self) -> list[tuple[Path, Span]]:
        found = []
        for piece in layout.pieces(self._labels):
            with suppress(FileNotFoundError):
                found.append((piece.path, files.get(piece.path, "span", span_of)))
        return found

    def _parts(
        self,
        start: float | None,
        end: float | None,
        *,
        shadows: bool = False,
        columns: list[str] | None = None,
        tensors: bool = True,
    ) -> Iterator[Any]:
        what = None if columns is None else tuple(columns), tensors
        for path in self._files(start, end):
            try:
                whole = table_of(path, what, lambda path: read_table(path, columns, tensors=tensors))
                table = _within(whole, names.TIME, start, end)
            except FileNotFoundError:
                continue
            yield table if shadows else _answers(table)

    def _files(self, start: float | None, end: float | None, *, inclusive: bool = False) -> Iterator[Path]:
        """Files that may hold records of an interval of event time."""
        for path, footer in once(("records", self._records), self._footers):
            if start is not None and footer.last < start:
                continue
            if end is None or footer.first < end or (inclusive and footer.first == end):
                yield path

    def _footers(self) -> list[tuple[Path, _Footer]]:
        listed = ((piece.path, self._footer(piece.path)) for piece in layout.pieces(self._records))
        return [(path, footer) for path, footer in listed if footer is not None]

    @staticmethod
    def _footer(path: Path) -> _Footer | None:
        try:
            footer: _Footer = files.get(path, "footer", _read_footer)
        except FileNotFoundError:
            return None
        return footer

    def _unread(self, position: _Position, first_day: str = "") -> list[layout.Piece]:
        """Files that may hold records after the position, oldest first within each segment; of arrivals from
        `first_day` on.

        Of the files of a segment that begin at or before the position, only those with its last offset can hold
        more: ranges of a segment follow each other.
        """
        by_segment: dict[str, list[layout.Piece]] = {}
        for piece in layout.pieces(self._records, first_day):
            by_segment.setdefault(piece.segment, []).append(piece)
        found = []
        for segment, listed in by_segment.items():
            at = position.at.get(segment)
            begun = [piece.offset for piece in listed if at is not None and piece.offset <= at[0]]
            found += [piece for piece in listed if not begun or piece.offset >= max(begun)]
        return sorted(found, key=lambda piece: (piece.offset, piece.segment, piece.path))

    def _after(
        self, piece: layout.Piece, position: _Position, tensors: bool, columns: Sequence[str] | None = None
    ) -> Any:
        at = position.at.get(piece.segment)
        footer = self._footer(piece.path)
        if footer is None or (at is not None and footer.offset < at[0]):
            return None
        try:
            table = read_table(piece.path, columns, tensors=tensors)
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


def _read_moment(path: Path) -> Any:
    """Columns `_MOMENT` of a file; of one that has gone, none of its rows."""
    try:
        return read_table(path, _MOMENT, [names.KIND])
    except FileNotFoundError:
        pa = arrow()
        return pa.schema([(name, type_of(name)) for name in _MOMENT]).empty_table()


def _read_times(path: Path) -> npt.NDArray[np.float64]:
    times = _answers(read_table(path, [names.TIME, names.KIND])).column(names.TIME).drop_null()
    return np.sort(np.asarray(times.to_numpy(), dtype=np.float64))


def _read_shadows(path: Path) -> bool:
    (statistics,) = statistics_of(path, names.KIND)
    low, high = range_of(statistics) or ("", "")
    return low <= "shadow" <= high


def _read_looked_up(path: Path) -> Any:
    return read_table(path, _LOOKED_UP, _FEW)


def _days(start: float | None, end: float | None) -> tuple[str, str]:
    """Names of the first and last day of arrival in an interval."""
    return layout.day_of(start) if start is not None else "", layout.day_of(end) if end is not None else "9"


def _read_footer(path: Path) -> _Footer:
    times, offsets = statistics_of(path, names.TIME, names.OFFSET)
    return _Footer(
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
    return as_one(tables)


def _sorted(table: Any, order: list[tuple[str, str]]) -> Any:
    return table.sort_by(order) if table.num_rows > 1 else table
