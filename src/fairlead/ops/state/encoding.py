"""Structs as text columns: JSON with sorted keys, in which NaN and infinities survive (e-values do become infinite)."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def to_text(value: Any) -> str:
    """`value` (structs, dicts, lists, scalars) as canonical JSON: the same value gives the same text."""
    return json.dumps(msgspec.to_builtins(value, str_keys=True), sort_keys=True, separators=(",", ":"))


def from_text(text: str, kind: type[T]) -> T:
    """The value of type `kind` that `to_text` wrote. Raises msgspec.ValidationError if it does not fit."""
    return msgspec.convert(json.loads(text), kind)
