"""Redaction: a keyed hash, so that the same value stays joinable while the value itself is not stored."""

from __future__ import annotations

from hashlib import blake2b

from fairlead.runtime.wire.checks import text_of


def redact(value: str, key: bytes) -> str:
    """32 hex digits of BLAKE2b keyed with `key` (at most 64 bytes): the same for records and for labels.

    Source: RFC 7693 (BLAKE2), keyed mode.

    >>> redact("7590-VHVEG", b"k") == redact("7590-VHVEG", b"k") != redact("7590-VHVEG", b"other")
    True
    """
    return blake2b(value.encode(), digest_size=16, key=key).hexdigest()


def redact_cell(cell: object, key: bytes) -> str | None:
    """The same of any cell, None of a missing one: of a number as the text it is, of a tensor over its bytes."""
    if isinstance(cell, str):
        return redact(cell, key)
    if isinstance(cell, bytes):
        return blake2b(cell, digest_size=16, key=key).hexdigest()
    text = text_of(cell)
    return None if text is None else redact(text, key)
