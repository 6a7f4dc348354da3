"""One process of an open-loop load: `python -m fairlead.reach.capacity.generator`, its job on stdin, counts on stdout.

Requests are due at Poisson times, whatever became of the ones before. One goes out over whichever connection is free;
where none is, it waits, and its latency counts from the time it was DUE: a server that stands still is charged for what
would have come meanwhile (Tene: coordinated omission). How late requests left although a connection was free is this
process's own part, and is reported apart.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import ssl
import struct
import sys
import time
from collections import deque
from typing import Any
from urllib.parse import urlsplit

import httptools
import msgspec
import numpy as np

from fairlead.reach.capacity.latencies import Latencies

KEY = "FAIRLEAD_KEY"
GRACE_S = 5.0
MOST_REQUESTS = 5_000_000
_ABSOLUTE, _MONOTONIC = 1, 1


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What one process does. rate: requests a second; starts: of the monotonic clock; secure: certificates are checked.

    bodies: of JSON, asked in turn. timeout_s: a request not answered by then is an error, and its connection closed.
    """

    url: str
    path: str
    bodies: tuple[str, ...]
    rate: float
    seconds: float
    connections: int
    seed: int
    starts: float
    timeout_s: float = 10.0
    secure: bool = True


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What one process saw. errors: reason -> how many. latencies, late: bins of `Latencies`."""

    sent: int
    answered: int
    errors: dict[str, int]
    latencies: dict[int, int]
    late: dict[int, int]
    seconds: float
    cpu_s: float


class Timer:
    """Wakes a loop at a moment of the monotonic clock, to some microseconds: loops themselves count in milliseconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wake: Any) -> None:
        self._loop, self._wake, self._fd = loop, wake, -1
        with contextlib.suppress(OSError, AttributeError):
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._fd = self._libc.timerfd_create(_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd >= 0:
            loop.add_reader(self._fd, self._rang)

    def at(self, moment: float) -> None:
        """Call `wake` then, instead of at any moment said before."""
        if self._fd < 0:
            self._loop.call_later(max(0.0, moment - time.monotonic()), self._wake)
            return
        whole = int(moment)
        value = struct.pack("qqqq", 0, 0, whole, max(1, int((moment - whole) * 1e9)))
        self._libc.timerfd_settime(self._fd, _ABSOLUTE, value, None)

    def _rang(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, 8)
        self._wake()

    def close(self) -> None:
        """Let go of it."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.due = 0.0
        self.sent = 0.0
        self.busy = False
        self.transport: asyncio.Transport | None = None
        self.parser: Any = None

    def connection_made(self, transport: Any) -> None:
        """Ready to ask."""
        self.transport = transport
        self.parser = httptools.HttpResponseParser(self)
        self.load.freed(self)

    def ask(self, request: bytes, due: float, now: float) -> None:
        """Send one request that was due at `due`."""
        assert self.transport is not None
        self.busy, self.due, self.sent = True, due, now
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Some of an answer."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.load.failed("no HTTP", self)
            self.close()

    def on_message_complete(self) -> None:
        """An answer is whole (httptools)."""
        code, stays = self.parser.get_status_code(), self.parser.should_keep_alive()
        if not self.busy:
            return
        self.busy = False
        if code == 200:
            self.load.answered(self)
        else:
            self.load.failed(f"HTTP {code}", self)
        self.parser = httptools.HttpResponseParser(self)
        if stays:
            self.load.freed(self)
        else:
            self.close()

    def connection_lost(self, _: Exception | None) -> None:
        """Cut off: what was asked is an error, and another connection takes this one's place."""
        if self.busy:
            self.busy = False
            self.load.failed("cut off", self)
        self.load.lost(self)

    def close(self) -> None:
        """Cut it."""
        if self.transport is not None:
            self.transport.abort()


class Load:
    """The load of one process, from its first request to its last answer."""

    def __init__(self, job: Job, loop: asyncio.AbstractEventLoop) -> None:
        self.job, self.loop = job, loop
        gaps = np.random.default_rng(job.seed).exponential(1.0 / job.rate, int(job.rate * job.seconds * 1.5) + 64)
        due = np.cumsum(gaps)
        self.due: list[float] = (job.starts + due[due < job.seconds]).tolist()
        self.requests = [self._request(body.encode()) for body in job.bodies]
        self.at = 0
        self.waiting: deque[float] = deque()
        self.free: list[Connection] = []
        self.all: set[Connection] = set()
        self.took, self.late = Latencies(), Latencies()
        self.errors: dict[str, int] = {}
        self.looked = 0.0
        self.done = loop.create_future()
        self.timer = Timer(loop, self.tick)
        self.opening: set[asyncio.Task[None]] = set()

    def _request(self, body: bytes) -> bytes:
        parts = urlsplit(self.job.url)
        lines = [f"POST {self.job.path} HTTP/1.1", f"Host: {parts.netloc}", "Content-Type: application/json",
                 f"Content-Length: {len(body)}"]  # fmt: skip
        if secret := os.environ.get(KEY, "").strip():
            lines.append(f"x-api-key: {secret}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body

    async def run(self) -> Counted:
        """Connect, ask all that is due, wait for the last answers."""
        await asyncio.gather(*(self._connect() for _ in range(self.job.connections)))
        if not self.all:
            self.timer.close()
            none: dict[int, int] = {}
            return Counted(sent=len(self.due), answered=0, errors={"no connection": len(self.due)}, latencies=none,
                           late=none, seconds=self.job.seconds, cpu_s=0.0)  # fmt: skip
        begun, cpu = time.monotonic(), time.process_time()
        if self.due:
            self.timer.at(self.due[0])
        limit = self.job.starts - begun + self.job.seconds + self.job.timeout_s + GRACE_S
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(self.done), limit)
        seconds = time.monotonic() - max(begun, self.job.starts)
        cpu_s = time.process_time() - cpu
        left = len(self.due) - len(self.took) - sum(self.errors.values())
        if left > 0:
            self.errors["never answered"] = self.errors.get("never answered", 0) + left
        self.timer.close()
        return Counted(
            sent=len(self.due), answered=len(self.took), errors=self.errors, latencies=self.took.sparse(),
            late=self.late.sparse(), seconds=seconds, cpu_s=cpu_s,
        )  # fmt: skip

    async def _connect(self) -> None:
        parts = urlsplit(self.job.url)
        secure: ssl.SSLContext | None = None
        if parts.scheme == "https":
            secure = ssl.create_default_context()
            if not self.job.secure:
                secure.check_hostname, secure.verify_mode = False, ssl.CERT_NONE
        port = parts.port or (443 if secure else 80)
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            connecting = self.loop.create_connection(lambda: Connection(self), parts.hostname or "", port, ssl=secure)
            _, made = await asyncio.wait_for(connecting, self.job.timeout_s)
            self.all.add(made)

    def tick(self) -> None:
        """Ask all that is due by now; then sleep until the next."""
        now = time.monotonic()
        while self.at < len(self.due) and self.due[self.at] <= now:
            due = self.due[self.at]
            if self.free:
                self.late.add(now - due)
                self._ask(self.free.pop(), due, now)
            else:
                self.waiting.append(due)
                self.at += 1
        if self.at < len(self.due):
            self.timer.at(self.due[self.at])
        self._give_up(now)

    def _ask(self, connection: Connection, due: float, now: float) -> None:
        connection.ask(self.requests[self.at % len(self.requests)], due, now)
        self.at += 1

    def freed(self, connection: Connection) -> None:
        """A connection can ask again: what waits longest goes first."""
        if self.waiting:
            due, now = self.waiting.popleft(), time.monotonic()
            connection.ask(self.requests[len(self.took) % len(self.requests)], due, now)
        else:
            self.free.append(connection)

    def answered(self, connection: Connection) -> None:
        """With 200."""
        self.took.add(time.monotonic() - connection.due)
        self._end()

    def failed(self, why: str, connection: Connection) -> None:
        """Not with 200, or not at all."""
        connection.busy = False
        self.errors[why] = self.errors.get(why, 0) + 1
        self._end()

    def lost(self, connection: Connection) -> None:
        """A connection is gone: another one."""
        self.all.discard(connection)
        if connection in self.free:
            self.free.remove(connection)
        if not self.done.done():
            task = self.loop.create_task(self._again())
            self.opening.add(task)
            task.add_done_callback(self.opening.discard)

    async def _again(self) -> None:
        await asyncio.sleep(0.05)
        await self._connect()

    def _give_up(self, now: float) -> None:
        """Requests that nobody answered in time; looked at a few times a second."""
        if now < self.looked + 0.25:
            return
        self.looked = now
        for connection in [one for one in self.all if one.busy and now - one.sent > self.job.timeout_s]:
            self.failed("timed out", connection)
            connection.close()

    def _end(self) -> None:
        if len(self.took) + sum(self.errors.values()) >= len(self.due) and not self.done.done():
            self.done.set_result(None)


def main() -> int:
    """Read a job, do it, print what was counted."""
    job = msgspec.json.decode(sys.stdin.buffer.read(64 * 1024 * 1024), type=Job)
    if job.rate * job.seconds > MOST_REQUESTS:
        sys.stderr.write(f"at most {MOST_REQUESTS} requests a process and step\n")
        return 2

    async def load() -> Counted:
        return await Load(job, asyncio.get_running_loop()).run()

    try:
        import uvloop

        counted = uvloop.run(load())
    except ImportError:
        counted = asyncio.run(load())
    sys.stdout.buffer.write(msgspec.json.encode(counted) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
