"""Redaction: a keyed hash, so that the same value stays joinable while the value itself is not stored."""

from __future__ import annotations

import os
import secrets
from hashlib import blake2b
from pathlib import Path

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


def home_key(keys: Path) -> str:
    """Hex key of the hash in a home's folder of keys, made on first use, mode 0600."""
    path = keys / "redact.key"
    if not path.exists():
        temporary = path.with_suffix(f".{os.getpid()}-{secrets.token_hex(4)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            # Link, not rename: of two processes that make it at once, the first wins and both read the same key.
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return path.read_text().strip()
