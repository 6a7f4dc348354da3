"""Taking connections from the socket that all workers share, so that each gets its share of them.

One socket for all: a killed worker leaves nothing waiting in a queue of its own. Whoever wakes first would take most,
so workers see each other's counts and one that is ahead lets the others go first, for a moment.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import mmap
import socket
from typing import Any

from fairlead.runtime.serve.transports.http.connection import Connection
from fairlead.runtime.serve.transports.http.gather import Gather
from fairlead.runtime.serve.transports.http.tls import Certificates

_ABSENT = 2**62
_POLITE_S = 0.001
_AT_ONCE = 16
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_REST_S = 0.1
_log = logging.getLogger("fairlead.serve")


class Shares:
    """Connections by slot, in memory that the workers share. A slot without a worker is nobody to wait for."""

    def __init__(self, workers: int) -> None:
        self._cells = memoryview(mmap.mmap(-1, max(workers, 1) * 8)).cast("q")
        self.workers = workers
        for slot in range(workers):
            self._cells[slot] = _ABSENT

    def put(self, slot: int, count: int) -> None:
        """A worker's own count."""
        self._cells[slot] = count

    def leave(self, slot: int) -> None:
        """Its worker is gone, or takes no more."""
        if slot < self.workers:
            self._cells[slot] = _ABSENT

    def ahead(self, slot: int) -> bool:
        """Whether another worker has so many fewer that it should go first."""
        least = min(self._cells)
        return self._cells[slot] > least + 1 + least // 16


class Acceptor:
    """Accepts for one worker. files: open files it may use for connections."""

    def __init__(
        self,
        listener: socket.socket,
        gather: Gather,
        certificates: Certificates | None,
        shares: Shares,
        slot: int,
        files: int,
    ) -> None:
        self._listener, self._gather, self._certificates = listener, gather, certificates
        self._shares, self._slot, self._files = shares, slot, files
        self._loop = asyncio.get_running_loop()
        self._arriving: set[asyncio.Task[Any]] = set()
        self._polite: asyncio.TimerHandle | None = None
        self._alone = shares.workers == 1

    def start(self) -> None:
        """From now on."""
        gather = self._gather
        gather.counted = self._count
        self._count()
        self._loop.add_reader(self._listener.fileno(), self._readable)

    async def stop(self) -> None:
        """Take what has connected already, then nothing more."""
        self._loop.remove_reader(self._listener.fileno())
        if self._polite is not None:
            self._polite.cancel()
        while self._accept():
            pass
        self._shares.leave(self._slot)
        self._gather.counted = lambda: None
        self._listener.close()
        if self._arriving:
            await asyncio.wait(list(self._arriving), timeout=1.0)

    def _count(self) -> None:
        self._shares.put(self._slot, len(self._gather.connections) + len(self._arriving))

    def _readable(self) -> None:
        if self._alone:
            for _ in range(_AT_ONCE):
                if not self._accept():
                    return
        elif not self._shares.ahead(self._slot):
            self._accept()
        else:
            self._rest(_POLITE_S)

    def _rest(self, seconds: float) -> None:
        """Leave the socket to the others for a moment, then take one whoever is ahead."""
        self._loop.remove_reader(self._listener.fileno())
        self._polite = self._loop.call_later(seconds, self._after_rest)

    def _after_rest(self) -> None:
        self._polite = None
        self._loop.add_reader(self._listener.fileno(), self._readable)
        self._accept()

    def _accept(self) -> bool:
        """Whether there was one."""
        try:
            peer, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as failed:
            if failed.errno in _NO_ROOM:
                _log.error("no room for another connection: %s", failed.strerror)
                self._rest(_REST_S)
                return False
            # It was there and is gone: a client that changed its mind.
            return True
        if len(self._gather.connections) + len(self._arriving) >= self._files:
            peer.close()
            return True
        task = self._loop.create_task(self._arrive(peer))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)
        self._count()
        return True

    async def _arrive(self, peer: socket.socket) -> None:
        """Hand a connection to the loop, through its handshake where there is one."""
        peer.setblocking(False)
        secure: dict[str, Any] = {}
        if self._certificates is not None:
            secure = {"ssl": self._certificates.context, "ssl_handshake_timeout": self._gather.server.header_s}
        try:
            await self._loop.connect_accepted_socket(lambda: Connection(self._gather), peer, **secure)
        except (OSError, TimeoutError, asyncio.CancelledError) as failed:
            _log.debug("a connection ended before its first request: %s", type(failed).__name__)
            peer.close()
