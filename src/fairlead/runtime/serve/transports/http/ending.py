"""The end of a connection whose other side no longer reads."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

_AT_ONCE = struct.pack("ii", 1, 0)


def reset(transport: asyncio.Transport) -> None:
    """End it and drop what the client did not take, in the kernel, too.

    A socket that is closed as usual keeps what was written, up to megabytes, for as long as the client is there and
    reads nothing; the client does not learn that it was given up.
    """
    own = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()
