"""The control plane's side: signed routes and bundles for servers on other machines, and their leases.

Leases become the same files in `run/` that workers of this machine write, so `deploy` waits for all of them, and
`status` shows all of them.
"""

from __future__ import annotations

import contextlib
import hmac
import re
import socket
import ssl
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.errors import BundleNotFound, FairleadError, UsageError
from fairlead.runtime.bundle import BundleStore, SigningKey
from fairlead.runtime.bundle.manifest import LIMITS
from fairlead.runtime.serve import routes as published
from fairlead.runtime.serve.access.starting import is_loopback
from fairlead.runtime.serve.remote.document import EPOCH, Document, epoch_of, etag_of, signed
from fairlead.runtime.serve.workers import STALE_S, WorkerStatus, is_alive, report, status_path, url_of

ROUTES = "/routes"
MOST_BODY, MOST_WORKERS, MOST_LEASES = 1 << 20, 512, 4096
AT_ONCE, TIMEOUT_S = 64, 15.0
FORGET_S = 86_400.0
_BUNDLE = re.compile(r"/bundles/([0-9a-f]{64})/([a-z_./]+)")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


class Handing(ThreadingHTTPServer):
    """Hands out one home. address: (host, port), 0 for a free one. token: what servers must know."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self, address: tuple[str, int], home: Path, key: SigningKey, token: str, *, insecure: bool = False,
        certificate: str = "", certificate_key: str = "",
    ) -> None:  # fmt: skip
        if not (certificate or insecure or is_loopback(address[0])):
            raise UsageError(
                f"{address[0] or 'every address'} can be reached from other machines, and routes hold keys: give "
                "[serve] tls_certificate and tls_key, or your word that plain HTTP is meant here (--insecure)."
            )
        self.home, self._key, self._token = Path(home), key, token.encode()
        self.store = BundleStore(self.home / "bundles")
        self._room = threading.BoundedSemaphore(AT_ONCE)
        self._lock = threading.Lock()
        self._known: tuple[Any, bytes] | None = None
        self._open: set[Any] = set()
        try:
            super().__init__(address, _Handler)
        except OSError as failed:
            raise UsageError(f"{address[0]}:{address[1]} cannot be listened on: {failed.strerror}.") from None
        self._context: ssl.SSLContext | None = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.minimum_version = ssl.TLSVersion.TLSv1_2
            self._context.load_cert_chain(certificate, certificate_key or None)

    @property
    def url(self) -> str:
        """Where the routes are, for programs on this machine."""
        host, port = str(self.server_address[0]), int(self.server_address[1])
        return url_of("https" if self._context else "http", host, port) + ROUTES

    def document(self) -> bytes:
        """The signed routes as they are now. Raises StateError for a file that is none."""
        path = self.home / published.FILE
        stamp = (published.stamp(path), published.stamp(self.home / EPOCH))
        with self._lock:
            if self._known is None or self._known[0] != stamp:
                found = Document(epoch_of(self.home), published.read(path))
                self._known = (stamp, signed(found, self._key))
            return self._known[1]

    @property
    def crowded(self) -> bool:
        """Whether connections are not to be kept: those of servers that ask every two seconds would never end, and
        leave no room for others."""
        return len(self._open) > AT_ONCE // 2

    def knows(self, authorization: str) -> bool:
        """Whether a request says the secret; in constant time."""
        return hmac.compare_digest(authorization.encode(), b"Bearer " + self._token)

    def take_lease(self, body: bytes, peer: str) -> HTTPStatus:
        """Keep what a server says of its workers."""
        try:
            told = msgspec.json.decode(body, type=list[WorkerStatus])
        except (msgspec.MsgspecError, UnicodeError):
            return HTTPStatus.BAD_REQUEST
        if len(told) > MOST_WORKERS or not all(_NAME.fullmatch(one.instance) and 0 <= one.slot < 512 for one in told):
            return HTTPStatus.BAD_REQUEST
        with self._lock:
            self._sweep()
            if any(self._taken(one) for one in told):
                return HTTPStatus.CONFLICT
            for one in told:
                hidden = one.host in {"", "0.0.0.0", "::"} or is_loopback(one.host)  # noqa: S104
                report(self.home, msgspec.structs.replace(one, host=peer) if hidden else one)
        return HTTPStatus.NO_CONTENT

    def _taken(self, told: WorkerStatus) -> bool:
        """Whether another machine, or another server of that machine, lives under this name."""
        path = status_path(self.home, told.instance, told.slot)
        try:
            before = msgspec.json.decode(path.read_bytes(), type=WorkerStatus)
            fresh = time.time() - path.stat().st_mtime < STALE_S
        except (OSError, msgspec.MsgspecError, UnicodeError):
            return False
        # Of a machine, its ports tell servers apart; one that was killed may come back on another port.
        beside = before.port != told.port and before.pid != told.pid and is_alive(before, path)
        return (before.machine != told.machine or beside) and fresh and before.state != "stopping"

    def _sweep(self) -> None:
        """Leases of servers that have not been heard of for a day go, so that names that never return do not stay."""
        files = sorted((self.home / "run").glob("worker-*.json"))
        oldest = time.time() - (FORGET_S if len(files) < MOST_LEASES else STALE_S)
        for path in files:
            try:
                if path.stat().st_mtime < oldest:
                    path.unlink()
            except OSError:
                continue

    def get_request(self) -> tuple[Any, Any]:
        connection, peer = super().get_request()
        connection.settimeout(TIMEOUT_S)
        if self._context is not None:
            # Shaken hands in the handler's thread, so that a caller who says nothing holds up nobody.
            connection = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, peer

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._room.acquire(timeout=TIMEOUT_S):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.discard(request)
            self._room.release()

    def server_close(self) -> None:
        """Listen no more, and let go of the connections that are kept open."""
        super().server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "fairlead", ""
    timeout = TIMEOUT_S
    server: Handing

    def do_GET(self) -> None:
        if not self._may():
            return
        if self.path == ROUTES:
            self._routes()
            return
        found = _BUNDLE.fullmatch(self.path)
        if found is None or found[2] not in LIMITS:
            self._say(HTTPStatus.NOT_FOUND)
            return
        try:
            path = self.server.store.path(found[1]) / found[2]
            with path.open("rb") as file:
                size = path.stat().st_size
                self._head(HTTPStatus.OK, size)
                self.wfile.flush()
                self.copy(file, size)
        except (BundleNotFound, FileNotFoundError):
            self._say(HTTPStatus.NOT_FOUND)

    def copy(self, file: Any, size: int) -> None:
        """Send `size` bytes."""
        while size > 0 and (piece := file.read(min(size, 1 << 18))):
            size -= len(piece)
            self.wfile.write(piece)

    def do_POST(self) -> None:
        if not self._may():
            return
        if self.path != "/lease":
            self.close_connection = True  # its body is not read, and would pass for the next request
            self._say(HTTPStatus.NOT_FOUND)
            return
        length = self.headers.get("content-length") or ""
        if not length.isdigit() or int(length) > MOST_BODY:
            self.close_connection = True
            self._say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        self._say(self.server.take_lease(self.rfile.read(int(length)), str(self.client_address[0])))

    def _routes(self) -> None:
        try:
            data = self.server.document()
        except (FairleadError, OSError):
            self._say(HTTPStatus.SERVICE_UNAVAILABLE)
            return
        tag = etag_of(data)
        if self.headers.get("if-none-match") == tag:
            self._say(HTTPStatus.NOT_MODIFIED, tag)
            return
        self._head(HTTPStatus.OK, len(data), tag)
        self.wfile.write(data)

    def _may(self) -> bool:
        if self.server.knows(self.headers.get("authorization") or ""):
            return True
        self.close_connection = True
        self._say(HTTPStatus.UNAUTHORIZED)
        return False

    def _say(self, status: HTTPStatus, tag: str = "") -> None:
        self._head(status, 0, tag)

    def _head(self, status: HTTPStatus, size: int, tag: str = "") -> None:
        self.send_response(status)
        if status is not HTTPStatus.NO_CONTENT and status is not HTTPStatus.NOT_MODIFIED:
            self.send_header("content-length", str(size))
        if tag:
            self.send_header("etag", tag)
        if self.server.crowded:
            self.close_connection = True
            self.send_header("connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what servers ask every two seconds is no news, and a line could hold a secret."""
