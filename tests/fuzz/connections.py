"""A connection of the bare transport without a socket: bytes in, whole or in pieces; what was asked and said out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import httptools

from fairlead.contract.ports import Request
from fairlead.contract.routes import Limits
from fairlead.contract.settings import ServeSettings
from fairlead.runtime.serve.transports.http.connection import Connection
from fairlead.runtime.serve.transports.http.gather import Gather

LIMITS = Limits(max_body_bytes=1024, max_queue=64)
SETTINGS = ServeSettings(max_header_kb=1)


class Loop:
    """The part of an event loop that a connection asks for."""

    def __init__(self) -> None:
        self._soon: list[Callable[[], None]] = []

    def call_soon(self, act: Callable[[], None]) -> None:
        self._soon.append(act)

    def call_later(self, seconds: float, act: Callable[[], None]) -> None:
        """Nothing is ever late here."""

    def turn(self) -> None:
        for _ in range(1000):
            if not self._soon:
                return
            due, self._soon = self._soon, []
            for act in due:
                act()
        raise AssertionError("the loop never comes to rest")


class Wire:
    """The part of a transport that a connection asks for."""

    def __init__(self) -> None:
        self.sent = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.sent += data

    def writelines(self, pieces: Sequence[bytes]) -> None:
        self.sent += b"".join(pieces)

    def close(self) -> None:
        self.closed = True

    abort = close

    def write_eof(self) -> None:
        """A half-closed connection says nothing more."""

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        """Bytes come when the fuzzer says."""

    resume_reading = pause_reading

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever unsent here."""

    def get_write_buffer_size(self) -> int:
        return 0


class Echo:
    """The application: remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bytes]] = []

    def answer(self, requests: Sequence[Request]) -> None:
        for request in requests:
            self.asked.append((request.method, request.path, request.body))
            request.reply(200, [("content-type", "text/plain")], b"ok")

    def limits(self) -> Limits:
        return LIMITS

    def close(self) -> None:
        """Holds nothing."""


class _Codes:
    """Reads answers as a strict client does."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.whole = True

    def on_message_begin(self) -> None:
        self.whole = False

    def on_headers_complete(self) -> None:
        self.codes.append(self.parser.get_status_code())

    def on_message_complete(self) -> None:
        self.whole = True

    def of(self, sent: bytes) -> list[int]:
        self.parser: Any = httptools.HttpResponseParser(self)
        self.parser.feed_data(sent)
        return self.codes


def converse(pieces: Sequence[bytes]) -> tuple[list[tuple[str, str, bytes]], list[int], bool]:
    """What the application was asked, the codes of the answers (without 100), whether the connection was closed."""
    loop: Any = Loop()
    echo, wire = Echo(), Wire()
    connection = Connection(Gather(echo, loop, SETTINGS))
    connection.connection_made(wire)  # type: ignore[arg-type]
    for piece in pieces:
        if wire.closed:
            break
        connection.data_received(piece)
        loop.turn()
    # Answers to HEAD say a length and have no body, which a reader that did not ask cannot know.
    headed = any(method == "HEAD" for method, _, _ in echo.asked)
    codes = [] if headed else _Codes().of(wire.sent)
    return echo.asked, [code for code in codes if code != 100], wire.closed
