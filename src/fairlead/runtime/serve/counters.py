"""Counters of one worker slot in a shared file: exact over workers, and they outlive a worker that is killed.

The file is a header, a growing list of series names (JSON lines) and an array of doubles. Only the worker of
the slot writes; any worker reads them all.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Sequence
from pathlib import Path

import msgspec

CELLS = 4096
NAMES_BYTES = 256 * 1024
_HEAD = struct.Struct("<QQ")
_SIZE = _HEAD.size + NAMES_BYTES + CELLS * 8

BUCKETS: tuple[float, ...] = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075),
    *(0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
"""Seconds; those of OpenTelemetry's http.server.request.duration and four finer ones below them."""

Series = tuple[str, ...]
"""A name followed by its label values."""


class Counters:
    """`cells[index(series)] += 1` is all that the request path does.

    A file that is there already is continued, so a replaced worker counts on. Full: series share the last cell.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(fd).st_size != _SIZE:
                os.ftruncate(fd, 0)
                os.ftruncate(fd, _SIZE)
            self._map = mmap.mmap(fd, _SIZE)
        finally:
            os.close(fd)
        self.cells = memoryview(self._map)[_HEAD.size + NAMES_BYTES :].cast("d")
        self._index = {series: at for at, series in enumerate(_names(self._map))}

    def index(self, series: Series, width: int = 1) -> int:
        """Where a series counts; `width` cells in a row belong to it."""
        known = self._index.get(series)
        if known is not None:
            return known
        for part in range(width):
            line = msgspec.json.encode(series if part == 0 else ()) + b"\n"
            used, count = _HEAD.unpack_from(self._map)
            if used + len(line) > NAMES_BYTES or count + (width - part) >= CELLS:
                return CELLS - width - 1
            at = _HEAD.size + used
            self._map[at : at + len(line)] = line
            # The length is written after the line: a reader never sees half a name.
            _HEAD.pack_into(self._map, 0, used + len(line), count + 1)
            if part == 0:
                self._index[series] = count
        return self._index[series]

    def close(self) -> None:
        """Let go of the file."""
        self.cells.release()
        self._map.close()


def _names(buffer: mmap.mmap | bytes) -> list[Series]:
    used, count = _HEAD.unpack_from(buffer)
    lines = bytes(buffer[_HEAD.size : _HEAD.size + min(used, NAMES_BYTES)]).splitlines()
    return [tuple(msgspec.json.decode(line, type=list[str])) for line in lines[:count]]


def read_counters(paths: Sequence[Path]) -> dict[Series, list[float]]:
    """Sums over slots: series -> its cells."""
    total: dict[Series, list[float]] = {}
    for path in paths:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue
        if len(data) != _SIZE:
            continue
        cells = struct.unpack_from(f"<{CELLS}d", data, _HEAD.size + NAMES_BYTES)
        current: list[float] = []
        for at, series in enumerate(_names(data)):
            if series:
                current = total.setdefault(series, [])
                offset = 0
            else:
                offset += 1
            while len(current) <= offset:
                current.append(0.0)
            current[offset] += cells[at]
    return total
