"""HTTP/1.1 and HTTP/2 by granian's RSGI: collects the requests of one loop tick and answers them together."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import uvloop
from granian._granian import SocketHolder  # type: ignore[attr-defined]
from granian.constants import SSLProtocols
from granian.server.embed import Server

from fairlead.contract.errors import BodyInvalid, BodyTooLarge, Busy, DeadlineExceeded, FairleadError
from fairlead.contract.ports import Application, Request
from fairlead.contract.settings import ServeSettings
from fairlead.runtime.serve.clock import steady
from fairlead.runtime.serve.grpc_door import open_grpc
from fairlead.runtime.serve.lane import lanes, run_lane
from fairlead.runtime.serve.patience import patience_of
from fairlead.runtime.serve.supervise import Supervisor, listen
from fairlead.runtime.serve.transports.http.gather import LATE_S
from fairlead.runtime.serve.transports.http.tls import Certificates
from fairlead.runtime.wire.status import FAULT, status_of

BACKLOG = 1024
GRACE_S = 5.0
_log = logging.getLogger("fairlead.serve")
_JSON = ("content-type", "application/json")
Headers = Sequence[tuple[str, str]]


class Exchange(Request):
    """A request with its way back. `finished` ends the coroutine that granian waits for."""

    __slots__ = ("finished", "proto")

    def __init__(self, scope: Any, body: bytes, arrived: float, proto: Any, finished: asyncio.Future[None]) -> None:
        self.method, self.path, self.query, self.headers = scope.method, scope.path, scope.query_string, scope.headers
        self.body, self.arrived, self.proto, self.finished = body, arrived, proto, finished
        self.peer, self.caller, self.later, self.patience = None, None, False, patience_of(scope.headers)

    def reply(self, code: int, headers: Headers, body: bytes) -> None:  # type: ignore[override]
        """Send and let the coroutine end. A client that went away is nobody's fault."""
        if self.finished.done():
            return
        try:
            self.proto.response_bytes(code, headers, body)
        except Exception as failed:
            # The others of its tick are still to be answered.
            _log.warning("a reply could not be sent: %s", type(failed).__name__)
        finally:
            if not self.finished.done():
                self.finished.set_result(None)


class Gather:
    """The RSGI application of one worker: bounds, reads, gathers a tick, hands it on."""

    def __init__(self, application: Application, loop: asyncio.AbstractEventLoop) -> None:
        self._application, self._loop = application, loop
        self._turned_away: Callable[[int], None] = getattr(application, "turned_away", lambda code: None)
        self._waiting: list[Exchange] = []
        self._late: set[Exchange] = set()
        self._reading: dict[asyncio.Task[Any], float] = {}
        self._sweep()

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        arrived = steady()
        limits = self._application.limits()
        if len(self._waiting) + len(self._late) >= limits.max_queue:
            self._refuse(proto, Busy(), 503)
            return
        if scope.http_version == "1.1" and len(scope.headers.get_all("host")) != 1:
            self._refuse(proto, BodyInvalid("a request must have exactly one Host header"), 400)
            return
        try:
            body = b"" if scope.method in ("GET", "HEAD") else await self._read(scope, proto, limits, arrived)
        except FairleadError as error:
            # A body that does not come is the client's time, not ours.
            self._refuse(proto, error, 408 if isinstance(error, DeadlineExceeded) else status_of(error))
            return
        finished = self._loop.create_future()
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(Exchange(scope, body, arrived, proto, finished))
        await finished

    async def _read(self, scope: Any, proto: Any, limits: Any, arrived: float) -> bytes:
        """The body, within its limit and time. Raises BodyTooLarge, BodyInvalid, DeadlineExceeded."""
        limit = limits.max_body_bytes
        stated = scope.headers.get("content-length")
        if stated is not None and (not stated.isdigit() or len(stated) > 18):
            raise BodyInvalid("content-length must be a number of bytes")
        if stated is not None and int(stated) > limit:
            raise BodyTooLarge(limit)
        task = asyncio.current_task(self._loop)
        assert task is not None
        self._reading[task] = arrived + limits.timeout_s
        try:
            if stated is not None:
                body: bytes = await proto()
                return body
            pieces, size = [], 0
            async for piece in proto:
                size += len(piece)
                if size > limit:
                    raise BodyTooLarge(limit)
                pieces.append(piece)
            return b"".join(pieces)
        except asyncio.CancelledError:
            if arrived + limits.timeout_s > steady():
                raise
            task.uncancel()
            raise DeadlineExceeded("the body did not arrive in time") from None
        finally:
            del self._reading[task]

    def _refuse(self, proto: Any, error: FairleadError, code: int) -> None:
        self._turned_away(code)
        headers = [_JSON]
        if isinstance(error, Busy):
            headers.append(("retry-after", str(error.retry_after_s)))
        if isinstance(error, (BodyTooLarge, DeadlineExceeded)):
            headers.append(("connection", "close"))
        proto.response_bytes(code, headers, json.dumps({"error": str(error)}).encode())

    def _flush(self) -> None:
        """All that arrived in this tick, together: no timer, no waiting."""
        waiting = self._waiting
        self._waiting = []
        try:
            self._application.answer(waiting)
        except Exception:
            _log.exception("a tick of %d requests failed", len(waiting))
        for exchange in waiting:
            if exchange.finished.done():
                continue
            if exchange.later:
                self._late.add(exchange)
                exchange.finished.add_done_callback(partial(self._no_longer, exchange))
            else:
                self._turned_away(500)
                exchange.reply(500, [_JSON], json.dumps({"error": FAULT}).encode())

    def _no_longer(self, exchange: Exchange, _: object) -> None:
        self._late.discard(exchange)

    def _sweep(self) -> None:
        """One timer for all that is overdue instead of one each."""
        now = steady()
        given_up = now - self._application.limits().timeout_s - LATE_S
        for exchange in [one for one in self._late if one.arrived < given_up]:
            self._turned_away(504)
            exchange.reply(504, [_JSON], json.dumps({"error": "not answered in time"}).encode())
        for task in [task for task, until in self._reading.items() if until < now]:
            task.cancel()
        self._loop.call_later(0.25, self._sweep)


class _Server(Server):
    """granian inside this process, on a socket that is listening already and outlives the worker."""

    def __init__(self, listener: socket.socket, target: Any, server: ServeSettings) -> None:
        secure: dict[str, Any] = {}
        if server.tls_certificate:
            secure = {
                "ssl_cert": Path(server.tls_certificate),
                "ssl_key": Path(server.tls_key or server.tls_certificate),
                "ssl_protocol_min": SSLProtocols.tls12,
            }
            if server.tls_client_ca:
                secure |= {"ssl_ca": Path(server.tls_client_ca), "ssl_client_verify": True}
        super().__init__(target, websockets=False, backlog=BACKLOG, backpressure=BACKLOG, log_enabled=False, **secure)
        self._listener = listener

    def _init_shared_socket(self) -> None:
        # granian would open a socket of its own here; the holder takes (descriptor, is a unix socket, backlog).
        held: Any = SocketHolder
        self._ssp: Any = None
        self._sfd: Any = self._listener.fileno()
        self._shd: Any = held(self._sfd, False, BACKLOG)


class GranianTransport:
    """Port `transport`."""

    def serve(
        self,
        factory: str,
        host: str,
        port: int,
        workers: int,
        settings: Mapping[str, Any],
        ready: Callable[[str, int], None] = lambda host, port: None,
    ) -> None:
        """Serve until SIGTERM or SIGINT, then drain.

        factory: "module:function", called in each worker with (slot, settings). ready: called once, with the
        address, when the first worker accepts. Raises UsageError when the address is taken or a certificate
        cannot be used. Certificates are read once, and the names of clients' certificates are not told.
        """
        server: ServeSettings = settings.get("server") or ServeSettings()
        Certificates.of(server)
        listener = listen(host, port, BACKLOG)
        bound = listener.getsockname()[1]
        settings = {**settings, "server": server, "host": host, "port": bound}

        def work(slot: int, lifeline: socket.socket) -> None:
            if slot >= workers:
                run_lane(slot, settings, lifeline, slot - workers)
                return
            uvloop.run(_work(factory, slot, settings, listener, lifeline))

        try:
            Supervisor(work, workers + lanes(settings), grace_s=float(settings.get("grace_s", 15.0))).run(
                lambda: ready(host, bound)
            )
        finally:
            listener.close()


async def _work(
    factory: str, slot: int, settings: Mapping[str, Any], listener: socket.socket, lifeline: socket.socket
) -> None:
    """One worker: until SIGTERM, or until the supervisor is gone."""
    module, _, name = factory.partition(":")
    loop = asyncio.get_running_loop()
    application: Application = getattr(import_module(module), name)(slot, settings)
    server: Any = _Server(listener, Gather(application, loop), settings["server"])
    lifeline.setblocking(False)
    grpc = await open_grpc(application, loop, settings)

    def gone() -> None:
        loop.remove_reader(lifeline.fileno())
        server.stop()

    loop.add_reader(lifeline.fileno(), gone)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    loop.call_soon(os.write, lifeline.fileno(), b"r")
    try:
        await server.serve()
    finally:
        if grpc is not None:
            await grpc.close(GRACE_S)
        application.close()
