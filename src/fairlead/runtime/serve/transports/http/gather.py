"""What the connections of one worker share: the tick that is gathered, the bounds, the one timer."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from fairlead.contract.errors import Busy, DeadlineExceeded
from fairlead.contract.ports import Application
from fairlead.contract.settings import ServeSettings
from fairlead.runtime.serve.clock import steady
from fairlead.runtime.serve.stored import Stored
from fairlead.runtime.serve.transports.http.answers import JSON, said
from fairlead.runtime.serve.transports.http.heads import Heads, Malformed
from fairlead.runtime.wire.status import FAULT

if TYPE_CHECKING:
    from fairlead.runtime.serve.transports.http.connection import Connection
    from fairlead.runtime.serve.transports.http.exchange import Exchange

SWEEP_S = 0.25
LATE_S = 6.0
"""Beyond the deadline: the application, which has deadlines of its own, comes first."""
LOADED = 4
"""Requests a tick from which fewer and larger ticks pay: with two workers and their client on two cores ticks grow
from 12 to 19 requests, and a request costs 5 % less."""
HELD_BODIES = 16
FILES = 128
"""Large bodies and answers that are stored at once, so that the worker has files left for what else it does."""
_log = logging.getLogger("fairlead.serve")


class Gather:
    """Hands all requests of a loop tick to the application together: no timer, no waiting.

    waiting: requests of this tick; late: handed over and not answered yet. now: monotonic seconds, renewed by the
    sweep and each tick, exact enough for deadlines. held: bytes of bodies that are still arriving, and of stored bodies
    and answers. answer_large: the application's entry for stored bodies, where it has one; else none are stored.
    """

    __slots__ = (
        "_admits",
        "_drained",
        "_lately",
        "_loop",
        "_sweeping",
        "answer_large",
        "application",
        "closing",
        "connections",
        "counted",
        "every_sweep",
        "files",
        "head_bytes",
        "heads",
        "held",
        "known",
        "late",
        "limits",
        "max_held",
        "now",
        "room",
        "server",
        "turned_away",
        "waiting",
    )

    def __init__(self, application: Application, loop: asyncio.AbstractEventLoop, server: ServeSettings) -> None:
        self.application, self._loop, self.server = application, loop, server
        self.heads = Heads()
        self.known = self.heads.known
        self.connections: set[Connection] = set()
        self.waiting: list[Exchange] = []
        self.late: set[Exchange] = set()
        self.head_bytes = server.max_header_kb * 1024
        self.held = self.files = self._lately = 0
        self.closing = 0.0
        self.every_sweep: Callable[[], None] = lambda: None
        self.counted: Callable[[], None] = lambda: None
        self.turned_away: Callable[[int], None] = getattr(application, "turned_away", lambda code: None)
        self.answer_large: Callable[[Exchange, Stored], None] | None = getattr(application, "answer_large", None)
        self._admits: Callable[[Exchange], bool] = getattr(application, "admits", lambda exchange: True)
        self._drained: asyncio.Event = asyncio.Event()
        self.renew()
        self._sweeping = loop.call_later(SWEEP_S, self._sweep)

    def renew(self) -> None:
        """Take the bounds that are in force now."""
        self.now = time.monotonic()
        self.limits = self.application.limits()
        self.max_held = HELD_BODIES * self.limits.max_body_bytes
        # What is with the application already takes the place of what may wait.
        self.room = max(self.limits.max_queue - len(self.late), 0)

    def take(self, exchange: Exchange) -> None:
        """A request that is whole: into this tick, or turned away before any work is begun."""
        waiting = self.waiting
        if len(waiting) >= self.room:
            busy = Busy()
            self.turned_away(503)
            exchange.reply(503, [JSON, ("retry-after", str(busy.retry_after_s))], said(str(busy)))
            return
        if not waiting:
            self._loop.call_soon(self._gathered)
        waiting.append(exchange)

    def _gathered(self) -> None:
        """Under load, first let go whoever waits for this core, and answer with this tick what they sent meanwhile.

        Nothing is waited for: where nobody waits for the core, this costs one more look at the connections.
        """
        if self._lately >= LOADED or len(self.waiting) >= LOADED:
            os.sched_yield()
            self._loop.call_soon(self.flush)
        else:
            self.flush()

    def flush(self) -> None:
        """All that arrived in this tick, together."""
        waiting = self.waiting
        self.waiting = []
        self._lately = len(waiting)
        try:
            self.application.answer(waiting)
        except Exception:
            _log.exception("a tick of %d requests failed", len(waiting))
            for exchange in waiting:
                exchange.later = False
        for exchange in [one for one in waiting if not one.done]:
            self._see_to(exchange)
        self.renew()

    def _see_to(self, exchange: Exchange) -> None:
        """It is answered, or will be."""
        if exchange.done:
            return
        if exchange.later:
            self.late.add(exchange)
        else:
            self.turned_away(500)
            exchange.reply(500, [JSON], said(FAULT))

    def take_large(self, exchange: Exchange, body: Stored) -> None:
        """A request that is whole and whose body is stored: passed on by itself, or turned away as any other."""
        if len(self.waiting) >= self.room or self.answer_large is None:
            body.close()
            busy = Busy()
            self.turned_away(503)
            exchange.reply(503, [JSON, ("retry-after", str(busy.retry_after_s))], said(str(busy)))
            return
        try:
            self.answer_large(exchange, body)
        except Exception:
            _log.exception("a large request failed")
            exchange.later = False
        self._see_to(exchange)

    def admits(self, exchange: Exchange) -> bool:
        """Whether a large body that begins to come is taken in; if not, its request is answered."""
        try:
            return self._admits(exchange)
        except Exception:
            _log.exception("a large request failed")
            exchange.reply(500, [JSON], said(FAULT))
            return False

    def store(self) -> Stored:
        """A file for a large body. Raises Malformed where there is none to be had."""
        try:
            if self.files >= FILES:
                raise OSError(errno.EMFILE, "too many large bodies at once")
            stored = Stored.empty()
        except OSError as failed:
            _log.error("a large body is turned away: %s", failed.strerror)
            raise Malformed(503, str(Busy())) from None
        self.keep(stored)
        return stored

    def put(self, stored: Stored, data: bytearray) -> None:
        """Another piece of a large body. Raises Malformed where there is no room."""
        try:
            if self.held + len(data) > self.max_held:
                raise OSError(errno.ENOMEM, "too much of large bodies at once")
            before = stored.size
            stored.append(data)
        except OSError as failed:
            _log.error("a large body is turned away: %s", failed.strerror)
            raise Malformed(503, str(Busy())) from None
        self.held += stored.size - before

    def keep(self, stored: Stored) -> bool:
        """Count what is stored until it is closed; False where there is no room for it."""
        if self.files >= FILES or self.held + stored.size > self.max_held:
            return False
        self.files += 1
        self.held += stored.size
        stored.closed = self._let_go
        return True

    def _let_go(self, size: int) -> None:
        self.files -= 1
        self.held -= size

    def answered(self, exchange: Exchange) -> None:
        """A late one is no longer waited for."""
        self.late.discard(exchange)
        self.room = max(self.limits.max_queue - len(self.late), 0)

    def soon(self, act: Callable[[], None]) -> None:
        """After this tick."""
        self._loop.call_soon(act)

    async def drain(self, within_s: float) -> None:
        """Answer what was asked and say `connection: close` with it, end idle connections; in time, all of them."""
        self.renew()
        self.closing = self.now
        for connection in list(self.connections):
            connection.sweep(self.now)
        if self.connections:
            try:
                await asyncio.wait_for(self._drained.wait(), within_s)
            except TimeoutError:
                _log.warning("%d connections were cut off at the end of the drain", len(self.connections))
        self._sweeping.cancel()
        for connection in list(self.connections):
            connection.abort()

    def gone(self, connection: Connection) -> None:
        """A connection has ended."""
        self.connections.discard(connection)
        self.counted()
        if self.closing and not self.connections:
            self._drained.set()

    def _sweep(self) -> None:
        """One timer for all deadlines instead of one each."""
        self._sweeping = self._loop.call_later(SWEEP_S, self._sweep)
        try:
            self.renew()
            until = steady() - self.limits.timeout_s - LATE_S
            for exchange in [one for one in self.late if one.arrived < until]:
                given_up = DeadlineExceeded(f"not answered within {self.limits.timeout_s:g} s")
                self.turned_away(504)
                exchange.reply(504, [JSON], said(str(given_up)))
            for connection in list(self.connections):
                connection.sweep(self.now)
            self.every_sweep()
        except Exception:
            _log.exception("a sweep failed, going on")
