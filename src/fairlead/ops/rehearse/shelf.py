"""Answers of models kept on disk, by what they were learnt from and asked about: a rehearsal that was stopped goes on,
and the next one over the same rows fits nothing again.

Answers are kept, not models: numbers need no trust to be read.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import struct
from pathlib import Path

import msgspec
import numpy as np

MOST_BYTES = 256 * 2**20
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_numbers = itertools.count()


class Kept(msgspec.Struct, frozen=True):
    """values: float64 of any shape; cost: CPU seconds that they took."""

    values: np.ndarray
    cost: float


class Shelf:
    """A folder of arrays, a file each; written at once, read by any process. folder: None keeps nothing."""

    def __init__(self, folder: Path | None, most_bytes: int = MOST_BYTES) -> None:
        self.folder = folder
        self.most_bytes = most_bytes
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def get(self, name: str) -> Kept | None:
        """What was kept under that name (hexadecimal); None where nothing whole is."""
        if self.folder is None:
            return None
        path = self.folder / name[:1] / name
        try:
            data = path.read_bytes()
            cost = float(np.frombuffer(data[:8], dtype="<f8")[0])
            values = np.load(io.BytesIO(data[8:]), allow_pickle=False)
        except (OSError, ValueError, IndexError, EOFError):
            return None
        # What is used is not what has to go first.
        with contextlib.suppress(OSError):
            os.utime(path)
        return Kept(values, cost)

    def put(self, name: str, values: np.ndarray, cost: float) -> None:
        """Keep an array. A full disk costs the next rehearsal its time, not this one its end."""
        if self.folder is None:
            return
        held = io.BytesIO()
        held.write(struct.pack("<d", cost))
        np.save(held, np.ascontiguousarray(values), allow_pickle=False)
        place = f"{self.folder}/{name[:1]}"
        # Some hundred small files beside fits of a tenth of a second: written with as few calls as that takes.
        temporary = f"{place}/.new-{os.getpid()}-{next(_numbers)}"
        with contextlib.suppress(OSError):
            try:
                descriptor = os.open(temporary, NEW, 0o600)
            except FileNotFoundError:
                os.makedirs(place, exist_ok=True)
                descriptor = os.open(temporary, NEW, 0o600)
            try:
                try:
                    whole = os.write(descriptor, held.getbuffer()) == len(held.getbuffer())
                finally:
                    os.close(descriptor)
                if whole:
                    os.replace(temporary, f"{place}/{name}")
                else:
                    os.unlink(temporary)
            except OSError:
                Path(temporary).unlink(missing_ok=True)
                raise

    def prune(self) -> int:
        """Remove what was used longest ago until the rest fits; returns how many files went."""
        if self.folder is None:
            return 0
        known = []
        for path in self.folder.glob("*/*"):
            with contextlib.suppress(OSError):
                stat = path.stat()
                known.append((stat.st_mtime_ns, stat.st_size, path))
        over = sum(size for _, size, _ in known) - self.most_bytes
        gone = 0
        for _, size, path in sorted(known, key=lambda one: one[:2]):
            if over <= 0:
                break
            path.unlink(missing_ok=True)
            over -= size
            gone += 1
        return gone
