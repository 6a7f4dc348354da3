"""Secrets of channels by reference: `env:NAME` or `file:PATH`, read when a message goes out and kept nowhere."""

from __future__ import annotations

import os
from pathlib import Path

from fairlead.contract.errors import RemoteError

LONGEST = 4096


def resolved(reference: str, what: str) -> str:
    """The secret itself. A plain text is taken as it is. Raises RemoteError that names the reference alone."""
    kind, separator, name = reference.partition(":")
    if separator and kind == "env":
        found = os.environ.get(name, "")
        if not found:
            raise RemoteError(f"{what}: the environment variable {name} is not set")
        return found
    if separator and kind == "file":
        try:
            text = Path(name).read_text(encoding="utf-8")[:LONGEST].strip()
        except (OSError, UnicodeError) as error:
            raise RemoteError(f"{what}: its file cannot be read: {type(error).__name__}") from None
        if not text:
            raise RemoteError(f"{what}: its file is empty")
        return text
    return reference
