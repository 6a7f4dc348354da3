"""What a stream says of itself: a tally, a line now and then, a page of metrics for Prometheus."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, time
from typing import Any

import msgspec

from fairlead.contract.errors import UsageError
from fairlead.runtime.serve.observing.page import PROMETHEUS, Family, Page

FAMILIES: dict[str, Family] = {
    "fairlead_stream_lag": Family("gauge", "Messages that are not acknowledged yet, delivered or not.", ("source",)),
    "fairlead_stream_up": Family("gauge", "1 while the brokers are reached and messages are answered.", ("source",)),
    "fairlead_stream_messages_total": Family(
        "counter", "Messages acknowledged, by what became of them: answered, or refused to the dead letters.",
        ("source", "outcome"),
    ),
    "fairlead_stream_again_total": Family(
        "counter", "Times that messages were given back to come again, and why: broker or model.", ("source", "why")
    ),
    "fairlead_stream_in_flight": Family("gauge", "Messages taken and not acknowledged yet.", ("source",)),
    "fairlead_stream_batches_total": Family("counter", "Batches acknowledged.", ("source",)),
    "fairlead_stream_redelivered_total": Family(
        "counter", "Messages acknowledged that the broker had delivered before; Kafka does not say.", ("source",)
    ),
    "fairlead_stream_moved_timestamp_seconds": Family(
        "gauge", "When a batch was acknowledged last, or the stream began.", ("source",)
    ),
}  # fmt: skip


class Tally(msgspec.Struct):
    """Counts since the start. lag: as last seen, None where it is not known. broker, model: times that a batch was
    given back, by why. again: messages that were delivered before. why: it is not up. moved, wall: seconds since the
    epoch, of the newest batch and of the start.
    """

    source: str = ""
    answered: int = 0
    refused: int = 0
    batches: int = 0
    in_flight: int = 0
    lag: int | None = None
    up: bool = False
    broker: int = 0
    model: int = 0
    again: int = 0
    why: str = ""
    began: float = msgspec.field(default_factory=monotonic)
    wall: float = msgspec.field(default_factory=time)
    moved: float = msgspec.field(default_factory=time)

    def seconds(self) -> float:
        """Since the start."""
        return monotonic() - self.began

    def moved_on(self) -> None:
        """A batch was acknowledged."""
        self.batches += 1
        self.in_flight = 0
        self.moved = time()


def page_of(tally: Tally) -> bytes:
    """The metrics of a stream, in the text format of Prometheus."""
    page, source = Page(FAMILIES), tally.source
    page.add("fairlead_stream_lag", (source,), float("nan") if tally.lag is None else tally.lag)
    page.add("fairlead_stream_up", (source,), float(tally.up))
    page.add("fairlead_stream_messages_total", (source, "answered"), tally.answered)
    page.add("fairlead_stream_messages_total", (source, "refused"), tally.refused)
    page.add("fairlead_stream_again_total", (source, "broker"), tally.broker)
    page.add("fairlead_stream_again_total", (source, "model"), tally.model)
    page.add("fairlead_stream_in_flight", (source,), tally.in_flight)
    page.add("fairlead_stream_batches_total", (source,), tally.batches)
    page.add("fairlead_stream_redelivered_total", (source,), tally.again)
    page.add("fairlead_stream_moved_timestamp_seconds", (source,), tally.moved)
    return page.bytes()


class _Door(BaseHTTPRequestHandler):
    """GET /metrics, GET /health/ready."""

    pages: dict[str, Callable[[], tuple[int, bytes]]]
    timeout = 5.0

    def do_GET(self) -> None:
        found = self.pages.get(self.path.partition("?")[0])
        code, body = found() if found else (404, b"/metrics and /health/ready are here\n")
        self.send_response(code)
        self.send_header("content-type", PROMETHEUS if code == 200 else "text/plain; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Scrapes are no news."""


@contextmanager
def metrics_door(tally: Tally, host: str, port: int | None, more: Callable[[], bytes]) -> Iterator[str]:
    """Metrics at a port while the block runs; its URL, "" without a port. port 0 takes a free one.

    more: the page of the data plane, which follows. Raises UsageError for an address that cannot be had.
    """
    if port is None:
        yield ""
        return
    ready = (lambda: (200, b"ready\n") if tally.up else (503, b"not ready\n"),)
    pages = {"/metrics": lambda: (200, page_of(tally) + more()), "/health/ready": ready[0]}
    try:
        server = ThreadingHTTPServer((host, port), type("Door", (_Door,), {"pages": pages}))
    except OSError as failed:
        raise UsageError(f"{host}:{port} cannot be listened on: {failed.strerror}.") from None
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="fairlead-metrics", daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
