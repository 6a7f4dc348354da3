"""The batch lane: large requests are answered by a process of their own, so that they hold up no small one.

Parsing and scoring 100,000 rows keeps a worker's loop busy for a second, in C code that no other thread may
interrupt. A worker passes such a body on, and takes its answer, as a file in memory (`stored`): over a Unix socket, a
connection a request, go heads and descriptors alone. The lane runs the same data plane with a slot, counters and a
spool of its own, so it authenticates, validates, captures and counts like any worker. It loads its models when it is
first asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import logging
import os
import select
import shutil
import signal
import socket
import stat
import struct
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.errors import Busy
from fairlead.contract.ports import Application, Request
from fairlead.contract.routes import Limits
from fairlead.runtime.bundle.collecting import no_collection
from fairlead.runtime.serve.clock import steady
from fairlead.runtime.serve.stored import PIECE, Stored

WAITING = 4
"""Requests that one worker may have in the lane at once; further ones are turned away."""

SMALL = 4096
"""Bytes of a body up to which nobody asks whether it is for the lane."""

EXPLAINING = "fairlead.runtime.serve.explaining.plane:open_plane"
"""The factory of the process that explains."""

_PREFIX, _HELD = "fairlead-lane-", "held"
_MAKING_S = 60.0
"""So old a folder is before it may be left: its server locks it right after it made it."""
_LONGEST = 104
"""Bytes of a Unix socket's path, its end included, on the system that allows least."""
_IDLE_S = 0.2
_NICE = 5
_SIZE = struct.Struct("<I")
_LARGEST_HEAD = 1 << 20
_AT_ONCE = 65536
_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
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
    """Where workers reach the lane: made before they are forked. `close` takes the socket's folder along, and the next
    one those of servers that were killed: each is locked for as long as a process of its server lives."""

    def __init__(self) -> None:
        sweep()
        # A path of a Unix socket may have little more than 100 characters, so it is not in the home.
        self._folder = tempfile.mkdtemp(prefix=_PREFIX, dir=_root())
        self._held = _hold(Path(self._folder) / _HELD)
        self.path = str(Path(self._folder) / "lane")
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(1024)

    def close(self) -> None:
        self.listener.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._held)


def _root() -> Path:
    """Where folders of doors lie: of temporary files, unless its own path is so long that no socket fits below it."""
    usual = Path(tempfile.gettempdir())
    longest = len(os.fsencode(usual / f"{_PREFIX}12345678" / "lane"))
    return usual if longest < _LONGEST else Path("/tmp")  # noqa: S108 - the folder made in it is its owner's alone


def sweep() -> int:
    """Remove folders of doors whose servers are gone; how many. Those of others and those that may be in the making
    stay."""
    gone, root = 0, _root()
    for folder in root.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            about = folder.lstat()
            if about.st_uid != os.getuid() or not stat.S_ISDIR(about.st_mode):
                continue
            if time.time() - about.st_mtime > _MAKING_S and _left(folder):
                shutil.rmtree(folder, ignore_errors=True)
                gone += 1
    return gone


def _left(folder: Path) -> bool:
    """Whether no process holds a door. One without a lock is of an older version: nobody listens there any more."""
    try:
        os.close(_hold(folder / _HELD, make=False))
    except BlockingIOError:
        return False
    except FileNotFoundError:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
            knock.setblocking(False)
            return knock.connect_ex(str(folder / "lane")) in (errno.ECONNREFUSED, errno.ENOENT)
    return True


def _hold(path: Path, *, make: bool = True) -> int:
    """A lock that ends with the last process that has it: children inherit it. Raises BlockingIOError."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if make else 0), 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(fd)
        raise
    return fd


class Lane:
    """A worker's side. instead: answers a request here when the lane cannot be reached."""

    failed = "a large request could not be answered"

    def __init__(self, path: str, instead: Callable[[Request], None]) -> None:
        self._path, self._instead = path, instead
        self._waiting: set[asyncio.Task[None]] = set()

    def wants(self, request: Request, limits: Limits) -> bool:
        """Whether a request is for the lane: by its size, or because its caller says that it can wait."""
        if not limits.batch_bytes:
            return False
        size = len(request.body)
        return size > limits.batch_bytes or (size > SMALL and request.headers.get("x-priority") == "batch")

    def take(self, request: Request, limits: Limits, body: Stored | None = None) -> None:
        """Pass a request on; its reply comes later. Raises Busy when too many wait already.

        body: the request's, where the transport stored it; closed here unless Busy is raised.
        """
        if len(self._waiting) >= WAITING:
            raise Busy()
        request.later = True
        task = asyncio.get_running_loop().create_task(self._ask(request, body, limits.timeout_s))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _ask(self, request: Request, body: Stored | None, timeout_s: float) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, contextlib.ExitStack() as stack:
            connection.setblocking(False)
            try:
                connection.connect(self._path)
                stored = body or await _stored(request.body)
            except OSError:
                self._answer_here(request, body)
                return
            stack.callback(stored.close)
            try:
                # The lane answers 504 itself; a little more patience leaves it the time to say so.
                said, answer = await asyncio.wait_for(_exchange(connection, request, stored), timeout_s + 5.0)
                _reply(request, said, answer)
            except (OSError, EOFError, TimeoutError, msgspec.MsgspecError):
                again = [("content-type", "application/json"), ("retry-after", "1")]
                request.reply(503, again, msgspec.json.encode({"error": self.failed}))

    def _answer_here(self, request: Request, body: Stored | None) -> None:
        """However long it holds up the others: better than no answer."""
        if body is not None:
            with body:
                request.body = body.read()
        self._instead(request)


async def _stored(body: bytes) -> Stored:
    """A body that came whole, by pieces so that others are answered meanwhile. Raises OSError."""
    stored = Stored.empty()
    try:
        with memoryview(body) as view:
            for at in range(0, len(view), PIECE):
                stored.append(view[at : at + PIECE])
                await asyncio.sleep(0)
    except BaseException:
        stored.close()
        raise
    return stored


async def _exchange(connection: socket.socket, request: Request, body: Stored) -> tuple[_Said, Stored]:
    said = (request.method, request.path, request.query, dict(request.headers.items()), request.peer)
    head = _encode(_Head(*said, request.arrived, request.patience))
    loop = asyncio.get_running_loop()
    data = _SIZE.pack(len(head)) + head
    sent = socket.send_fds(connection, [data], [body.fd])
    if sent < len(data):
        await loop.sock_sendall(connection, data[sent:])
    # The lane has it now, and frees it.
    body.close(last=False)
    message = _Message()
    try:
        while not message.take(connection):
            await _readable(loop, connection)
        return _said(message.head), message.stored()
    finally:
        message.close()


async def _readable(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> None:
    there: asyncio.Future[None] = loop.create_future()

    def come() -> None:
        if not there.done():
            there.set_result(None)

    loop.add_reader(connection.fileno(), come)
    try:
        await there
    finally:
        loop.remove_reader(connection.fileno())


def _reply(request: Request, said: _Said, answer: Stored) -> None:
    """A transport that can sends a large answer from its file; the others get its bytes. Raises OSError, EOFError."""
    later = getattr(request, "reply_stored", None)
    if later is not None and answer.size > PIECE:
        later(said.code, said.headers, answer)
        return
    with answer:
        body = answer.read()
    request.reply(said.code, said.headers, body)


class _Message:
    """What one side says to the other as it comes: four bytes of size, a head of that size, and a file with the rest.

    head: bytes of the head, once it is whole.
    """

    def __init__(self) -> None:
        self._data, self._fds = bytearray(), list[int]()
        self.head = b""

    def take(self, connection: socket.socket) -> bool:
        """Whether it is whole; False where the socket does not wait and has no more. Raises OSError, EOFError."""
        while True:
            try:
                piece, fds, _, _ = socket.recv_fds(connection, _AT_ONCE, 1, _CLOSE_ON_EXEC)
            except BlockingIOError:
                return False
            self._fds += fds
            self._data += piece
            size = _SIZE.unpack_from(self._data)[0] if len(self._data) >= _SIZE.size else 0
            if not piece or size > _LARGEST_HEAD:
                raise EOFError("the other side went away")
            if size and len(self._data) >= _SIZE.size + size:
                self.head = bytes(self._data[_SIZE.size :])
                return True

    def stored(self) -> Stored:
        """The file, which is the caller's from now on. Raises OSError, EOFError."""
        if not self._fds:
            raise EOFError("a message without a file")
        return Stored.taken(self._fds.pop(0))

    def close(self) -> None:
        """The files that nobody took."""
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()


def lanes(settings: Mapping[str, Any]) -> int:
    """How many processes besides the workers a server has; their slots follow the workers'."""
    return len(_doors(settings))


def _doors(settings: Mapping[str, Any]) -> list[tuple[Door, str, str]]:
    """(door, factory, role) of each of them."""
    found = []
    if settings.get("door") is not None:
        found.append((settings["door"], str(settings["factory"]), "batch"))
    if settings.get("explain_door") is not None:
        found.append((settings["explain_door"], EXPLAINING, "explain"))
    return found


def run_lane(slot: int, settings: Mapping[str, Any], lifeline: socket.socket, number: int = 0) -> None:
    """The process of a lane, until SIGTERM or until the supervisor is gone; what is waiting then is answered first.

    settings: as a worker's, with door (Door) and factory ("module:function"), and explain_door (Door) where
    explanations are made. number: which of `lanes` it is.
    """
    door, factory, role = _doors(settings)[number]
    with contextlib.suppress(OSError):
        os.nice(_NICE * (1 + (role == "explain")))
    listener = door.listener
    module, _, name = factory.partition(":")
    own = {**settings, "door": None, "explain_door": None, "role": role}
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
                        plane = getattr(import_module(module), name)(slot, own)
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
    message = _Message()
    try:
        message.take(connection)
        head = _head(message.head)
        with message.stored() as stored:
            if stored.size > limits.max_body_bytes:
                return
            body = stored.read()

        def reply(code: int, headers: Any, said: bytes) -> None:
            out = _encode(_Said(code, list(headers)))
            with Stored.empty() as answer:
                answer.append(said)
                connection.settimeout(max(1.0, head.arrived + limits.timeout_s - steady()))
                data = _SIZE.pack(len(out)) + out
                sent = socket.send_fds(connection, [data], [answer.fd])
                if sent < len(data):
                    # Not where nothing is left: the worker may have hung up by now, and even that would say so.
                    connection.sendall(data[sent:])

        told = (head.method, head.path, head.query, head.headers, body, head.arrived, reply, head.peer, head.patience)
        with no_collection():
            plane.answer([Request(*told)])
    except (OSError, EOFError, msgspec.MsgspecError) as failed:
        _log.warning("a large request was given up: %s", type(failed).__name__)
    finally:
        message.close()
