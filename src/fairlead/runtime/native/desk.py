"""Where rows for a native model wait while the loop goes on: one thread takes them, together, and says when done."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import Busy, DeadlineExceeded, NativeFailed

Floats = npt.NDArray[np.float64]
Done = Callable[[Floats | Exception], None]
WAITING, MOST_ROWS = 1024, 4096
"""Most submissions that wait, and most rows that are scored together."""


class Desk:
    """score: rows, deadline in seconds -> scores. deadline_s: of a submission that states none."""

    def __init__(self, score: Callable[[Sequence[Any], float], Floats], deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._queue = _Queue()
        thread = threading.Thread(target=_work, args=(self._queue, score), name="fairlead-native", daemon=True)
        thread.start()
        self.close = weakref.finalize(self, self._queue.close)

    def submit(self, rows: Sequence[Any], done: Done, deadline_s: float | None = None) -> None:
        """Have rows scored; returns at once.

        done: called once, on the desk's thread, with scores, shape (len(rows), outputs), or with why there are none:
        Busy (too many wait, or the process is started again), DeadlineExceeded, NativeFailed. It must be quick and
        raise nothing; `lambda answer: loop.call_soon_threadsafe(take, answer)` is what a loop needs.
        Rows of several submissions are scored together; where that raises, each is tried by itself, and where it
        ends the process, all of them fail, and none is tried again.
        """
        by = monotonic() + (self._deadline_s if deadline_s is None else deadline_s)
        if not self._queue.put(_Waiting(rows, done, by)):
            done(Busy())


class _Waiting:
    __slots__ = ("by", "done", "rows")

    def __init__(self, rows: Sequence[Any], done: Done, by: float) -> None:
        self.rows, self.done, self.by = rows, done, by


class _Queue:
    """Bounded; `take` gives what waits, up to MOST_ROWS rows, and None once closed."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, one: _Waiting) -> bool:
        with self._changed:
            if self._closed or len(self._waiting) >= WAITING:
                return False
            self._waiting.append(one)
            self._changed.notify()
            return True

    def take(self) -> list[_Waiting] | None:
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return None
                self._changed.wait()
            taken: list[_Waiting] = []
            rows = 0
            while self._waiting and (not taken or rows + len(self._waiting[0].rows) <= MOST_ROWS):
                one = self._waiting.popleft()
                rows += len(one.rows)
                taken.append(one)
            return taken

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def _work(queue: _Queue, score: Callable[[Sequence[Any], float], Floats]) -> None:
    while (taken := queue.take()) is not None:
        now = monotonic()
        in_time = [one for one in taken if one.by > now]
        for one in taken:
            if one.by <= now:
                one.done(DeadlineExceeded("the request waited for the native model until its deadline"))
        if in_time:
            _answer(in_time, score)


def _answer(taken: Sequence[_Waiting], score: Callable[[Sequence[Any], float], Floats]) -> None:
    # The last deadline: an earlier one gets its answer late rather than cost the others theirs.
    left = max(one.by for one in taken) - monotonic()
    try:
        scores = score([row for one in taken for row in one.rows], max(left, 0.01))
    except Exception as failed:
        if len(taken) > 1 and isinstance(failed, NativeFailed) and failed.raised:
            for one in taken:
                _answer([one], score)
            return
        for one in taken:
            one.done(failed)
        return
    at = 0
    for one in taken:
        one.done(scores[at : at + len(one.rows)])
        at += len(one.rows)
