"""Counters of one worker slot in a shared file: exact over workers, and they outlive a worker that is killed.

The file is a header, a growing list of series (JSON lines) and an array of doubles. Only the worker of the slot
writes; any worker reads them all. A server that starts anew begins with new files: its counters begin at 0.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import msgspec

from fairlead.contract.beats import LATENCIES

CELLS = 32_768
NAMES_BYTES = 1 << 20
SPARE = 64
"""Cells at the end that series without a place of their own share; none is named, none is ever shown."""
_HEAD = struct.Struct("<QQQ")
_SIZE = _HEAD.size + NAMES_BYTES + CELLS * 8

BUCKETS = LATENCIES
"""Seconds; those of OpenTelemetry's http.server.request.duration and four finer ones below them."""

Series = tuple[str, ...]
"""A name followed by its label values."""


class Counters:
    """`cells[index(series)] += 1` is all that the request path does.

    A file that is there already is continued, so a replaced worker counts on. A series that finds no room shares
    cells that nobody shows, and `refused` says how often that happened.
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
        used, _, _ = _HEAD.unpack_from(self._map)
        self._index = {series: at for series, at, _ in _places(self._map[_HEAD.size : _HEAD.size + used])}
        self._growing = threading.Lock()

    def index(self, series: Series, width: int = 1) -> int:
        """Where a series counts; `width` cells in a row belong to it, at most `SPARE`."""
        known = self._index.get(series)
        if known is not None:
            return known
        with self._growing:
            if series in self._index:
                return self._index[series]
            line = msgspec.json.encode((width, *series)) + b"\n"
            used, count, refused = (int(number) for number in _HEAD.unpack_from(self._map))
            if used + len(line) > NAMES_BYTES or count + width > CELLS - SPARE:
                _HEAD.pack_into(self._map, 0, used, count, refused + 1)
                return CELLS - SPARE
            at = _HEAD.size + used
            self._map[at : at + len(line)] = line
            # The length is written after the line: a reader never sees half a name.
            _HEAD.pack_into(self._map, 0, used + len(line), count + width, refused)
            self._index[series] = count
            return count

    def snapshot(self) -> dict[Series, list[float]]:
        """Every series with its cells as they are now; cells of one may be a moment apart."""
        used = int(_HEAD.unpack_from(self._map)[0])
        places = _known_places(bytes(self._map[_HEAD.size : _HEAD.size + used]))
        return {series: [float(cell) for cell in self.cells[at : at + width]] for series, at, width in places}

    def observe(self, series: Series, value: float, buckets: Sequence[float] = BUCKETS) -> None:
        """One more value of a histogram: a cell a bucket, one for what is above them, one for the sum."""
        at = self.index(series, len(buckets) + 2)
        self.cells[at + bisect_left(buckets, value)] += 1
        self.cells[at + len(buckets) + 1] += value

    def close(self) -> None:
        """Let go of the file."""
        self.cells.release()
        self._map.close()


def slot_files(run: Path, kind: str, instance: str, suffix: str) -> list[Path]:
    """`kind`-`instance`-SLOT`suffix` of every slot: of this instance alone, not of one whose name begins like it."""
    found = Path(run).glob(f"{kind}-{instance}-*{suffix}")
    return sorted(path for path in found if path.stem.rpartition("-")[0] == f"{kind}-{instance}")


def _places(names: bytes) -> list[tuple[Series, int, int]]:
    """Every series with its first cell and its width."""
    found, at = [], 0
    for line in names.splitlines():
        width, *series = msgspec.json.decode(line)
        found.append((tuple(series), at, width))
        at += width
    return found


@lru_cache(maxsize=64)
def _known_places(names: bytes) -> list[tuple[Series, int, int]]:
    """Of a file that is read again and again; its names seldom change."""
    return _places(names)


def read_slot(path: Path) -> dict[Series, list[float]]:
    """One slot: series -> its cells; empty when the file is not there. ("refused",) when series found no room."""
    try:
        with Path(path).open("rb") as file:
            if os.fstat(file.fileno()).st_size != _SIZE:
                return {}
            # Of a file that is mostly room, what is used.
            used, count, refused = _HEAD.unpack(os.pread(file.fileno(), _HEAD.size, 0))
            names = os.pread(file.fileno(), min(used, NAMES_BYTES), _HEAD.size)
            cells = struct.unpack(
                f"<{min(count, CELLS)}d", os.pread(file.fileno(), min(count, CELLS) * 8, _HEAD.size + NAMES_BYTES)
            )
    except FileNotFoundError:
        return {}
    found = {series: list(cells[at : at + width]) for series, at, width in _known_places(names)}
    return found | ({("refused",): [float(refused)]} if refused else {})


def read_counters(paths: Sequence[Path]) -> dict[Series, list[float]]:
    """Sums over slots: series -> its cells."""
    return summed([read_slot(path) for path in paths])


def summed(slots: Sequence[dict[Series, list[float]]]) -> dict[Series, list[float]]:
    """Cell by cell."""
    total: dict[Series, list[float]] = {}
    for slot in slots:
        for series, cells in slot.items():
            known = total.get(series)
            total[series] = cells if known is None else [a + b for a, b in zip(known, cells, strict=True)]
    return total
