"""The compiled reader of lists of numbers; see `_lists.c`."""

from typing import Any

def numbers(text: Any, shape: tuple[int, ...]) -> bytes | None:
    """Doubles of a text in JSON (bytes, or what gives its bytes) that is lists in `shape`, or a flat list of as many
    numbers; None for whatever is not surely that. Raises TypeError for what holds no bytes."""
