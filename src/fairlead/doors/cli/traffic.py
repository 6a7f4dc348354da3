"""Real HTTP traffic for the demo and for a person's own trials: rows in event-time order over one connection."""

from __future__ import annotations

import http.client
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec


class Sent(msgspec.Struct):
    """What happened to the requests so far."""

    requests: int = 0
    failed: int = 0
    labels: int = 0


class Caller:
    """One keep-alive connection to a Fairlead server that counts what it sends.

    A connection that the server closed between two requests (a worker was replaced) is opened again and the
    request is sent once more; what is refused or lost after that counts as failed.
    """

    def __init__(self, url: str, model: str) -> None:
        parts = urlsplit(url)
        self.model = model
        self.sent = Sent()
        self.connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=30)

    def post(self, path: str, body: Any, request: str = "") -> Any:
        """POST JSON; the decoded answer, or None when it failed twice or was refused."""
        payload = msgspec.json.encode(body)
        headers = {"content-type": "application/json"}
        if request:
            headers["x-request-id"] = request
        for _ in range(2):
            try:
                self.connection.request("POST", path, payload, headers)
                reply = self.connection.getresponse()
                content = reply.read()
            except (OSError, http.client.HTTPException):
                self.connection.close()
                continue
            return msgspec.json.decode(content) if reply.status == 200 else None
        return None

    def ask(self, row: dict[str, Any], request: str) -> Any:
        """One row, one request; the prediction or None."""
        answer = self.post(f"/predict/{self.model}", row, request)
        self.sent.requests += 1
        if answer is None:
            self.sent.failed += 1
            return None
        return answer["predictions"][0]

    def tell(self, labels: Iterable[tuple[str, Any]], batch: int = 200) -> None:
        """The truth for earlier requests, by request id."""
        waiting: list[dict[str, Any]] = []
        for request, label in labels:
            waiting.append({"request": request, "label": label})
            if len(waiting) == batch:
                self._send(waiting)
                waiting = []
        if waiting:
            self._send(waiting)

    def _send(self, labels: Sequence[dict[str, Any]]) -> None:
        answer = self.post(f"/feedback/{self.model}", list(labels))
        if answer is None:
            self.sent.failed += 1
        else:
            self.sent.labels += answer["accepted"]

    def close(self) -> None:
        """Hang up."""
        self.connection.close()
