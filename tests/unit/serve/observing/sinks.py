"""Real receivers: an HTTP sink for events and a receiver of OTLP, each in a thread of the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Posted:
    """One message: headers in lower case, body."""

    def __init__(self, path: str, headers: dict[str, str], body: bytes) -> None:
        self.path, self.headers, self.body = path, headers, body


class Sink:
    """Takes what is posted. fail_first: answers 503 to so many; slow_s: before each answer; code: of the others."""

    def __init__(self, fail_first: int = 0, slow_s: float = 0.0, code: int = 202, port: int = 0) -> None:
        self.taken: list[Posted] = []
        self.refused = 0
        sink, left = self, [fail_first]
        lock = threading.Lock()
        pause = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                pause.wait(slow_s)
                with lock:
                    failing = left[0] > 0
                    left[0] -= failing
                    if failing:
                        sink.refused += 1
                    else:
                        headers = {name.lower(): value for name, value in self.headers.items()}
                        sink.taken.append(Posted(self.path, headers, body))
                self.send_response(503 if failing else code)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Sink:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def within(seconds: float, check: Callable[[], Any]) -> float:
    """How long `check` took, which must be less than `seconds`."""
    began = time.perf_counter()
    check()
    took = time.perf_counter() - began
    assert took < seconds
    return took
