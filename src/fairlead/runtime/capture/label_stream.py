"""Labels in the order in which they came, each given once, and the records that they are for.

Who learns from labels as they come keeps a position: how far each segment was read. Labels are given in an order of
which every beginning is such a position, so it can stop and be killed after any of them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from fairlead.contract import records as names
from fairlead.contract.errors import UsageError
from fairlead.runtime.capture import layout
from fairlead.runtime.capture.files import read_table
from fairlead.runtime.capture.joining import join
from fairlead.runtime.capture.lazy import arrow, compute
from fairlead.runtime.capture.remembered import files
from fairlead.runtime.capture.spans import Span, ends, overlap, span_of, statistics_of
from fairlead.runtime.capture.tables import plain

Identity = tuple[str, int, int]
"""Of a label: segment, offset and item; of a record: segment, offset and row."""
_LIGHT = (names.SEGMENT, names.OFFSET, names.ROW, names.KIND, names.REQUEST, names.KEY, names.TIME)


class Position(msgspec.Struct, frozen=True):
    """Per segment the last (offset, item) that was taken."""

    at: dict[str, tuple[int, int]] = {}

    def after(self, labels: Any) -> Position:
        """Once these labels are taken, too. labels: a beginning of what `LabelStream.unread` gave."""
        at = dict(self.at)
        for segment, offset, item in identities(labels):
            at[segment] = max(at.get(segment, (-1, -1)), (offset, item))
        return Position(at)


def identities(labels: Any) -> list[Identity]:
    """Of each label of a table."""
    columns = (names.SEGMENT, names.OFFSET, names.ITEM)
    return list(zip(*(labels.column(name).to_pylist() for name in columns), strict=True))


class Found(NamedTuple):
    """records: identities and the last label of each, null where these labels are for another record of its key.

    others: every label that may be for these records. lost: (labels,) those that are for no record there is.
    """

    records: Any
    others: Any
    lost: np.ndarray


class LabelStream:
    """Labels of one model as a stream. Needs pyarrow."""

    def __init__(self, home: Path, model: str) -> None:
        self._records, self._labels = layout.records_folder(home, model), layout.labels_folder(home, model)

    def unread(self, position: Position) -> Any:
        """Labels that were collected after the position, oldest first, as a pyarrow.Table.

        By arrival; within a segment as they stand there, also where a clock was set back in between.
        """
        tables = []
        for piece in layout.pieces(self._labels):
            at = position.at.get(piece.segment)
            try:
                if at is not None and files.get(piece.path, "last offset", _last_offset) < at[0]:
                    continue
                table = read_table(piece.path, names.LABEL_META)
            except FileNotFoundError:
                continue
            tables.append(table if at is None else table.filter(_beyond(table, at)))
        return _in_order(plain(tables, names.LABEL_META))

    def picked(self, wanted: Collection[Identity]) -> Any:
        """Labels by identity, oldest first; those that were erased meanwhile are left out."""
        segments = {segment for segment, _, _ in wanted}
        tables = []
        for piece in layout.pieces(self._labels):
            if piece.segment in segments:
                try:
                    table = read_table(piece.path, names.LABEL_META)
                except FileNotFoundError:
                    continue
                tables.append(table.filter(arrow().array([one in wanted for one in identities(table)], "bool")))
        return _in_order(plain(tables, names.LABEL_META))

    def records_of(self, labels: Any, definition: str = "") -> Found:
        """The records that these labels are for, as `Records.joined` has it, without shadows.

        definition: as there.
        """
        requests, keys = (compute().unique(labels.column(name)).drop_null() for name in (names.REQUEST, names.KEY))
        near = self._near(requests, keys)
        others = self._named(compute().unique(near.column(names.REQUEST)), compute().unique(near.column(names.KEY)))
        further = compute().unique(others.column(names.KEY)).drop_null()
        if len(further) and not compute().all(compute().is_in(further, value_set=keys)).as_py():
            # A label by key and time is for one of the records of its key, all of which have to be known.
            near = self._near(requests, arrow().concat_arrays([*_flat(keys), *_flat(further)]))
        joined = join(near, labels, None, _nothing_later, definition)
        return Found(joined, others, _lost(labels, near))

    def told_before(self, found: Found, labels: Any, definition: str = "") -> list[str | None]:
        """Of each record found the label that these tell, None without. labels: of `Found.others`."""
        plain = found.records.select(list(_LIGHT))
        told: list[str | None] = join(plain, labels, None, _nothing_later, definition).column(names.LABEL).to_pylist()
        return told

    def _near(self, requests: Any, keys: Any) -> Any:
        """Answers that name one of these requests or keys, a file at a time, with what joins go by."""
        found = _naming(layout.pieces(self._records), requests, keys, _LIGHT)
        return found.filter(compute().equal(found.column(names.KIND), "prediction"))

    def _named(self, requests: Any, keys: Any) -> Any:
        """Labels that name one of these requests or keys, by arrival."""
        found = _naming(layout.pieces(self._labels), requests.drop_null(), keys.drop_null(), names.LABEL_META)
        return _in_order(found)


def read_position(text: str) -> Position:
    """What `msgspec.json.encode` made of a position; "" is the beginning. Raises UsageError."""
    try:
        return msgspec.json.decode(text, type=Position) if text else Position()
    except msgspec.MsgspecError:
        raise UsageError("this is no position in a stream of labels.") from None


def _naming(pieces: Sequence[layout.Piece], requests: Any, keys: Any, columns: Sequence[str]) -> Any:
    """Rows of files that name one of these requests or keys; files that cannot have any stay unread."""
    pc, tables = compute(), []
    wanted = Span(ends(requests), ends(keys))
    for piece in pieces:
        try:
            span = files.get(piece.path, "span", span_of)
            if not overlap(span.requests, wanted.requests) and not overlap(span.keys, wanted.keys):
                continue
            table = read_table(piece.path, columns)
        except FileNotFoundError:
            continue
        named, keyed = table.column(names.REQUEST), table.column(names.KEY)
        mine = pc.or_(pc.is_in(named, value_set=requests), pc.is_in(keyed, value_set=keys))
        tables.append(table.filter(mine))
    return plain(tables, columns)


def _lost(labels: Any, near: Any) -> np.ndarray:
    """Labels that no record is there for, (labels,) bool."""
    named = set(zip(near.column(names.REQUEST).to_pylist(), near.column(names.ROW).to_pylist(), strict=True))
    first: dict[str, float] = {}
    for key, at in zip(near.column(names.KEY).to_pylist(), near.column(names.TIME).to_pylist(), strict=True):
        if key is not None:
            first[key] = min(first.get(key, np.inf), -np.inf if at is None else at)
    columns = (names.REQUEST, names.ROW, names.KEY, names.TIME)
    told = zip(*(labels.column(name).to_pylist() for name in columns), strict=True)
    return np.array(
        [
            (request, row) not in named if request is not None else key not in first or (at or np.inf) < first[key]
            for request, row, key, at in told
        ],
        dtype=bool,
    )


def _nothing_later(_until: float, _keys: Any) -> Any:
    """Of records that are all of their keys there is nothing after them."""
    return plain([], _LIGHT)


def _flat(array: Any) -> list[Any]:
    return list(array.chunks) if hasattr(array, "chunks") else [array]


def _last_offset(path: Path) -> int:
    (offsets,) = statistics_of(path, names.OFFSET)
    known = [one.max for one in offsets if one is not None and one.has_min_max]
    return max(known) if known and len(known) == len(offsets) else 1 << 62


def _beyond(table: Any, at: tuple[int, int]) -> Any:
    pc = compute()
    offset, item = table.column(names.OFFSET), table.column(names.ITEM)
    return pc.or_(pc.greater(offset, at[0]), pc.and_(pc.equal(offset, at[0]), pc.greater(item, at[1])))


def _in_order(labels: Any) -> Any:
    """By arrival, but never against the order of a segment."""
    if labels.num_rows < 2:
        return labels
    segments = np.unique(np.asarray(labels.column(names.SEGMENT).to_pylist(), dtype=str), return_inverse=True)[1]
    offset, item, arrived = (
        np.asarray(labels.column(name).to_numpy()) for name in (names.OFFSET, names.ITEM, names.ARRIVED)
    )
    order = np.lexsort((item, offset, segments))
    latest = arrived[order].astype(np.float64)
    bounds = np.flatnonzero(np.diff(segments[order])) + 1
    for part in np.split(np.arange(len(order)), bounds):
        latest[part] = np.maximum.accumulate(latest[part])
    return labels.take(arrow().array(order[np.argsort(latest, kind="stable")]))
