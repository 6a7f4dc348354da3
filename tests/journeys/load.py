"""Steady load on a running server: several connections, one row a request, every acknowledgement remembered."""

from __future__ import annotations

import http.client
import json
import threading
import uuid
from collections.abc import Callable
from typing import Any


class Load:
    """Threads that ask until stopped. acknowledged: request id -> answer; failed: what went wrong, in words."""

    def __init__(
        self, port: Callable[[], int], model: str, rows: list[dict[str, Any]], connections: int = 4,
        every_s: float = 0.0,
    ) -> None:  # fmt: skip
        """every_s: seconds that a connection waits after each answer."""
        self.port, self.model, self.rows, self.every_s = port, model, rows, every_s
        self.name = uuid.uuid4().hex[:8]
        self.acknowledged: dict[str, Any] = {}
        self.refused: list[str] = []
        self.lost = 0
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self._ask, args=(i,), daemon=True) for i in range(connections)]

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Let each connection finish its request, then end."""
        self.stopped.set()
        for thread in self.threads:
            thread.join(30)

    def _ask(self, number: int) -> None:
        connection: http.client.HTTPConnection | None = None
        count = 0
        while not self.stopped.is_set():
            request = f"load-{self.name}-{number}-{count}"
            count += 1
            row = self.rows[(number * 7919 + count) % len(self.rows)]
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self.port(), timeout=20)
                connection.request(
                    "POST", f"/predict/{self.model}", json.dumps(row),
                    {"content-type": "application/json", "x-request-id": request},
                )  # fmt: skip
                reply = connection.getresponse()
                body = reply.read()
            except (OSError, http.client.HTTPException, AssertionError):
                # No answer: neither acknowledged nor refused. The caller decides whether that may happen.
                self.lost += 1
                connection = None
                self.stopped.wait(0.02)
                continue
            if reply.status == 200:
                self.acknowledged[request] = json.loads(body)["predictions"][0]
                self.stopped.wait(self.every_s)
            else:
                self.refused.append(f"{request}: {reply.status} {body[:200]!r}")
                if reply.status == 503:
                    # As Retry-After asks: a client that comes back at once takes the time that recovery needs.
                    self.stopped.wait(0.05)
