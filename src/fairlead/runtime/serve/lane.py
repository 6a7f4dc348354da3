"""The batch lane: large requests are answered by a process of their own, so that they hold up no small one.

Parsing and scoring 100,000 rows keeps a worker's loop busy for a second, in C code that no other thread may
interrupt. A worker passes such a body on over a Unix socket, a connection a request, and waits for the answer
without standing still. The lane runs the same data plane with a slot, counters and a spool of its own, so it
authenticates, validates, captures and counts like any worker. It loads its models when it is first asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import shutil
import signal
import socket
import struct
import tempfile
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.errors import Busy
from fairlead.contract.ports import Application, Request
from fairlead.contract.routes import Limits
from fairlead.runtime.serve.clock import steady

WAITING = 4
"""Requests that one worker may have in the lane at once; further ones are turned away."""

SMALL = 4096
"""Bytes of a body up to which nobody asks whether it is for the lane."""

_IDLE_S = 0.2
_NICE = 5
_SIZES = struct.Struct("<IQ")
_LARGEST_HEAD = 1 << 20
_log = logging.getLogger("fairlead.serve")


class _Head(msgspec.Struct, array_like=True):
    method: str
    path: str
    query: str
    headers: dict[str, str]
    peer: str | None
    arrived: float
    patience: float | None


class _Said(msgspec.Struct, array_like=True):
    code: int
    headers: list[tuple[str, str]]


_encode = msgspec.msgpack.Encoder().encode
_head = msgspec.msgpack.Decoder(_Head).decode
_said = msgspec.msgpack.Decoder(_Said).decode


class Door:
    """Where workers reach the lane: made before they are forked. `close` takes the socket's folder along."""

    def __init__(self) -> None:
        # A path of a Unix socket may have little more than 100 characters, so it is not in the home.
        self._folder = tempfile.mkdtemp(prefix="fairlead-lane-")
        self.path = str(Path(self._folder) / "lane")
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(64)

    def close(self) -> None:
        self.listener.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class Lane:
    """A worker's side. instead: answers a request here when the lane cannot be reached."""

    def __init__(self, path: str, instead: Callable[[Request], None]) -> None:
        self._path, self._instead = path, instead
        self._waiting: set[asyncio.Task[None]] = set()

    def wants(self, request: Request, limits: Limits) -> bool:
        """Whether a request is for the lane: by its size, or because its caller says that it can wait."""
        if not limits.batch_bytes:
            return False
        size = len(request.body)
        return size > limits.batch_bytes or (size > SMALL and request.headers.get("x-priority") == "batch")

    def take(self, request: Request, limits: Limits) -> None:
        """Pass a request on; its reply comes later. Raises Busy when too many wait already."""
        if len(self._waiting) >= WAITING:
            raise Busy()
        request.later = True
        task = asyncio.get_running_loop().create_task(self._ask(request, limits.timeout_s))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _ask(self, request: Request, timeout_s: float) -> None:
        try:
            reader, writer = await asyncio.open_unix_connection(self._path, limit=1 << 20)
        except OSError:
            self._instead(request)
            return
        try:
            # The lane answers 504 itself; a little more patience leaves it the time to say so.
            said, body = await asyncio.wait_for(_exchange(reader, writer, request), timeout_s + 5.0)
            request.reply(said.code, said.headers, body)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, msgspec.MsgspecError):
            again = [("content-type", "application/json"), ("retry-after", "1")]
            request.reply(503, again, msgspec.json.encode({"error": "a large request could not be answered"}))
        finally:
            writer.close()


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request
) -> tuple[_Said, bytes]:
    said = (request.method, request.path, request.query, dict(request.headers.items()), request.peer)
    head = _encode(_Head(*said, request.arrived, request.patience))
    writer.write(_SIZES.pack(len(head), len(request.body)) + head)
    writer.write(request.body)
    await writer.drain()
    sizes = _SIZES.unpack(await reader.readexactly(_SIZES.size))
    return _said(await reader.readexactly(sizes[0])), await reader.readexactly(sizes[1])


def lanes(settings: Mapping[str, Any]) -> int:
    """How many processes besides the workers a server has; their slots follow the workers'."""
    return 0 if settings.get("door") is None else 1


def run_lane(slot: int, settings: Mapping[str, Any], lifeline: socket.socket) -> None:
    """The lane's process, until SIGTERM or until the supervisor is gone; what is waiting then is answered first.

    settings: as a worker's, with door (Door) and factory ("module:function").
    """
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    listener: socket.socket = settings["door"].listener
    module, _, name = str(settings["factory"]).partition(":")
    inbox, outbox = socket.socketpair()
    outbox.setblocking(False)
    signal.set_wakeup_fd(outbox.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    plane: Application | None = None
    ends: list[socket.socket] = [inbox, lifeline]
    try:
        while True:
            ready, _, _ = select.select([listener, *ends], [], [], None if ends else _IDLE_S)
            if listener in ready:
                connection, _ = listener.accept()
                with connection:
                    if plane is None:
                        plane = getattr(import_module(module), name)(slot, {**settings, "door": None, "role": "batch"})
                    _serve(connection, plane)
            elif not ready:
                return
            elif ends:
                if plane is None:
                    return
                ends = []
    finally:
        if plane is not None:
            plane.close()


def _serve(connection: socket.socket, plane: Application) -> None:
    """One request. A worker that went away is no reason to end."""
    limits = plane.limits()
    connection.settimeout(limits.timeout_s)
    try:
        head_size, size = _SIZES.unpack(_read(connection, _SIZES.size))
        if head_size > _LARGEST_HEAD or size > limits.max_body_bytes:
            return
        head = _head(_read(connection, head_size))
        body = bytes(_read(connection, size))

        def reply(code: int, headers: Any, said: bytes) -> None:
            out = _encode(_Said(code, list(headers)))
            connection.settimeout(max(1.0, head.arrived + limits.timeout_s - steady()))
            connection.sendall(_SIZES.pack(len(out), len(said)) + out)
            connection.sendall(said)

        told = (head.method, head.path, head.query, head.headers, body, head.arrived, reply, head.peer, head.patience)
        plane.answer([Request(*told)])
    except (OSError, EOFError, msgspec.MsgspecError) as failed:
        _log.warning("a large request was given up: %s", type(failed).__name__)


def _read(connection: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view, at = memoryview(data), 0
    while at < size:
        got = connection.recv_into(view[at:])
        if not got:
            raise EOFError
        at += got
    return data
