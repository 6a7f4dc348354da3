"""How long the oldest row that was answered has been waiting for the collector."""

from __future__ import annotations

from pathlib import Path

from fairlead.runtime.capture import spool
from fairlead.runtime.capture.collector import worker_folders
from fairlead.runtime.capture.cursor import Progress, read_cursor
from fairlead.runtime.capture.locking import scan
from fairlead.runtime.wire import frames


def oldest_awaited(home: Path) -> float | None:
    """Seconds since the epoch at which the first row or label that is not collected yet came; None: nothing waits."""
    found = []
    for folder in worker_folders(home):
        known = read_cursor(folder).segments
        for path in spool.segments(folder):
            progress = known.get(path.name, Progress())
            if progress.done:
                continue
            told = (item.frame for item in scan(path, progress.offset))
            first = next((f.time for f in told if isinstance(f, (frames.Prediction, frames.Tick, frames.Label))), None)
            if first is not None:
                found.append(first)
                break
    return min(found, default=None)
