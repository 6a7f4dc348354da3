"""Erasing rows from the files of records and labels, as open requests to forget say; the collector's lock is held.

Each file is replaced at once by one without the rows, which says in its own metadata how many it lost to whom, so a
kill at any instruction leaves files that are whole and counts that are true. What was found is noted before anything
is erased, as labels are found by the records they are for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract import records as names
from fairlead.runtime.capture import layout
from fairlead.runtime.capture.files import open_file, read_metadata, read_table, write_table
from fairlead.runtime.capture.forgotten import Entry, Hash, entries, keep
from fairlead.runtime.capture.lazy import arrow, compute
from fairlead.runtime.capture.spool import segment_name, segments
from fairlead.runtime.capture.tensors import others
from fairlead.runtime.wire.checks import text_of

_LOST = b"fairlead.forgotten"


def settle(home: Path) -> None:
    """Go on with all open requests to forget."""
    for entry in entries(home, opened=True):
        _Eraser(home, entry).run()


def waiting(home: Path) -> dict[str, Path]:
    """Segments of the spool by the name that records carry."""
    folders = [path for path in (Path(home) / "spool").glob("*/*") if path.is_dir()]
    return {segment_name(f.parent.name, f.name, path): path for f in folders for path in segments(f)}


class _Eraser:
    def __init__(self, home: Path, entry: Entry) -> None:
        self._home, self._entry = Path(home), entry
        self._hash = Hash(home)
        self._values = frozenset(entry.values)

    def run(self) -> None:
        entry = self._entry
        before = set(waiting(self._home))
        records = list(self._pieces("records"))
        self._note(records)
        for path in records:
            self._erase(path, self._mask)
        for path in self._pieces("labels"):
            self._erase(path, self._label_mask)
        if not entry.swept:
            _sweep_remains(self._home)
        entry.swept = True
        # What left the spool was brought in before the files were gone through.
        entry.segments = tuple(name for name in entry.segments if name in before)
        if not entry.segments:
            self._close()
        keep(self._home, entry)

    def _pieces(self, kind: str) -> Iterable[Path]:
        """Files to look at: all of them once, then those that segments still add to."""
        root = self._home / kind
        folders = [root / self._entry.model] if self._entry.model else sorted(root.glob("*"))
        wanted = set(self._entry.segments) if self._entry.swept else None
        for folder in folders:
            for piece in layout.pieces(folder):
                if wanted is None or piece.segment in wanted:
                    yield piece.path

    def _note(self, records: Iterable[Path]) -> None:
        """Which requests and keys the records have that go."""
        rows, keys = set(self._entry.rows), set(self._entry.keys)
        for path in records:
            with contextlib.suppress(FileNotFoundError):
                mask = self._mask(path)
                if mask is None:
                    continue
                gone = read_table(path, [names.REQUEST, names.ROW, names.KEY]).filter(mask).to_pydict()
                about = zip(gone[names.REQUEST], gone[names.ROW], strict=True)
                rows.update(self._hash(f"{request} {row}") for request, row in about)
                keys.update(self._hash(key) for key in gone[names.KEY] if key is not None)
        if (len(rows), len(keys)) != (len(self._entry.rows), len(self._entry.keys)):
            self._entry.rows, self._entry.keys = tuple(sorted(rows)), tuple(sorted(keys))
            keep(self._home, self._entry)

    def _mask(self, path: Path) -> Any:
        """Rows of a file of records that go, None for none of them."""
        # A tensor names nobody, so it is no way to find somebody either.
        own = set(others(open_file(path).schema_arrow))
        column = next((name for name in self._entry.columns if name in own), None)
        if column is None:
            return None
        return self._matches(read_table(path, [column]).column(column), self._values)

    def _label_mask(self, path: Path) -> Any:
        table = read_table(path, [names.REQUEST, names.ROW, names.KEY])
        pc = compute()
        about = pc.binary_join_element_wise(table.column(names.REQUEST), table.column(names.ROW).cast("string"), " ")
        by_key = self._values if names.KEY in self._entry.columns else frozenset[str]()
        by_request = self._values if names.REQUEST in self._entry.columns else frozenset[str]()
        masks = (
            self._matches(about, frozenset(self._entry.rows)),
            self._matches(table.column(names.KEY), by_key | frozenset(self._entry.keys)),
            self._matches(table.column(names.REQUEST), by_request),
        )
        found = None
        for mask in masks:
            if mask is not None:
                found = mask if found is None else pc.or_(found, mask)
        return found

    def _matches(self, column: Any, wanted: frozenset[str]) -> Any:
        """Where a column has one of the wanted values; None where it has none of them."""
        if not wanted:
            return None
        known = compute().unique(column).drop_null()
        hits = [value for value in known.to_pylist() if self._hash(text_of(value) or "") in wanted]
        return compute().is_in(column, value_set=arrow().array(hits, column.type)) if hits else None

    def _erase(self, path: Path, mask_of: Any) -> None:
        with contextlib.suppress(FileNotFoundError):
            mask = mask_of(path)
            if mask is None:
                return
            table = read_table(path)
            kept = table.filter(compute().invert(mask))
            lost = _lost(path)
            lost[self._entry.id] = lost.get(self._entry.id, 0) + table.num_rows - kept.num_rows
            about = {**(table.schema.metadata or {}), _LOST: msgspec.json.encode(lost)}
            write_table(path, kept.replace_schema_metadata(about), fresh=False)

    def _close(self) -> None:
        """Count what the files say they lost, and let go of whom it was about."""
        entry = self._entry
        entry.records, entry.labels, entry.files, entry.workers = 0, 0, 0, {}
        for kind in ("records", "labels"):
            for folder in sorted((self._home / kind).glob("*")):
                for piece in layout.pieces(folder):
                    with contextlib.suppress(FileNotFoundError):
                        self._count(kind, piece, _lost(piece.path).get(entry.id, 0))
        entry.done, entry.values, entry.rows, entry.keys, entry.columns = True, (), (), (), ()

    def _count(self, kind: str, piece: layout.Piece, lost: int) -> None:
        entry = self._entry
        if not lost:
            return
        entry.files += 1
        if kind == "labels":
            entry.labels += lost
            return
        entry.records += lost
        instance, worker, _ = piece.segment.rsplit("-", 2)
        name = f"{instance}/{worker}"
        entry.workers[name] = entry.workers.get(name, 0) + lost


def _lost(path: Path) -> dict[str, int]:
    """Rows that a file lost, by request to forget."""
    said = (read_metadata(path).metadata or {}).get(_LOST)
    return msgspec.json.decode(said, type=dict[str, int]) if said else {}


def _sweep_remains(home: Path) -> None:
    """Half-written files of collectors that were killed: they hold rows, too."""
    for kind in ("records", "labels"):
        for path in (home / kind).rglob(f".*{layout.SUFFIX}.*"):
            path.unlink(missing_ok=True)
