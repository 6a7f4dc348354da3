"""One request with its way back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from fairlead.contract.errors import Busy
from fairlead.contract.ports import Request
from fairlead.runtime.serve.clock import steady
from fairlead.runtime.serve.stored import Stored
from fairlead.runtime.serve.transports.http.answers import JSON, Headers, encode, said
from fairlead.runtime.serve.transports.http.heads import Head
from fairlead.runtime.wire.status import FAULT

if TYPE_CHECKING:
    from fairlead.runtime.serve.transports.http.connection import Connection

_CLOSE = "\r\nconnection: close"
_KEEP = "\r\nconnection: keep-alive"
_log = logging.getLogger("fairlead.serve")


class Outgoing:
    """An answer whose body is in a file. head: its bytes; b"" once they are sent. at: how far the body is."""

    __slots__ = ("at", "body", "head")

    def __init__(self, head: bytes, body: Stored) -> None:
        self.head, self.body, self.at = head, body, 0


class Exchange(Request):
    """A request with its way back. out: an answer that waits for its turn."""

    __slots__ = ("connection", "done", "head", "out")

    def __init__(self, connection: Connection, head: Head, body: bytes) -> None:
        self.method, self.path, self.query, self.headers = head.method, head.path, head.query, head.headers
        self.body, self.arrived, self.peer, self.caller = body, steady(), connection.peer, None
        self.connection, self.head, self.patience = connection, head, head.patience
        self.done = self.later = False
        self.out: bytes | Outgoing | None = None

    def reply(self, code: int, headers: Headers, body: bytes | Stored) -> None:  # type: ignore[override]
        """Send, or keep until those before it are answered. A client that went away is nobody's fault."""
        if self.done:
            return
        self.done = True
        connection = self.connection
        if connection.gather.late:
            # Not `later`: an application may have taken that back by now.
            connection.gather.answered(self)
        asked = connection.asked
        if connection.lost:
            return
        head = self.head
        end = ""
        if not head.keeps or (connection.gather.closing and connection.says_goodbye(self)):
            end = _CLOSE
            connection.last = connection.attend = True
        elif not head.modern:
            end = _KEEP
        stored = type(body) is Stored
        bare = stored or head.method == "HEAD"
        try:
            out = encode(code, headers, cast(bytes, body), end, bare)
        except ValueError:
            _log.exception("an answer could not be written")
            out = encode(500, [JSON], said(FAULT), end, head.method == "HEAD")
            stored = False
        if stored and head.method != "HEAD":
            self.out = Outgoing(out, cast(Stored, body))
            connection.ready(self)
            return
        if len(asked) > 1:
            # Pipelined: what is ready when the tick is over goes out in one write.
            self.out = out
            connection.ready(self)
            return
        del asked[0]
        connection.transport.write(out)
        if connection.attend:
            connection.answered()

    def reply_stored(self, code: int, headers: Headers, body: Stored) -> None:
        """As `reply`, with a body that goes out by pieces, as fast as the client reads. It is closed here, or then."""
        if self.done or self.connection.lost or not self.connection.gather.keep(body):
            body.close()
            busy = Busy()
            self.reply(503, [JSON, ("retry-after", str(busy.retry_after_s))], said(str(busy)))
            return
        self.reply(code, headers, body)
        if not isinstance(self.out, Outgoing):
            body.close()
