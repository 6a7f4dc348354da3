"""What files held, kept between reads: a watcher asks for the same files again at every pass.

One store a process, as readers are made and dropped for each question. It is bounded by bytes, what was used
longest ago goes first, and a file that changed is read again; so a reader without it gives the same answers, later.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

MOST_BYTES = 192 << 20
"""Of a million labels by key and time, and the keys and times of a million records, about 150 MiB."""
_ENTRY_BYTES = 400
"""What an entry takes beside what it holds."""


class _Entry(NamedTuple):
    stamp: tuple[int, int, int]
    value: Any
    size: int


class Remembered:
    """Values by (path, what of it), each valid for one state of the file. Threads may share it."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.bytes = 0
        self._entries: OrderedDict[tuple[Path, Hashable], _Entry] = OrderedDict()
        self._lock = Lock()

    def get(self, path: Path, what: Hashable, read: Callable[[Path], Any]) -> Any:
        """`read(path)`, or what it gave before. Raises FileNotFoundError.

        read: of what it gives, `nbytes` counts where there is such an attribute.
        """
        key = (path, what)
        try:
            seen = os.stat(path)
            stamp = (seen.st_ino, seen.st_size, seen.st_mtime_ns)
            with self._lock:
                kept = self._entries.get(key)
                if kept is not None and kept.stamp == stamp:
                    self._entries.move_to_end(key)
                    return kept.value
            value = read(path)
        except FileNotFoundError:
            self._put(key, None)
            raise
        self._put(key, _Entry(stamp, value, _ENTRY_BYTES + getattr(value, "nbytes", 0)))
        return value

    def _put(self, key: tuple[Path, Hashable], entry: _Entry | None) -> None:
        with self._lock:
            before = self._entries.pop(key, None)
            if before is not None:
                self.bytes -= before.size
            if entry is None:
                return
            self._entries[key] = entry
            self.bytes += entry.size
            while self.bytes > self.most_bytes:
                _, gone = self._entries.popitem(last=False)
                self.bytes -= gone.size


files = Remembered(MOST_BYTES)
"""The store of this process."""

MOST_WHOLE = 64 << 20


class _Pass(threading.local):
    """What a thread keeps for a while."""

    tables: Remembered | None = None
    found: dict[Hashable, Any] | None = None


_pass = _Pass()


@contextmanager
def tables_kept() -> Iterator[None]:
    """Until the end of this, this thread sees the files that there were when it first asked, and keeps the tables that
    it reads of them, at most `MOST_WHOLE` bytes.

    For a pass of the watcher, whose windows often lie in one file and are looked at more than once, among thousands of
    files that are of no interest. Afterwards all is let go: a watcher that waits holds no rows.
    """
    if _pass.tables is not None:
        yield
        return
    _pass.tables, _pass.found = Remembered(MOST_WHOLE), {}
    try:
        yield
    finally:
        _pass.tables = _pass.found = None


def table_of(path: Path, what: Hashable, read: Callable[[Path], Any]) -> Any:
    """`read(path)`, or what it gave before within `tables_kept`. Raises FileNotFoundError."""
    return read(path) if _pass.tables is None else _pass.tables.get(path, what, read)


def once(what: Hashable, find: Callable[[], Any]) -> Any:
    """`find()`, or what it gave before within `tables_kept`."""
    if _pass.found is None:
        return find()
    if what not in _pass.found:
        _pass.found[what] = find()
    return _pass.found[what]
