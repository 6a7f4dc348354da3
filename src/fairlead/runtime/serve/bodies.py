"""Bodies that do not read as they are: compressed ones, and those of another content type."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping

from fairlead.contract.errors import BodyInvalid, BodyTooLarge, InputInvalid, MediaUnsupported
from fairlead.runtime.wire.codec import Codec, Parsed

_TAKEN = frozenset({"", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded"})
_MEMBERS = 1024
_JSON = ("content-type", "application/json")
_TEXT = ("content-type", "text/plain; charset=utf-8")


class Decoded(Mapping[str, str]):
    """Headers of a body that has lost its content encoding."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        return default if name == "content-encoding" else self._headers.get(name, default)

    def __getitem__(self, name: str) -> str:
        found = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._headers if name != "content-encoding")

    def __len__(self) -> int:
        return sum(1 for _ in self)


def read_again(
    parse: Callable[[bytes, Mapping[str, str]], Parsed],
    codec: Codec,
    body: bytes,
    headers: Mapping[str, str],
    limit: int,
    error: InputInvalid,
) -> Parsed:
    """What a body asks that did not read at first, with `error`: it may be compressed.

    Encodings are looked at here alone, so that the common request does not pay for them; codecs that take more than
    JSON refuse a body with an encoding until it comes from here. Raises InputInvalid and below.
    """
    decoded = plain(body, headers, limit)
    if decoded is not body:
        try:
            return parse(decoded, Decoded(headers))
        except InputInvalid as second:
            error = second
    if type(error) is BodyInvalid:
        must_be_taken(headers, getattr(codec, "media", frozenset()))
    raise error


def plain(body: bytes, headers: Mapping[str, str], limit: int) -> bytes:
    """The body without its content encoding, at most `limit` bytes once decoded.

    Raises MediaUnsupported, BodyTooLarge, BodyInvalid.
    """
    encoding = (headers.get("content-encoding") or "").strip().lower()
    if encoding in {"", "identity"}:
        return body
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise MediaUnsupported("content encoding must be gzip, deflate or none")
    if encoding != "deflate":
        return _inflated(body, 31, encoding, limit)
    try:
        return _inflated(body, 15, encoding, limit)
    except BodyInvalid:
        # What the word means is zlib's format; some send the bare one.
        return _inflated(body, -15, encoding, limit)


def _inflated(body: bytes, window: int, encoding: str, limit: int) -> bytes:
    parts: list[bytes] = []
    size, rest = 0, body
    while rest:
        if len(parts) >= _MEMBERS:
            raise BodyInvalid(f"body has too many parts of {encoding}")
        decoder = zlib.decompressobj(window)
        try:
            parts.append(decoder.decompress(rest, limit + 1 - size))
        except zlib.error:
            raise BodyInvalid(f"body is not valid {encoding}") from None
        size += len(parts[-1])
        if size > limit:
            raise BodyTooLarge(limit)
        if not decoder.eof:
            raise BodyInvalid(f"body is not complete {encoding}")
        rest = decoder.unused_data
        if rest and window != 31:
            raise BodyInvalid(f"body has more than its {encoding}")
    return b"".join(parts)


def must_be_taken(headers: Mapping[str, str], media: frozenset[str]) -> None:
    """Asked only when a body did not read as JSON. Raises MediaUnsupported when it never meant to be.

    media: what the codec takes besides.
    """
    said = (headers.get("content-type") or "").split(";", 1)[0].strip().lower()
    if "json" not in said and said not in _TAKEN and said not in media:
        raise MediaUnsupported(f"content type must be {' or '.join(['application/json', *sorted(media)])}")


def head_of(body: bytes) -> tuple[str, str]:
    """The content type of an error's body: JSON where it is an object."""
    return _JSON if body.startswith(b"{") else _TEXT
