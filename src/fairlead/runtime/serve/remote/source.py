"""Asking a control plane: bounded in size and time, never by a redirect, and in the clear only where that is meant."""

from __future__ import annotations

import http.client
import ssl
import time
from typing import BinaryIO, NamedTuple
from urllib.parse import urlsplit

from fairlead.contract.errors import RemoteError, UsageError
from fairlead.runtime.serve.access.starting import LEAST_CHARACTERS, is_loopback

VARIABLE = "FAIRLEAD_ROUTES_TOKEN"
"""Environment variable of the secret that servers and their control plane share."""

TIMEOUT_S = 5.0
LONGEST_S = 600.0
_PIECE = 1 << 18


def token_in(environ: dict[str, str]) -> str:
    """The shared secret. Raises UsageError for none, and for one that could be guessed."""
    token = environ.get(VARIABLE, "").strip()
    if len(token) < LEAST_CHARACTERS:
        raise UsageError(
            f"routes by URL hold keys, so both sides share a secret: set {VARIABLE} to at least "
            f"{LEAST_CHARACTERS} characters (`openssl rand -hex 32` makes some)."
        )
    return token


class Reply(NamedTuple):
    """status of HTTP; etag, "" for none."""

    status: int
    etag: str


class Source:
    """One address of routes; bundles and leases are beside it. Not for several threads at once."""

    def __init__(self, url: str, token: str, insecure: bool = False) -> None:
        try:
            parts = urlsplit(url)
            self._host, self._port, self._token = parts.hostname or "", parts.port, token
        except ValueError:
            raise UsageError("routes come from an address as https://HOST:PORT/routes; this is none.") from None
        self._secure = parts.scheme == "https"
        plain = parts.scheme == "http" and (insecure or is_loopback(self._host))
        if not self._host or not (self._secure or plain):
            raise UsageError(
                f"routes come by https, not from {parts.scheme or 'such an address'}: they hold keys. Plain http is "
                "taken from this machine, and from others where that is meant (--insecure, or [serve] insecure = true)."
            )
        self.path = parts.path or "/routes"
        self._folder = self.path.rpartition("/")[0]
        self._connection: http.client.HTTPConnection | None = None

    def get(self, name: str, into: BinaryIO, limit: int, etag: str = "") -> Reply:
        """Ask for what lies beside the routes (or, for "", for them) and write it into a file.

        Raises RemoteError where it cannot be had whole: no answer, too large, too slow.
        """
        path = f"{self._folder}/{name}" if name else self.path
        reply = self._ask("GET", path, None, {"if-none-match": etag} if etag else {})
        if reply.status in {301, 302, 303, 307, 308}:
            raise RemoteError("the control plane sends elsewhere; redirects are not followed")
        until, size = time.monotonic() + LONGEST_S, 0
        try:
            while piece := reply.read1(_PIECE):
                size += len(piece)
                if size > limit:
                    raise RemoteError(f"{name or 'the routes'}: larger than {limit} bytes")
                if time.monotonic() > until:
                    raise RemoteError(f"{name or 'the routes'}: did not arrive within {LONGEST_S:g} s")
                if reply.status == 200:
                    into.write(piece)
        except RemoteError:
            self.close()
            raise
        except (OSError, http.client.HTTPException, ValueError) as failed:
            self.close()
            raise RemoteError(f"{name or 'the routes'}: broke off ({type(failed).__name__})") from failed
        if reply.status == 200 and reply.length:
            self.close()
            raise RemoteError(f"{name or 'the routes'}: broke off after {size} bytes")
        return Reply(reply.status, reply.headers.get("etag") or "")

    def post(self, name: str, body: bytes) -> int:
        """Send something to an address beside the routes; the status. Raises RemoteError."""
        reply = self._ask("POST", f"{self._folder}/{name}", body, {"content-type": "application/json"})
        try:
            if reply.read(1 << 16) and reply.length:
                self.close()
        except (OSError, http.client.HTTPException):
            self.close()
        return reply.status

    def _ask(self, method: str, path: str, body: bytes | None, head: dict[str, str]) -> http.client.HTTPResponse:
        for fresh in (self._connection is None, True):
            try:
                if self._connection is None:
                    self._connection = self._connect()
                self._connection.request(
                    method, path, body, {"authorization": f"Bearer {self._token}", "connection": "keep-alive", **head}
                )
                return self._connection.getresponse()
            except (OSError, http.client.HTTPException) as failed:
                self.close()
                # A kept connection may have been closed meanwhile: asked once more on a new one.
                if fresh:
                    raise RemoteError(f"the control plane cannot be reached: {_said(failed)}") from failed
        raise AssertionError("unreachable")

    def _connect(self) -> http.client.HTTPConnection:
        if not self._secure:
            return http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        return http.client.HTTPSConnection(
            self._host, self._port, timeout=TIMEOUT_S, context=ssl.create_default_context()
        )

    def close(self) -> None:
        """Let go of the connection; asking again makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _said(failed: Exception) -> str:
    return (getattr(failed, "strerror", None) or type(failed).__name__)[:200]
