"""Structs as text columns: JSON with sorted keys, in which NaN and infinities survive (e-values do become infinite)."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec
import numpy as np

T = TypeVar("T")


def to_text(value: Any) -> str:
    """`value` (structs, dicts, lists, scalars) as canonical JSON: the same value gives the same text."""
    plain = msgspec.to_builtins(value, str_keys=True, enc_hook=_number)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"))


def _number(value: Any) -> Any:
    """numpy's scalars as Python's: a figure that slipped through as one must not cost the watcher its pass."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be stored")


def from_text(text: str, kind: type[T]) -> T:
    """The value of type `kind` that `to_text` wrote. Raises msgspec.ValidationError if it does not fit."""
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError:
        # NaN and infinities, which JSON proper does not know, are rare; so is text that does not fit.
        pass
    return msgspec.convert(json.loads(text), kind)
