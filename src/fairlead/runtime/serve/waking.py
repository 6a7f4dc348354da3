"""Requests for models that sleep: parked while a thread loads the model, answered as soon as it is there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from fairlead.contract.errors import Busy, FairleadError, ModelUnavailable
from fairlead.contract.ports import Request
from fairlead.runtime.serve.deployed import Serving
from fairlead.runtime.serve.fleet import Fleet

_log = logging.getLogger("fairlead.serve")


class Waker:
    """swap: takes the new serving; answer: the application's; refuse: replies with an error. Loop's thread alone."""

    def __init__(
        self,
        fleet: Fleet,
        swap: Callable[[Serving], None],
        answer: Callable[[list[Request]], None],
        refuse: Callable[[Request, Exception], None],
    ) -> None:
        self._fleet, self._swap, self._answer, self._refuse = fleet, swap, answer, refuse
        self._parked: dict[str, list[Request]] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="fairlead-waking")

    def park(self, model: str, request: Request, most: int) -> None:
        """Answer `request` once its model is loaded. most: requests that may be parked. Raises Busy beyond."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._now(model, request)
            return
        if sum(map(len, self._parked.values())) >= most:
            raise Busy()
        request.later = True
        waiting = self._parked.get(model)
        if waiting is not None:
            waiting.append(request)
            return
        self._parked[model] = [request]
        self._pool.submit(self._load, model, loop)

    def close(self) -> None:
        """What is parked stays unanswered; nothing is loaded any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _now(self, model: str, request: Request) -> None:
        """Where there is no loop, nobody else is held up."""
        try:
            self._swap(self._fleet.wake(model))
        except FairleadError as error:
            self._refuse(request, error)
            return
        self._answer([request])

    def _load(self, model: str, loop: asyncio.AbstractEventLoop) -> None:
        serving: Serving | None = None
        error: FairleadError | None = None
        try:
            serving = self._fleet.wake(model)
        except FairleadError as refused:
            error = refused
        except Exception as fault:
            _log.exception("model %s could not be loaded", model)
            error = ModelUnavailable(model, f"{type(fault).__name__} while loading")
        try:
            loop.call_soon_threadsafe(self._done, model, serving, error)
        except RuntimeError:
            return  # the worker has ended

    def _done(self, model: str, serving: Serving | None, error: FairleadError | None) -> None:
        requests = self._parked.pop(model, [])
        if serving is not None:
            self._swap(serving)
            for request in requests:
                request.later = False
            self._answer(requests)
            return
        for request in requests:
            self._refuse(request, error or Busy())
