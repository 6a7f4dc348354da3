"""What the connections of one worker share: the tick that is gathered, the bounds, the one timer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from fairlead.contract.errors import Busy, DeadlineExceeded
from fairlead.contract.ports import Application
from fairlead.contract.settings import ServeSettings
from fairlead.runtime.serve.clock import steady
from fairlead.runtime.serve.transports.http.answers import JSON, said
from fairlead.runtime.serve.transports.http.heads import Heads
from fairlead.runtime.wire.status import FAULT

if TYPE_CHECKING:
    from fairlead.runtime.serve.transports.http.connection import Connection
    from fairlead.runtime.serve.transports.http.exchange import Exchange

SWEEP_S = 0.25
LATE_S = 6.0
"""Beyond the deadline: the application, which has deadlines of its own, comes first."""
HELD_BODIES = 16
_log = logging.getLogger("fairlead.serve")


class Gather:
    """Hands all requests of a loop tick to the application together: no timer, no waiting.

    waiting: requests of this tick; late: handed over and not answered yet. now: monotonic seconds, renewed by the
    sweep and each tick, exact enough for deadlines. held: bytes of bodies that are still arriving.
    """

    __slots__ = (
        "_drained",
        "_loop",
        "_sweeping",
        "application",
        "closing",
        "connections",
        "counted",
        "every_sweep",
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
        self.held = 0
        self.closing = 0.0
        self.every_sweep: Callable[[], None] = lambda: None
        self.counted: Callable[[], None] = lambda: None
        self.turned_away: Callable[[int], None] = getattr(application, "turned_away", lambda code: None)
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
            self._loop.call_soon(self.flush)
        waiting.append(exchange)

    def flush(self) -> None:
        """All that arrived in this tick, together."""
        waiting = self.waiting
        self.waiting = []
        try:
            self.application.answer(waiting)
        except Exception:
            _log.exception("a tick of %d requests failed", len(waiting))
            for exchange in waiting:
                exchange.later = False
        for exchange in [one for one in waiting if not one.done]:
            if exchange.later:
                self.late.add(exchange)
            else:
                self.turned_away(500)
                exchange.reply(500, [JSON], said(FAULT))
        self.renew()

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
