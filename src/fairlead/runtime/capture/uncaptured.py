"""Rows that were answered and not captured, in a small file of a worker: it holds what no frame can say.

What is sampled out leaves no frame, and what is dropped leaves none because there is no room for one. The file is
made at its full size and overwritten in place, so it can be kept when the disk is full; each write is one system
call before the replies, so what it says survives a kill.
"""

from __future__ import annotations

import contextlib
import os
import struct
from pathlib import Path

from fairlead.runtime.wire.frames import Counts

FILE = "uncaptured.bin"
SPOOL_FULL, DISK_FULL, DISK_ERROR, TOO_LARGE = REASONS = ("spool_full", "disk_full", "disk_error", "too_large")
_MAGIC = b"FLUNCAP\x01"
_BODY = struct.Struct(f"<8s{1 + len(REASONS)}q")
_FIRST = struct.calcsize("<8s4q")
"""Bytes of a file that knows the first three reasons alone: more are added at the end."""


class Uncaptured:
    """The file of one worker, held open. Where it cannot be made, counts go on in memory and it is tried again."""

    def __init__(self, folder: Path, counts: Counts) -> None:
        self._path = folder / FILE
        self._fd = -1
        self.save(counts)

    def save(self, counts: Counts) -> bool:
        """Overwrite with what is in `counts`; False when the disk would not have it."""
        dropped = counts.dropped.get
        body = _BODY.pack(_MAGIC, counts.sampled_out, *(dropped(reason, 0) for reason in REASONS))
        try:
            if self._fd < 0:
                self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            return os.pwrite(self._fd, body, 0) == len(body)
        except OSError:
            return False

    def sync(self) -> None:
        """To the disk. May be called from another thread."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.fdatasync(self._fd)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def settle(counts: Counts, folder: Path) -> Counts:
    """Add to the running counts of a worker's segments what its file knows beyond them.

    Either may be ahead: the file after a kill, the segments where the file could not be written. All numbers only
    grow, so the larger one holds.
    """
    try:
        said = (folder / FILE).read_bytes()
        if len(said) == _FIRST:
            said = said.ljust(_BODY.size, b"\0")
        magic, sampled_out, *dropped = _BODY.unpack(said)
    except (OSError, struct.error):
        return counts
    if magic != _MAGIC:
        return counts
    more = max(0, sampled_out - counts.sampled_out)
    counts.sampled_out += more
    counts.answered += more
    for reason, rows in zip(REASONS, dropped, strict=True):
        more = max(0, rows - counts.dropped.get(reason, 0))
        if more:
            counts.dropped[reason] = counts.dropped.get(reason, 0) + more
            counts.answered += more
    return counts
