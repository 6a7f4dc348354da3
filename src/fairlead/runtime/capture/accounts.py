"""The books: rows answered = captured + sampled out + dropped, for every worker that ever wrote, after crashes too."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from fairlead.runtime.capture import spool
from fairlead.runtime.capture.collector import worker_folders
from fairlead.runtime.capture.cursor import read_cursor
from fairlead.runtime.capture.forgotten import entries
from fairlead.runtime.capture.locking import scan
from fairlead.runtime.capture.uncaptured import settle
from fairlead.runtime.wire import frames


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
    workers = tuple(_account(folder, forgotten) for folder in worker_folders(Path(home)))
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


def _account(folder: Path, forgotten: Counter[str]) -> WorkerAccount:
    # The collector may move rows from waiting to collected meanwhile: read again until it did not.
    for _ in range(20):
        cursor = read_cursor(folder)
        counts, waiting = _in_spool(folder, {name: p.offset for name, p in cursor.segments.items()})
        if read_cursor(folder) == cursor:
            break
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


def _in_spool(folder: Path, collected: dict[str, int]) -> tuple[frames.Counts, int]:
    """The running counts at the end of the newest segment that has any, and rows not collected yet.

    Each segment is read to one end: what is counted and what waits belong to the same moment.
    """
    counts: frames.Counts | None = None
    waiting = 0
    for path in spool.segments(folder):
        start = collected.get(path.name, 0)
        found: frames.Counts | None = None
        try:
            for offset, _, frame in scan(path):
                if isinstance(frame, frames.Counts):
                    found = frame
                    continue
                if found is not None:
                    spool.add(found, frame)
                if (
                    offset >= start
                    and isinstance(frame, (frames.Prediction, frames.Tick))
                    and not isinstance(frame, frames.Shadow)
                ):
                    waiting += len(frame.rows)
        except FileNotFoundError:
            continue
        counts = found or counts
    return settle(counts or frames.Counts(0.0, 0, 0, 0, {}, 0, 0, 0), folder), waiting
