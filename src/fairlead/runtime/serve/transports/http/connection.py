"""One connection: bytes in, requests in order, answers in order, bytes out, within bounds and deadlines."""

from __future__ import annotations

import asyncio
import logging
from typing import cast

from fairlead.contract.errors import BodyTooLarge, Busy
from fairlead.runtime.serve.stored import Stored
from fairlead.runtime.serve.transports.http.answers import CONTINUE, JSON, said
from fairlead.runtime.serve.transports.http.chunks import Chunks
from fairlead.runtime.serve.transports.http.ending import reset
from fairlead.runtime.serve.transports.http.exchange import Exchange, Outgoing
from fairlead.runtime.serve.transports.http.gather import Gather
from fairlead.runtime.serve.transports.http.heads import CHUNKED, Head, Judge, Malformed
from fairlead.runtime.serve.transports.http.tls import common_name

DEPTH = 64
"""Requests of one connection that may be unanswered before no more are read from it."""
LINGER_S = 2.0
IDLE_AT_END_S = 1.0
STORED_FROM = 64 * 1024
"""Bytes of a large body that have come before it is stored: whoever announces one and sends none opens no file."""
_HEAVY = 256 * 1024
_log = logging.getLogger("fairlead.serve")


_NOBODY = Head("GET", "", "", {"connection": "close"}, 0, True)


class Connection(asyncio.Protocol):
    """States: between requests (buffer empty), in a head (buffer, no head), in a body (head), over (last).

    asked: taken and unanswered, in order. last: nothing more is taken. attend: there is more to do after an answer
    than to send it. deadline: monotonic seconds until which what is going on must be over, 0.0 between requests.
    """

    __slots__ = (
        "_choked",
        "_chunks",
        "_counted",
        "_head",
        "_heavy",
        "_held_back",
        "_judge",
        "_judged",
        "_owes_continue",
        "_paused",
        "_refused",
        "_secure",
        "_sending",
        "_stored",
        "_unsent",
        "active",
        "asked",
        "attend",
        "buffer",
        "deadline",
        "ended",
        "gather",
        "last",
        "lost",
        "peer",
        "transport",
    )

    def __init__(self, gather: Gather) -> None:
        self.gather = gather
        self.asked: list[Exchange] = []
        self.buffer: bytearray | None = None
        self.peer: str | None = None
        self.last = self.lost = self.ended = self.attend = False
        self.active = gather.now
        self.deadline = 0.0
        self._head: Head | None = None
        self._chunks: Chunks | None = None
        self._judge: Judge | None = None
        self._stored: Stored | None = None
        self._choked = self._held_back = self._paused = self._owes_continue = False
        self._secure = self._refused = self._sending = self._heavy = False
        self._judged = self._counted = self._unsent = 0

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        gather = self.gather
        certificate = transport.get_extra_info("peercert")
        self._secure = transport.get_extra_info("ssl_object") is not None
        if certificate:
            self.peer = common_name(certificate)
        gather.connections.add(self)
        if len(gather.connections) > gather.server.max_connections:
            self._refuse_busy()

    def data_received(self, data: bytes) -> None:
        gather = self.gather
        self.active = gather.now
        if not (self.buffer or self.asked or self.last or self._head):
            # The common case by itself: one whole request, and nothing else under way.
            end = data.find(b"\r\n\r\n") + 4
            head = gather.known.get(data[:end])
            if head is None and 4 <= end <= gather.head_bytes and data[0] != 13:
                try:
                    head = gather.heads.read(data[:end])
                except Malformed as wrong:
                    self.refuse(wrong.code, str(wrong))
                    return
            if head is not None and len(data) - end == head.length <= gather.limits.max_body_bytes:
                exchange = Exchange(self, head, data[end:])
                self.asked.append(exchange)
                gather.take(exchange)
                return
        elif self.last:
            return
        if self.buffer is None:
            self.buffer = bytearray(data)
        else:
            self.buffer += data
        self._advance()

    def eof_received(self) -> bool:
        """A client that only stopped sending gets what it asked for."""
        self.ended = self.last = self.attend = True
        return bool(self.asked) and not self._secure

    def connection_lost(self, failed: Exception | None) -> None:
        self.lost = self.last = True
        self._let_go()
        for exchange in self.asked:
            if type(exchange.out) is Outgoing:
                exchange.out.body.close()
        self.asked.clear()
        self.gather.gone(self)

    def pause_writing(self) -> None:
        """The client does not read: nothing more is read from it until it does."""
        self._choked = True
        self._unsent = self.transport.get_write_buffer_size()
        self.deadline = self.gather.now + self.gather.limits.timeout_s
        self._hold_back()

    def resume_writing(self) -> None:
        self._choked = False
        now = self.gather.now
        if self.last:
            self.deadline = now + LINGER_S
        else:
            self.deadline = now + self.gather.limits.timeout_s if self._head is not None or self.buffer else 0.0
        self.gather.soon(self._go_on)
        if self.asked and type(self.asked[0].out) is Outgoing and not self._sending:
            self._sending = True
            self.gather.soon(self._send_on)

    # Reading.

    def _advance(self) -> None:
        """Take from the buffer all requests that are whole, as far as they may be taken."""
        buffer = self.buffer
        assert buffer is not None
        try:
            while buffer or self._head is not None:
                if self.last:
                    return
                if self._head is None:
                    if self._choked or len(self.asked) >= DEPTH or (self.asked and self._waits_for(self.asked[-1])):
                        self._hold_back()
                        return
                    if not self._read_head(buffer):
                        return
                if not self._read_body(buffer):
                    return
        except Malformed as wrong:
            self.refuse(wrong.code, str(wrong))
            return
        if not self.last:
            self.buffer = None

    def _waits_for(self, exchange: Exchange) -> bool:
        """Whether nothing is read ahead of its answer."""
        return (self._heavy and exchange.later) or len(exchange.body) > _HEAVY

    def _read_head(self, buffer: bytearray) -> bool:
        """Whether a head is there now. Raises Malformed."""
        gather = self.gather
        while buffer[:2] == b"\r\n":
            # Tolerated before a request line (RFC 9112, section 2.2). The first half of it may have been judged.
            del buffer[:2]
            self._judge, self._judged = None, 0
        end = buffer.find(b"\r\n\r\n", max(0, self._judged - 3)) + 4
        if end < 4 or end > gather.head_bytes:
            if len(buffer) > gather.head_bytes:
                raise Malformed(431, f"the head of a request may have {gather.head_bytes} bytes")
            self._judge_part(buffer)
            return False
        raw = bytes(buffer[:end])
        del buffer[:end]
        self._judge, self._judged = None, 0
        head = gather.heads.read(raw)
        self._head = head
        limit = gather.limits.max_body_bytes
        if head.length > limit:
            raise Malformed(413, str(BodyTooLarge(limit)))
        if head.length == CHUNKED:
            self._chunks = Chunks()
        if head.length:
            self.deadline = gather.now + gather.limits.timeout_s
            if self._may_store() and head.length > gather.limits.batch_bytes and not self._admitted(head):
                return False
            if head.expects and not buffer:
                self._say_continue()
        return True

    def _judge_part(self, buffer: bytearray) -> None:
        """What cannot become a head is refused now and not when its time is over. Raises Malformed."""
        if not buffer:
            return
        if self._judge is None:
            self._judge = Judge()
            self.deadline = self.gather.now + self.gather.server.header_s
        self._judge.feed(bytes(buffer[self._judged :]))
        self._judged = len(buffer)

    def _say_continue(self) -> None:
        if self.asked:
            self._owes_continue = self.attend = True
            return
        self._owes_continue = False
        self.transport.write(CONTINUE)

    def _read_body(self, buffer: bytearray) -> bool:
        """Whether the request is whole now, and taken. Raises Malformed."""
        head, chunks = self._head, self._chunks
        assert head is not None
        limits, here, size, whole = self.gather.limits, buffer, head.length, False
        if chunks is not None:
            whole = chunks.take(buffer)
            if chunks.size > limits.max_body_bytes:
                raise Malformed(413, str(BodyTooLarge(limits.max_body_bytes)))
            here, size = chunks.body, chunks.size
        if self._stored is None and len(here) > STORED_FROM and size > limits.batch_bytes and self._may_store():
            if chunks is not None and not self._admitted(head):
                return False
            self._stored = self.gather.store()
        stored = self._stored
        if stored is not None:
            left = len(here) if chunks is not None else head.length - stored.size
            self.gather.put(stored, here[:left])
            del here[:left]
        if chunks is None:
            whole = len(here) + (0 if stored is None else stored.size) >= head.length
        if not whole:
            self._count(len(here))
            if stored is not None:
                self._rest()
            return False
        self._stored = None
        body = b""
        if stored is None:
            body = bytes(here) if chunks is not None or len(here) == head.length else bytes(here[: head.length])
            if chunks is None:
                del here[: head.length]
        self._let_go()
        self.deadline = 0.0
        if not head.keeps:
            self.last = self.attend = True
        exchange = Exchange(self, head, body)
        self.asked.append(exchange)
        if stored is None:
            self._heavy = False
            self.gather.take(exchange)
        else:
            self._heavy = True
            self.gather.take_large(exchange, stored)
        return True

    def _may_store(self) -> bool:
        return self.gather.answer_large is not None and self.gather.limits.batch_bytes > 0

    def _admitted(self, head: Head) -> bool:
        """Whether a large body is worth reading; if not, its request is answered and the connection ends."""
        exchange = Exchange(self, head.without_body(), b"")
        self.asked.append(exchange)
        self._refused = True
        if self.gather.admits(exchange):
            self.asked.remove(exchange)
            self._refused = False
            return True
        self.last = self.attend = True
        self._let_go()
        self.buffer = None
        return False

    def _rest(self) -> None:
        """One piece a turn of the loop, however fast they come."""
        if not self._paused and not self.lost:
            self._paused = True
            self.transport.pause_reading()
            self.gather.soon(self._rested)

    def _rested(self) -> None:
        if not (self.lost or self._held_back):
            self._read_again()

    def _count(self, held: int) -> None:
        """All bodies that are arriving are bounded together."""
        gather = self.gather
        gather.held += held - self._counted
        self._counted = held
        if gather.held > gather.max_held:
            raise Malformed(503, str(Busy()))

    def _let_go(self) -> None:
        self.gather.held -= self._counted
        self._counted = 0
        self._head = self._chunks = None
        if self._stored is not None:
            self._stored.close()
            self._stored = None
        self._owes_continue = False

    # Answering.

    def refuse(self, code: int, says: str) -> None:
        """Answer in turn what is no request, and end the connection."""
        self._let_go()
        self.buffer = None
        self.last = self.attend = self._refused = True
        exchange = Exchange(self, _NOBODY, b"")
        self.asked.append(exchange)
        self.gather.turned_away(code)
        exchange.reply(code, [JSON, ("retry-after", "1")] if code == 503 else [JSON], said(says))

    def ready(self, exchange: Exchange) -> None:
        """One of several is answered; if none before it is missing, send after this tick."""
        if not self._sending and self.asked[0] is exchange:
            self._sending = True
            self.gather.soon(self.answered)

    def answered(self) -> None:
        """Send what is ready, in order; when nothing is missing any more go on reading, or end."""
        self._sending = False
        if self.lost:
            return
        asked = self.asked
        ready: list[bytes] = []
        while asked and (out := asked[0].out) is not None:
            if isinstance(out, Outgoing):
                if not self._send(out, ready):
                    break
            else:
                ready.append(out)
            del asked[0]
        if ready:
            self.transport.writelines(ready)
        if asked:
            return
        if self.last:
            self._finish()
            return
        if self._owes_continue:
            self._say_continue()
        if self._held_back:
            self.gather.soon(self._go_on)
        else:
            self.attend = False

    def _send(self, out: Outgoing, ready: list[bytes]) -> bool:
        """Whether all of a stored answer is sent with its next piece; else the rest follows as the client reads."""
        if self._choked:
            return False
        if out.head:
            ready.append(out.head)
            out.head = b""
        try:
            piece = out.body.piece(out.at)
        except (OSError, EOFError) as failed:
            _log.error("an answer could not be read: %s", type(failed).__name__)
            self.transport.abort()
            return False
        out.at += len(piece)
        ready.append(piece)
        if out.at < out.body.size:
            self._sending = True
            self.gather.soon(self._send_on)
            return False
        out.body.close()
        return True

    def _send_on(self) -> None:
        """If the client read meanwhile; else `resume_writing` comes back to it."""
        self._sending = False
        if not self._choked:
            self.answered()

    def says_goodbye(self, exchange: Exchange) -> bool:
        """While the server ends: whether this answer is the last that the client waits for."""
        return self.asked[-1] is exchange and not self.buffer and self._head is None

    def _hold_back(self) -> None:
        self._held_back = self.attend = True
        if not self._paused and not self.lost:
            self._paused = True
            self.transport.pause_reading()

    def _go_on(self) -> None:
        if self.lost or self._choked or self.last:
            return
        self._held_back = False
        if self.buffer:
            self._advance()
        if not self._held_back and not self.last:
            self.attend = self._owes_continue
            self._read_again()

    def _read_again(self) -> None:
        if self._paused:
            self._paused = False
            self.transport.resume_reading()

    # Ending.

    def _finish(self) -> None:
        """All is answered. Unread input would reset the connection and lose the answer, so the rest is let in."""
        self.buffer = None
        if self.ended or self._choked or (self._secure and not self._refused):
            # TLS has a word of its own for the end, and waits for the client's.
            self.transport.close()
            return
        self._read_again()
        if not self._secure:
            self.transport.write_eof()
        self.deadline = self.gather.now + LINGER_S

    def abort(self) -> None:
        """Now."""
        if not self.lost:
            self.transport.abort()

    def _refuse_busy(self) -> None:
        self.refuse(503, str(Busy()))

    def sweep(self, now: float) -> None:
        """What is over its time ends."""
        gather = self.gather
        if self.deadline:
            if now >= self.deadline:
                self._overdue()
        elif self.asked:
            # Idle is what waits for the client, not who waits for us.
            self.active = now
        elif gather.closing:
            if now - max(self.active, gather.closing) >= IDLE_AT_END_S:
                self.transport.close()
        elif now - self.active >= gather.server.keep_alive_s:
            self.transport.close()

    def _overdue(self) -> None:
        if self._choked:
            left = self.transport.get_write_buffer_size()
            if left <= self._unsent - min(self._unsent // 8 + 1, 65536):
                self._unsent = left
                self.deadline = self.gather.now + self.gather.limits.timeout_s
                return
            reset(self.transport)
        elif self.last:
            self.transport.abort()
        elif self._head is not None:
            self.refuse(408, "the body did not arrive in time")
        else:
            self.refuse(408, "the head did not arrive in time")
