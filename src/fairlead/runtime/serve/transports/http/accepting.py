"""Taking connections from the socket that all workers share, so that each gets its share of them.

One socket for all: a killed worker leaves nothing waiting in a queue of its own. Whoever wakes first would take most,
so workers see each other's counts and one that is ahead lets the others go first, for a moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import mmap
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from fairlead.runtime.serve.transports.http.connection import LINGER_S, Connection
from fairlead.runtime.serve.transports.http.gather import Gather
from fairlead.runtime.serve.transports.http.tls import Certificates

_ABSENT = 2**62
_POLITE_S = 0.001
_PER_REST = 4
_AT_ONCE = 256
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_REST_S = 0.1
_LAST_S = 1.0
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
        self._arriving: set[_Arrival] = set()
        self._arrived = asyncio.Event()
        self._resting: asyncio.TimerHandle | None = None
        self._stopped = False

    def start(self) -> None:
        """From now on."""
        gather = self._gather
        gather.counted = self._count
        self._count()
        self._loop.add_reader(self._listener.fileno(), self._readable)

    async def stop(self) -> None:
        """Take what has connected already, then nothing more."""
        self._stopped = True
        self._loop.remove_reader(self._listener.fileno())
        if self._resting is not None:
            self._resting.cancel()
        while self._accept():
            pass
        self._shares.leave(self._slot)
        self._gather.counted = lambda: None
        self._listener.close()
        if self._arriving:
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), _LAST_S)

    def _count(self) -> None:
        self._shares.put(self._slot, len(self._gather.connections) + len(self._arriving))

    def _readable(self) -> None:
        # All that are there, as each further look may have to wait for a tick.
        for _ in range(_AT_ONCE):
            if self._shares.ahead(self._slot):
                self._rest(_POLITE_S)
                return
            if not self._accept():
                return

    def _rest(self, seconds: float) -> None:
        """Leave the socket to the others for a moment."""
        self._loop.remove_reader(self._listener.fileno())
        self._resting = self._loop.call_later(seconds, self._after_rest, self._loop.time() + seconds)

    def _after_rest(self, due: float) -> None:
        """Whoever is ahead, take some: more, the longer a busy loop kept them waiting."""
        self._resting = None
        self._loop.add_reader(self._listener.fileno(), self._readable)
        waited_ms = (self._loop.time() - due) * 1e3
        for _ in range(min(_AT_ONCE, _PER_REST + int(waited_ms * _PER_REST))):
            if not self._accept():
                return

    def _accept(self) -> bool:
        """Whether there was one."""
        try:
            peer, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as failed:
            if failed.errno in _NO_ROOM:
                if not self._stopped:
                    _log.error("no room for another connection: %s", failed.strerror)
                    self._rest(_REST_S)
                return False
            # It was there and is gone: a client that changed its mind.
            return True
        if len(self._gather.connections) + len(self._arriving) >= self._files:
            peer.close()
            return True
        peer.setblocking(False)
        secure: dict[str, Any] = {}
        if self._certificates is not None:
            secure = {
                "ssl": self._certificates.context,
                "ssl_handshake_timeout": self._gather.server.header_s,
                "ssl_shutdown_timeout": LINGER_S,
            }
        handing = self._loop.connect_accepted_socket(lambda: Connection(self._gather), peer, **secure)
        arrival = _Arrival(handing, peer, self._over)
        self._arriving.add(arrival)
        arrival.step()
        self._count()
        return True

    def _over(self, arrival: _Arrival) -> None:
        self._arriving.discard(arrival)
        if not self._arriving:
            self._arrived.set()


class _Arrival:
    """A connection on its way into the loop, through its handshake where there is one.

    A task would begin in the next tick, and ticks are long when there is much to do: this begins at once.
    """

    __slots__ = ("_handing", "_over", "_peer")

    def __init__(
        self, handing: Coroutine[Any, Any, Any], peer: socket.socket, over: Callable[[_Arrival], None]
    ) -> None:
        self._handing, self._peer, self._over = handing, peer, over

    def step(self, _: object = None) -> None:
        """Until it has to wait; again when what it waits for is there."""
        try:
            awaited = self._handing.send(None)
        except StopIteration:
            self._over(self)
        except (OSError, TimeoutError, asyncio.CancelledError) as failed:
            _log.debug("a connection ended before its first request: %s", type(failed).__name__)
            self._peer.close()
            self._over(self)
        except Exception:
            _log.exception("a connection could not be taken")
            self._peer.close()
            self._over(self)
        else:
            awaited._asyncio_future_blocking = False
            awaited.add_done_callback(self.step)
