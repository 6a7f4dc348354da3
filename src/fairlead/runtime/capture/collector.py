"""Spool to Parquet: complete frames only, under deterministic names, safe to kill at any instruction.

For each worker: frames from the cursor on become files named by segment and first offset; the files are made
durable; the cursor moves; finished segments that are collected whole are removed. A kill before the cursor
moved means the same range (or a longer one) is written again under the same names: nothing lost, nothing twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from fairlead.contract.errors import Busy
from fairlead.runtime.capture import layout, spool
from fairlead.runtime.capture.agreement import as_one
from fairlead.runtime.capture.cursor import Cursor, Progress, read_cursor, sync_folder, write_cursor
from fairlead.runtime.capture.erasing import settle
from fairlead.runtime.capture.files import write_table
from fairlead.runtime.capture.forgotten import entries
from fairlead.runtime.capture.locking import scan
from fairlead.runtime.capture.tables import LabelColumns, RecordColumns
from fairlead.runtime.wire import frames

RANGE_BYTES = 16 << 20
"""Bytes of frames that become files at once, or one write that is larger; memory is bounded by some ten times of it."""
SMALL_BYTES = 1 << 19
"""A range below this stays open: the next call writes its files again, longer. So their number follows the
traffic and not how often somebody collects."""
_PATIENCE_S, _AGAIN_S = 60.0, 0.003


class Collected(msgspec.Struct):
    """What one call brought in: rows (shadows included), labels, and finished segments removed."""

    records: int = 0
    labels: int = 0
    segments: int = 0


def collect(home: Path) -> Collected:
    """Bring all complete frames of a home's spool into Parquet, and erase again what is to be forgotten.

    One collector at a time: another one waits. Raises Busy when it waited for a minute.
    """
    home = Path(home)
    done = Collected()
    if not (home / "spool").is_dir() and not entries(home, opened=True):
        return done
    with alone(home):
        for folder in worker_folders(home):
            _collect_worker(home, folder, done)
        settle(home)
    return done


def worker_folders(home: Path) -> list[Path]:
    """spool/<instance>/<worker> of every worker that ever wrote."""
    return sorted(path for path in (Path(home) / "spool").glob("*/*") if path.is_dir())


@contextlib.contextmanager
def alone(home: Path, patience_s: float = _PATIENCE_S, lock: str = "collect.lock") -> Iterator[None]:
    """No collector (or who else takes this lock) runs meanwhile. Raises Busy when one did for `patience_s` seconds."""
    path = home / "run" / lock
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + patience_s
    try:
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise Busy() from None
                time.sleep(_AGAIN_S)
        yield
    finally:
        os.close(fd)


def _collect_worker(home: Path, folder: Path, done: Collected) -> None:
    cursor = read_cursor(folder)
    # Listed before reading: a segment older than another one in the list is never written to again.
    listed = spool.segments(folder)
    for path in listed:
        progress = cursor.segments.setdefault(path.name, Progress())
        finished = path is not listed[-1]
        if not progress.done:
            _collect_segment(home, folder, path, cursor, done)
        if finished and (progress.done or _over(path, progress)) and _opened(listed[-1]):
            _remove(folder, path, cursor)
            done.segments += 1
    gone = set(cursor.segments) - {path.name for path in listed}
    if gone:
        for name in gone:
            del cursor.segments[name]
        write_cursor(folder, cursor)


def _collect_segment(home: Path, folder: Path, path: Path, cursor: Cursor, done: Collected) -> None:
    instance, worker = folder.parent.name, folder.name
    segment = spool.segment_name(instance, worker, path)
    progress = cursor.segments[path.name]
    schemas = _schemas(path, progress.start)
    # What comes while this runs is for the next time: a busy worker would keep it here for ever.
    stop = path.stat().st_size
    while True:
        part = _Part(home, segment, progress.start, schemas)
        end = part.fill(path, stop)
        if end <= progress.offset:
            if not part.full or end < progress.offset:
                return
            # All of this hour was collected already: what follows is of the next one, and begins a range of its own.
            progress.start = end
            progress.rows = progress.shadows = progress.labels = 0
            continue
        part.write()
        done.records += part.rows + part.shadows - progress.rows - progress.shadows
        done.labels += part.labels - progress.labels
        cursor.rows += part.rows - progress.rows
        cursor.shadows += part.shadows - progress.shadows
        cursor.labels += part.labels - progress.labels
        progress.offset = end
        progress.rows, progress.shadows, progress.labels = part.rows, part.shadows, part.labels
        if part.full or end - progress.start >= SMALL_BYTES:
            progress.start = end
            progress.rows = progress.shadows = progress.labels = 0
        write_cursor(folder, cursor)
        if end >= stop:
            return


def _schemas(path: Path, stop: int) -> dict[tuple[str, str], frames.Schema]:
    """Schemas that a segment named before `stop`; they are few and come early, but may come anywhere."""
    found: dict[tuple[str, str], frames.Schema] = {}
    if stop:
        for _, _, frame in scan(path, 0, stop):
            if isinstance(frame, frames.Schema):
                found[frame.model, frame.bundle] = frame
    return found


class _Part:
    """A range of one segment on its way to files."""

    def __init__(self, home: Path, segment: str, start: int, schemas: dict[tuple[str, str], frames.Schema]) -> None:
        self._home, self._segment, self._start, self._schemas = home, segment, start, schemas
        self._records: dict[tuple[str, str, str], dict[int, RecordColumns]] = {}
        self._labels: dict[tuple[str, str], LabelColumns] = {}
        self.rows = self.shadows = self.labels = 0
        self.full = False

    def fill(self, path: Path, stop: int) -> int:
        """Take frames in until the range is full, or `stop`, or the complete frames end; where it ends.

        A range holds records of one hour (of arrival; of writing, where requests were written together), so that
        it is one file a model: a reader that follows by position can then never meet a second file of a range it
        has passed.
        """
        end = self._start
        hour: tuple[str, str] | None = None
        between = True
        for offset, after, frame in scan(path, self._start, stop):
            if isinstance(frame, (frames.Prediction, frames.Tick)):
                this = layout.hour_of(frame.time)
                # A write that was encrypted as one is taken as one.
                if between and hour is not None and this != hour:
                    self.full = True
                    break
                hour = this
            self._take(frame, offset)
            between = after >= 0
            if not between:
                continue
            end = after
            if end - self._start >= RANGE_BYTES:
                self.full = True
                break
        return end

    def _take(self, frame: frames.Frame, offset: int) -> None:
        if isinstance(frame, (frames.Prediction, frames.Tick)):
            group = self._records.setdefault((frame.model, *layout.hour_of(frame.time)), {})
            schema = self._schemas[frame.model, frame.bundle]
            # A bundle may be named again: its columns are redacted, or no longer, from there on.
            columns = group.get(id(schema))
            if columns is None:
                columns = group[id(schema)] = RecordColumns(schema, self._segment)
            for at, request in frames.unfold(frame, offset):
                columns.add(request, at)
            if isinstance(frame, frames.Shadow):
                self.shadows += len(frame.rows)
            else:
                self.rows += len(frame.rows)
        elif isinstance(frame, frames.Label):
            day, _ = layout.hour_of(frame.time)
            labels = self._labels.setdefault((frame.model, day), LabelColumns(self._segment))
            labels.add(frame, offset)
            self.labels += len(frame.items)
        elif isinstance(frame, frames.Schema):
            self._schemas[frame.model, frame.bundle] = frame

    def write(self) -> None:
        """One file a model and hour (labels: day), durable before it has its name."""
        for (model, day, hour), group in self._records.items():
            table = as_one([columns.table() for columns in group.values()])
            folder = layout.records_folder(self._home, model) / day / hour
            write_table(layout.piece_path(folder, self._segment, self._start), table)
        for (model, day), labels in self._labels.items():
            folder = layout.labels_folder(self._home, model) / day
            write_table(layout.piece_path(folder, self._segment, self._start), labels.table())


def _opened(newest: Path) -> bool:
    """Whether the newest segment holds running counts, so that the worker's books no longer rest on older ones."""
    return any(isinstance(frame, frames.Counts) for _, _, frame in scan(newest))


def _over(path: Path, progress: Progress) -> bool:
    """Whether a finished segment holds nothing more: what is left is the torn end of a write that nobody was answered.

    A frame that is damaged in the middle is no such end: the segment is set aside for a person, with all its bytes.
    """
    size = path.stat().st_size
    if progress.offset >= size:
        return True
    with path.open("rb") as file:
        file.seek(progress.offset)
        head = file.read(frames.HEADER.size)
    if len(head) < frames.HEADER.size:
        return True
    length = frames.HEADER.unpack(head)[0]
    if progress.offset + frames.HEADER.size + length > size and length <= frames.LARGEST:
        return True
    path.rename(path.with_suffix(spool.DAMAGED))
    return False


def _remove(folder: Path, path: Path, cursor: Cursor) -> None:
    """Note first that it is done, then remove: a kill between the two leaves a file that is known to be collected."""
    cursor.segments[path.name].done = True
    write_cursor(folder, cursor)
    path.unlink(missing_ok=True)
    sync_folder(folder)
