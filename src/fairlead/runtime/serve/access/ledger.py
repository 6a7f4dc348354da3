"""What limited keys have used, in one file that all workers of a server map: it outlives them and restarts.

For every key: one time for its rate, shared by the workers, and per worker slot the rows of a day. How exact:

- The rate is that of the whole server. Workers read and write the shared time without a lock, so two of them may
  in the same microsecond both take the same turn: each further worker can let at most one more request through then.
- Rows of a day are counted by each worker in cells of its own, so none is lost; workers that check in the same
  microsecond may overstep the limit by one request each. A day is one of UTC.

Two servers on one home keep books apart.
"""

from __future__ import annotations

import fcntl
import math
import mmap
import os
import time
from collections.abc import Collection
from pathlib import Path

from fairlead.contract.errors import TooManyRequests

KEYS = 1000
SLOTS = 272  # 256 workers, and whoever else answers beside them
ID_BYTES = 32
_WIDTH = 1 + 2 * SLOTS  # the rate's time, then day and rows of each slot
_HEAD = 16
_CELLS = _HEAD + KEYS * ID_BYTES
_SIZE = _CELLS + (1 + KEYS * _WIDTH) * 8
_MAGIC = b"fairlead limit 1"
DAY_S = 86400


def _first(place: int) -> int:
    """The first cell of a key; cell 0 holds the number of slots."""
    return 1 + place * _WIDTH


class Limit:
    """The limits of one key in one worker. rate: requests a second; burst: requests at once; rows: a day; 0: none."""

    __slots__ = ("_at", "_cells", "_interval", "_own", "_rows", "_tau")

    def __init__(self, ledger: Ledger, place: int, rate: float, burst: int, rows: int) -> None:
        self._cells = ledger.cells
        self._at = _first(place)
        self._own = self._at + 1 + 2 * ledger.slot
        self._interval = 1.0 / rate if rate > 0 else 0.0
        self._tau = self._interval * (max(1, burst or math.ceil(rate)) - 1)
        self._rows = rows

    def take(self) -> None:
        """One request more. Raises TooManyRequests.

        Source: the generic cell rate algorithm (ITU-T I.371), which needs one number a key.
        """
        if not self._interval:
            return
        now = time.monotonic()
        due = self._cells[self._at]
        if due < now or due > now + self._tau + 2 * self._interval:
            # Long unused; or of before a restart of the machine, whose clock begins anew.
            due = now
        if due - now > self._tau:
            raise TooManyRequests(
                "this key asks more often than it may", retry_after_s=max(1, math.ceil(due - now - self._tau))
            )
        self._cells[self._at] = due + self._interval

    def charge(self, rows: int, now: float) -> None:
        """Rows more. now: seconds since the epoch. Raises TooManyRequests before any is answered."""
        if not self._rows:
            return
        cells, own, day = self._cells, self._own, now // DAY_S
        used, at = 0.0, self._at + 1
        for _ in range(int(cells[0])):
            if cells[at] == day:
                used += cells[at + 1]
            at += 2
        if used + rows > self._rows:
            raise TooManyRequests(
                f"this key may ask {self._rows:,} rows a day (UTC)",
                retry_after_s=max(1, math.ceil(DAY_S - now % DAY_S)),
            )
        if cells[own] != day:
            cells[own + 1] = 0.0
            cells[own] = day
        cells[own + 1] += rows


class Ledger:
    """The file. slot: of this worker; only it writes its cells."""

    def __init__(self, path: Path, slot: int) -> None:
        if not 0 <= slot < SLOTS:
            raise ValueError(f"slot {slot} is not one of {SLOTS}")
        self.slot = slot
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            if os.fstat(self._fd).st_size != _SIZE or os.pread(self._fd, len(_MAGIC), 0) != _MAGIC:
                os.ftruncate(self._fd, 0)
                os.ftruncate(self._fd, _SIZE)
                os.pwrite(self._fd, _MAGIC, 0)
            self._map = mmap.mmap(self._fd, _SIZE)
            self.cells = memoryview(self._map)[_CELLS:].cast("d")
            # Slots that were ever used: a restart with fewer workers forgets no rows of its day.
            self.cells[0] = max(self.cells[0], float(slot + 1))
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def places(self, ids: Collection[str]) -> dict[str, int]:
        """Where each key keeps its books. Those of keys that are gone make room for new ones.

        Raises ValueError for more than `KEYS` keys.
        """
        wanted = {id.encode()[:ID_BYTES].ljust(ID_BYTES, b"\0"): id for id in ids}
        if len(wanted) > KEYS:
            raise ValueError(f"more than {KEYS} keys with limits")
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            found: dict[str, int] = {}
            free: list[int] = []
            for place in range(KEYS):
                start = _HEAD + place * ID_BYTES
                id = wanted.pop(self._map[start : start + ID_BYTES], None)
                if id is None:
                    free.append(place)
                else:
                    found[id] = place
            # Never used ones first: books of a key that is gone are kept while there is room.
            free.sort(key=lambda place: self._map[_HEAD + place * ID_BYTES] != 0)
            for raw, id in wanted.items():
                place = found[id] = free.pop(0)
                start, first = _HEAD + place * ID_BYTES, _first(place)
                self.cells[first : first + _WIDTH] = memoryview(bytes(_WIDTH * 8)).cast("d")
                self._map[start : start + ID_BYTES] = raw
            return found
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file."""
        self.cells.release()
        self._map.close()
        os.close(self._fd)
