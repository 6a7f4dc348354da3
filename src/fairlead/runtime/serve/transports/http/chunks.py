"""Bodies in chunks (RFC 9112, section 7.1), decoded as they come.

llhttp does not say where in its input a message ended, which pipelining needs, so this is ours; a property test holds
it against llhttp.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from fairlead.runtime.serve.transports.http.heads import Malformed

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?")
_TRAILER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\x00-\x08\x0a-\x1f\x7f]*")
_LINE, _TRAILERS = 256, 8192
_FREE, _SMALL = 4096, 64


class Chunks:
    """One body. size: bytes announced so far, which may be more than have come."""

    __slots__ = ("_count", "_left", "_step", "_trailers", "body", "size")

    def __init__(self) -> None:
        self.body = bytearray()
        self.size = self._left = self._count = self._trailers = 0
        # A plain function, so that a body is no cycle for the collector.
        self._step: Callable[[Chunks, bytearray], bool] = Chunks._read_size

    def take(self, buffer: bytearray) -> bool:
        """Consume from the front of `buffer` all that can be; True once the body is whole. Raises Malformed."""
        while self._step(self, buffer):
            if self._step is Chunks._done:
                return True
        return False

    def _line(self, buffer: bytearray, limit: int) -> bytes | None:
        end = buffer.find(b"\n", 0, limit)
        if end < 0:
            if len(buffer) >= limit:
                raise Malformed(400, "not valid HTTP: a line of a chunk is too long")
            return None
        if end == 0 or buffer[end - 1] != 13:
            raise Malformed(400, "not valid HTTP: a line of a chunk ends without carriage return")
        line = bytes(buffer[: end - 1])
        del buffer[: end + 1]
        return line

    def _read_size(self, buffer: bytearray) -> bool:
        line = self._line(buffer, _LINE)
        if line is None:
            return False
        found = _SIZE.fullmatch(line)
        if found is None:
            raise Malformed(400, "not valid HTTP: a chunk has no size")
        self._left = int(found[1], 16)
        self.size += self._left
        self._count += 1
        if self._count > _FREE + self.size // _SMALL:
            raise Malformed(400, "the body comes in too many too small chunks")
        self._step = Chunks._read_data if self._left else Chunks._read_trailers
        return True

    def _read_data(self, buffer: bytearray) -> bool:
        if self._left:
            if not buffer:
                return False
            piece = buffer[: self._left]
            self.body += piece
            self._left -= len(piece)
            del buffer[: len(piece)]
        if self._left or len(buffer) < 2:
            if not self._left and buffer and buffer[0] != 13:
                raise Malformed(400, "not valid HTTP: a chunk is longer than it said")
            return False
        if buffer[:2] != b"\r\n":
            raise Malformed(400, "not valid HTTP: a chunk is longer than it said")
        del buffer[:2]
        self._step = Chunks._read_size
        return True

    def _read_trailers(self, buffer: bytearray) -> bool:
        line = self._line(buffer, _TRAILERS - self._trailers)
        if line is None:
            return False
        self._trailers += len(line) + 2
        if not line:
            self._step = Chunks._done
        elif not _TRAILER.fullmatch(line) or self._trailers >= _TRAILERS:
            raise Malformed(400, "not valid HTTP: a trailer is no header")
        return True

    def _done(self, buffer: bytearray) -> bool:
        return False
