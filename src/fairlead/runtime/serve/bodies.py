"""Bodies that do not read as they are: compressed ones, and those of another content type."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from fairlead.contract.errors import BodyInvalid, BodyTooLarge, MediaUnsupported

_TAKEN = frozenset({"", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded"})


def plain(body: bytes, headers: Mapping[str, str], limit: int) -> bytes:
    """The body without its content encoding, at most `limit` bytes once decoded.

    Raises MediaUnsupported, BodyTooLarge, BodyInvalid.
    """
    encoding = (headers.get("content-encoding") or "").strip().lower()
    if encoding in {"", "identity"}:
        return body
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise MediaUnsupported("content encoding must be gzip, deflate or none")
    decoder = zlib.decompressobj(47 if encoding != "deflate" else 15)
    try:
        decoded = decoder.decompress(body, limit + 1)
    except zlib.error:
        raise BodyInvalid(f"body is not valid {encoding}") from None
    if len(decoded) > limit:
        raise BodyTooLarge(limit)
    if not decoder.eof:
        raise BodyInvalid(f"body is not complete {encoding}")
    return decoded


def must_be_json(headers: Mapping[str, str]) -> None:
    """Asked only when a body did not read as JSON. Raises MediaUnsupported when it never meant to be."""
    said = (headers.get("content-type") or "").split(";", 1)[0].strip().lower()
    if "json" not in said and said not in _TAKEN:
        raise MediaUnsupported("content type must be application/json")
