"""Posting small messages to an HTTP sink from a thread of its own: bounded, retried, counted, never waited for."""

from __future__ import annotations

import http.client
import ssl
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from urllib.parse import urlsplit

from fairlead.runtime.serve.counters import Counters

MOST_WAITING = 10_000
MOST_BYTES = 32 << 20
PATIENCE_S = 3.0
OLDEST_S = 60.0
"""After so long a message that a sink did not take is given up."""
TIMEOUT_S = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_SWITCH_S = 0.0005

Message = tuple[float, Mapping[str, str], bytes]


class Sender:
    """One connection, kept open. A message is sent at least once: twice only where a sink took it and its answer was
    lost. `put` is called by one thread, and counts in cells that the sending thread leaves alone."""

    def __init__(self, url: str, counters: Counters) -> None:
        parts = urlsplit(url)
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname or "", parts.port
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._cells = counters.cells
        self._sent = counters.index(("events", "sent", ""))
        self._full = counters.index(("events", "dropped", "queue_full"))
        self._refused = counters.index(("events", "dropped", "refused"))
        self._failed = counters.index(("events", "dropped", "not_taken"))
        self._waiting_at = counters.index(("events_waiting",))
        self._queue: deque[Message] = deque()
        # Each written by one thread alone, so their difference needs no lock.
        self._bytes_in = self._bytes_out = 0
        self._wake, self._over = threading.Event(), threading.Event()
        self._end = float("inf")
        self._connection: http.client.HTTPConnection | None = None
        # Python's own 5 ms of holding the interpreter would be felt by whoever waits for an answer.
        sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_S))
        self._thread = threading.Thread(target=self._run, name="fairlead-events", daemon=True)
        self._thread.start()

    def put(self, headers: Mapping[str, str], body: bytes) -> None:
        """Have a message sent; beyond the bounds it is dropped and counted."""
        size = len(body) + 512
        if len(self._queue) >= MOST_WAITING or self._bytes_in - self._bytes_out + size > MOST_BYTES:
            self._cells[self._full] += 1
            return
        self._bytes_in += size
        self._queue.append((time.monotonic(), headers, body))
        self._cells[self._waiting_at] = len(self._queue)
        if not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        """Send what is left within `PATIENCE_S`; the rest is dropped and counted."""
        self._end = time.monotonic() + PATIENCE_S
        self._over.set()
        self._wake.set()
        self._thread.join(PATIENCE_S + 1.0)

    def _run(self) -> None:
        while not (self._over.is_set() and not self._queue):
            self._wake.wait(1.0)
            self._wake.clear()
            while self._queue:
                message = self._queue.popleft()
                self._cells[self._deliver(message)] += 1
                self._bytes_out += len(message[2]) + 512
                self._cells[self._waiting_at] = len(self._queue)
        self._let_go()

    def _deliver(self, message: Message) -> int:
        """Try until it is taken, refused for good, or too old; where that counts."""
        at, headers, body = message
        pause = _FIRST_PAUSE_S
        while True:
            if time.monotonic() >= self._end:
                return self._failed
            code = self._post(headers, body)
            if 200 <= code < 300:
                return self._sent
            if 400 <= code < 500 and code not in {408, 425, 429}:
                return self._refused
            until = min(at + OLDEST_S, self._end)
            if time.monotonic() + pause >= until:
                return self._failed
            if self._over.is_set():
                time.sleep(pause)
            else:
                self._over.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    def _post(self, headers: Mapping[str, str], body: bytes) -> int:
        """The sink's code; 0 when there was none. A connection that had been idle is opened again at once."""
        for fresh in (self._connection is None, True):
            try:
                if self._connection is None:
                    self._connection = self._connect()
                self._connection.request("POST", self._path, body, dict(headers))
                reply = self._connection.getresponse()
                reply.read(1 << 20)
                if reply.will_close or not reply.isclosed():
                    self._let_go()
                return reply.status
            except (OSError, http.client.HTTPException, ValueError):
                self._let_go()
                if fresh:
                    return 0
        return 0

    def _connect(self) -> http.client.HTTPConnection:
        left = max(0.5, min(TIMEOUT_S, self._end - time.monotonic()))
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=left, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=left)

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
