"""What errors call a value that was found: its kind, never the value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def kind_of(value: object) -> str:
    """How an error names what was found, without showing it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int):
        return "an integer"
    if isinstance(value, float):
        return "a number with a fraction" if value == value and not value.is_integer() else "a number"
    if isinstance(value, str):
        return "text"
    return "an object" if isinstance(value, Mapping) else "a list" if isinstance(value, Sequence) else "another kind"
