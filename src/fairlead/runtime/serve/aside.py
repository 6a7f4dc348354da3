"""Requests for models that must not be waited for: they leave their tick and are answered in the one their scores meet.

A model that runs in a process of its own has `submit` beside `score_rows` (see `runtime.native.Desk`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from functools import partial
from math import isfinite
from typing import Any

from fairlead.contract.errors import Unanswerable
from fairlead.runtime.serve.answering import Asked, Part, score
from fairlead.runtime.serve.clock import steady
from fairlead.runtime.serve.deployed import Serving
from fairlead.runtime.wire.status import status_of

_log = logging.getLogger("fairlead.serve")
Finish = Callable[[Serving, list[Asked]], None]


class _Waiting:
    """A request and how many of its parts have no scores yet."""

    __slots__ = ("asked", "left", "serving")

    def __init__(self, serving: Serving, asked: Asked, left: int) -> None:
        self.serving, self.asked, self.left = serving, asked, left


class Aside:
    """finish: renders, captures and replies. Loop's thread alone, but for what models call when they are done."""

    def __init__(self, finish: Finish) -> None:
        self._finish = finish
        self._ended: list[_Waiting] = []

    def take(self, serving: Serving, asked: list[Asked]) -> list[Asked]:
        """Those of `asked` that can be answered at once; the others' rows are with their models now.

        Where there is no loop nobody else is held up, so all are answered at once.
        """
        if not any(part.live.aside for one in asked for part in one.parts):
            return asked
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return asked
        rest = []
        for one in asked:
            parts = [part for part in one.parts if part.live.aside]
            if not parts:
                rest.append(one)
                continue
            one.request.later = True
            waiting = _Waiting(serving, one, len(parts))
            for part in parts:
                _submit(loop, serving, part, partial(self._settled, loop, waiting))
        return rest

    def shadows(self, serving: Serving, parts: Sequence[Part], record: Callable[[Serving, list[Part]], None]) -> None:
        """Have rows mirrored to such a model; `record` is called once its scores are there."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            for part in parts:
                score(part.live, [part])
            record(serving, list(parts))
            return
        for part in parts:
            _submit(loop, serving, part, partial(record, serving, [part]))

    def _settled(self, loop: asyncio.AbstractEventLoop, waiting: _Waiting) -> None:
        waiting.left -= 1
        if waiting.left:
            return
        for part in waiting.asked.parts:
            if not part.live.aside:
                score(part.live, [part])
        if not self._ended:
            # What else ends in this round of the loop is captured by the same write.
            loop.call_soon(self._flush)
        self._ended.append(waiting)

    def _flush(self) -> None:
        ended, self._ended = self._ended, []
        by_serving: dict[int, list[_Waiting]] = {}
        for waiting in ended:
            by_serving.setdefault(id(waiting.serving), []).append(waiting)
        for group in by_serving.values():
            self._finish(group[0].serving, [waiting.asked for waiting in group])


def _submit(loop: asyncio.AbstractEventLoop, serving: Serving, part: Part, then: Callable[[], None]) -> None:
    model: Any = part.live.model
    request, timeout_s = part.asked.request, serving.limits.timeout_s
    patience = timeout_s if request.patience is None else min(timeout_s, request.patience)
    left = patience - (steady() - request.arrived)

    def settle(said: Any) -> None:
        try:
            fill(part, said)
        except Exception as failed:
            part.scores, part.error = None, failed
        then()

    def done(said: Any) -> None:
        # On the model's thread; a loop that has ended has nobody left to answer.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, said)

    model.submit(part.rows, done, max(left, 0.0))


def fill(part: Part, said: Any) -> None:
    """Scores, shape (rows, outputs), or the reason that there are none, into a part."""
    if isinstance(said, Exception):
        part.error = said
        if status_of(said) == 500:
            _log.error("model of bundle %s failed: %s", part.live.variant.bundle[:12], said)
        return
    scores: list[list[float]] = said.tolist()
    bad = next((row for row, cells in enumerate(scores) if not all(map(isfinite, cells))), None)
    if bad is not None:
        part.error = Unanswerable(part.row(bad))
        return
    labels = part.live.model.decide(said) if part.live.classified else None
    part.labels = labels if labels is None or isinstance(labels, list) else labels.tolist()
    part.scores = scores
