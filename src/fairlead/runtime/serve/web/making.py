"""What takes long to write is written a piece a turn of the loop, so that nobody's prediction waits for all of it.

A thread would not do: it has the interpreter for 5 ms whenever the loop wants it, and makes all that meanwhile slow.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator, Hashable
from time import perf_counter
from typing import Any, TypeVar

PIECE_S = 0.001
_log = logging.getLogger("fairlead.serve")
Result = TypeVar("Result")
Steps = Generator[None, None, Result]
"""Work that comes to a pause about every millisecond."""


def at_once(steps: Steps[Result]) -> Result:
    """All of it, without a pause."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: Result = done.value
            return result


class Making:
    """One work after the other, a piece a turn."""

    def __init__(self) -> None:
        self._works: dict[Hashable, tuple[Steps[Any], list[Callable[[], None]]]] = {}

    def add(self, key: Hashable, steps: Callable[[], Steps[Any]], then: Callable[[], None]) -> bool:
        """Have work done and call `then` once it is, or has failed. key: of one work that many may wait for.

        False where there is no loop to wait on: then nobody else is held up, and it is best done at once.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        work = self._works.get(key)
        if work is not None:
            work[1].append(then)
            return True
        self._works[key] = (steps(), [then])
        if len(self._works) == 1:
            loop.call_soon(self._turn, loop)
        return True

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        key, (steps, waiting) = next(iter(self._works.items()))
        until = perf_counter() + PIECE_S
        try:
            while perf_counter() < until:
                next(steps)
        except Exception:
            # Done, or failed: whoever waits tries it by itself, and meets the failure if there is one.
            del self._works[key]
            for then in waiting:
                try:
                    then()
                except Exception:
                    _log.exception("somebody could not be told of a document")
        if self._works:
            loop.call_soon(self._turn, loop)
