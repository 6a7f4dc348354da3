"""What never enters the log: values under names that hold secrets, and the secret parts of addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "(hidden)"

_SECRET_NAME = re.compile(r"(?i)(passw|secret|token|api_?key|private_?key|redact_?key|credential|authorization|cookie)")
_USER_IN_ADDRESS = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/\s@]+@")
_MAX_TEXT = 10_000


def clean_text(text: str) -> str:
    """Text that every database takes, bounded, with user names and passwords cut out of addresses."""
    plain = str(text).encode("utf-8", "replace").decode().replace("\x00", "")
    short = plain if len(plain) <= _MAX_TEXT else plain[:_MAX_TEXT] + "…"
    return _USER_IN_ADDRESS.sub(r"\1", short)


def clean(value: Any, name: str = "") -> Any:
    """`value` (builtins) with every secret hidden, at any depth."""
    if name and _SECRET_NAME.search(name) and value not in (None, "", False, True):
        return HIDDEN
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Mapping):
        return {clean_text(key): clean(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [clean(inner, name) for inner in value]
    return value
