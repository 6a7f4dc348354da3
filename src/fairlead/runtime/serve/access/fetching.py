"""A JWKS from a file or by HTTPS: bounded in size and time, and never by a redirect."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fairlead.contract.errors import RemoteError
from fairlead.runtime.serve.access.starting import is_loopback

MOST_BYTES = 1 << 20
TIMEOUT_S = 5.0
_PIECE = 1 << 16


def is_fetchable(address: str) -> bool:
    """Whether keys may come from there: a file, HTTPS, or HTTP that does not leave this machine.

    >>> [is_fetchable(a) for a in ("keys.json", "https://id.example/keys", "http://id.example/keys", "ftp://x/y")]
    [True, True, False, False]
    """
    if "://" not in address:
        return bool(address)
    parts = urlsplit(address)
    host = parts.hostname or ""
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


def fetch(address: str) -> bytes:
    """The bytes there. Raises RemoteError, OSError."""
    if not is_fetchable(address):
        raise RemoteError("keys of an issuer come from a file or by https")
    if "://" not in address:
        with Path(address).open("rb") as file:
            return _bounded(file)
    import urllib.request

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any, **__: Any) -> None:
            return None

    opener = urllib.request.build_opener(NoRedirect)
    with opener.open(address, timeout=TIMEOUT_S) as reply:
        return _bounded(reply)


def _bounded(stream: Any) -> bytes:
    """All of a stream, at most `MOST_BYTES`, within the time: a sender that drips is given up."""
    pieces, size, until = [], 0, time.monotonic() + TIMEOUT_S
    # read1 gives what has arrived; read would wait for a full piece.
    while piece := stream.read1(_PIECE):
        size += len(piece)
        if size > MOST_BYTES:
            raise RemoteError(f"the issuer's keys are larger than {MOST_BYTES} bytes")
        if time.monotonic() > until:
            raise RemoteError(f"the issuer's keys did not arrive within {TIMEOUT_S:g} s")
        pieces.append(piece)
    return b"".join(pieces)
