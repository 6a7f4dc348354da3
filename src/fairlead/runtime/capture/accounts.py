"""The books: rows answered = captured + sampled out + dropped, for every worker that ever wrote, after crashes too."""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path

import msgspec

from fairlead.contract.errors import Busy
from fairlead.runtime.capture import spool
from fairlead.runtime.capture.collector import alone, worker_folders
from fairlead.runtime.capture.cursor import Cursor, read_cursor
from fairlead.runtime.capture.forgotten import entries
from fairlead.runtime.capture.locking import scan
from fairlead.runtime.capture.uncaptured import settle
from fairlead.runtime.wire import frames

_TRIES, _HOLD_S = 30, 10.0


class WorkerAccount(msgspec.Struct, frozen=True):
    """One worker's books, in rows. collected: brought into Parquet; waiting: whole in the spool, to be collected.

    damaged: segments. forgotten: of the collected, those erased since by requests to forget that are done.
    """

    instance: str
    worker: str
    answered: int
    captured: int
    sampled_out: int
    dropped: dict[str, int]
    shadows: int
    labels: int
    errors: int
    collected: int
    waiting: int
    damaged: int = 0
    forgotten: int = 0

    @property
    def ok(self) -> bool:
        """Whether both sums hold and no segment is damaged."""
        accounted = self.captured + self.sampled_out + sum(self.dropped.values())
        stored = self.collected + self.waiting
        erased = self.forgotten <= self.collected + self.shadows
        return self.answered == accounted and self.captured == stored and erased and not self.damaged


class Reconciliation(msgspec.Struct, frozen=True):
    """Sums over all workers, and the books of each."""

    ok: bool
    answered: int
    captured: int
    sampled_out: int
    dropped: int
    collected: int
    waiting: int
    labels: int
    workers: tuple[WorkerAccount, ...]
    forgotten: int = 0


def reconcile(home: Path) -> Reconciliation:
    """Read the books of a home; changes nothing, may run beside servers and the collector."""
    forgotten: Counter[str] = Counter()
    for entry in entries(Path(home)):
        forgotten.update(entry.workers)
    workers = tuple(_account(Path(home), folder, forgotten) for folder in worker_folders(Path(home)))
    return Reconciliation(
        ok=all(worker.ok for worker in workers),
        answered=sum(worker.answered for worker in workers),
        captured=sum(worker.captured for worker in workers),
        sampled_out=sum(worker.sampled_out for worker in workers),
        dropped=sum(sum(worker.dropped.values()) for worker in workers),
        collected=sum(worker.collected for worker in workers),
        waiting=sum(worker.waiting for worker in workers),
        labels=sum(worker.labels for worker in workers),
        workers=workers,
        forgotten=sum(worker.forgotten for worker in workers),
    )


def _account(home: Path, folder: Path, forgotten: Counter[str]) -> WorkerAccount:
    read: dict[str, _Segment] = {}
    # The collector may move rows from waiting to collected meanwhile: look again until it did not.
    for _ in range(_TRIES):
        cursor = read_cursor(folder)
        found = _in_spool(folder, cursor, read)
        if found is not None and read_cursor(folder) == cursor:
            counts, waiting = found
            break
    else:
        # It is quicker than this reader, so it has to wait a moment; who may not make it wait goes by what was read.
        with contextlib.suppress(Busy, OSError), alone(home, _HOLD_S):
            cursor = read_cursor(folder)
            found = _in_spool(folder, cursor, read)
        counts, waiting = found or (frames.Counts(0.0, 0, 0, 0, {}, 0, 0, 0), 0)
    return WorkerAccount(
        instance=folder.parent.name,
        worker=folder.name,
        answered=counts.answered,
        captured=counts.captured,
        sampled_out=counts.sampled_out,
        dropped=counts.dropped,
        shadows=counts.shadows,
        labels=counts.labels,
        errors=counts.errors,
        collected=cursor.rows,
        waiting=waiting,
        damaged=len(list(folder.glob(f"*{spool.DAMAGED}"))),
        forgotten=forgotten[f"{folder.parent.name}/{folder.name}"],
    )


class _Segment:
    """What is whole in a segment so far: running counts at its end, and (offset, rows) of what was captured."""

    def __init__(self) -> None:
        self.counts: frames.Counts | None = None
        self.rows: list[tuple[int, int]] = []
        self.finished = False
        self._at = 0

    def advance(self, path: Path) -> None:
        """Read on to the end. Raises FileNotFoundError."""
        for offset, end, frame in scan(path, self._at):
            if end >= 0:
                self._at = end
            if isinstance(frame, frames.Counts):
                self.counts = frame
                continue
            if self.counts is not None:
                spool.add(self.counts, frame)
            if isinstance(frame, (frames.Prediction, frames.Tick)) and not isinstance(frame, frames.Shadow):
                self.rows.append((offset, len(frame.rows)))


def _in_spool(folder: Path, cursor: Cursor, read: dict[str, _Segment]) -> tuple[frames.Counts, int] | None:
    """The running counts at the end of the newest segment that has any, and rows that the cursor has not collected.

    Each segment is read to one end: what is counted and what waits belong to the same moment. read: what earlier
    looks have read, so that another one is quick. None when a segment went away meanwhile.
    """
    counts: frames.Counts | None = None
    waiting = 0
    listed = spool.segments(folder)
    for path in listed:
        segment = read.setdefault(path.name, _Segment())
        if not segment.finished:
            # One that is older than another is not written to again.
            finished = path is not listed[-1]
            try:
                segment.advance(path)
            except FileNotFoundError:
                return None
            segment.finished = finished
        progress = cursor.segments.get(path.name)
        start = 0 if progress is None else progress.offset
        waiting += sum(rows for offset, rows in segment.rows if offset >= start)
        counts = segment.counts or counts
    if counts is None:
        counts = frames.Counts(0.0, 0, 0, 0, {}, 0, 0, 0)
    else:
        counts = msgspec.structs.replace(counts, dropped=dict(counts.dropped))
    return settle(counts, folder), waiting
