"""What a request offers to prove who asks: `x-api-key`, `authorization: Bearer`, or the password of HTTP Basic."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from urllib.parse import urlsplit

from fairlead.contract.errors import Forbidden

LONGEST = 8192
"""Characters of a credential; a longer one is none."""


def bearer(value: str) -> str | None:
    """The token of an `authorization: Bearer` header; None for anything else.

    >>> bearer("Bearer abc"), bearer("bearer  abc "), bearer("Basic abc"), bearer("Bearer a b")
    ('abc', 'abc', None, None)
    """
    scheme, _, rest = value.partition(" ")
    if scheme.lower() != "bearer":
        return None
    return _word(rest.strip(" \t"))


def password(value: str) -> str | None:
    """The password of an `authorization: Basic` header, whatever the user's name; None for anything else.

    >>> password("Basic dXNlcjpzZWNyZXQ="), password("Basic !!"), password("Bearer abc")
    ('secret', None, None)
    """
    scheme, _, rest = value.partition(" ")
    if scheme.lower() != "basic" or len(value) > LONGEST:
        return None
    try:
        pair = b64decode(rest.strip(" \t"), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return _word(pair.partition(":")[2])


def api_key(value: str) -> str | None:
    """The key of an `x-api-key` header."""
    return _word(value.strip(" \t"))


def _word(text: str) -> str | None:
    """Visible ASCII without a space, of bearable length."""
    fine = 0 < len(text) <= LONGEST and text.isascii() and text.isprintable() and " " not in text
    return text if fine else None


def require_same_site(headers: Mapping[str, str]) -> None:
    """Browsers send a remembered Basic password along with whatever another site makes them send.

    Raises Forbidden for a request that another site caused. Programs send neither of these headers.
    """
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    if site is not None:
        if site.lower() not in {"same-origin", "none"}:
            raise Forbidden("another site caused this request: a remembered password is not taken from it")
    elif origin is not None and _host(origin) != (headers.get("host") or "").lower():
        raise Forbidden("another site caused this request: a remembered password is not taken from it")


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None
