"""The compiled scanner of requests of one row; see `_scan.c`."""

from typing import Any

def build(width: int, columns: tuple[Any, ...], keys: tuple[bytes, ...] | None) -> Any:
    """A kernel of a signature. columns: the features, `width` of them, and then the pass-through columns, each a
    tuple of kind, nullable, datatypes, low, high, what true and false become, spellings of the name, and pairs of
    a spelling and its text. keys: None for V2's tensors, else a row is an object, by itself where there are none and
    alone in a list under one of them otherwise. Raises ValueError or TypeError for what is none."""

def scan(kernel: Any, body: bytes) -> tuple[list[Any], list[Any] | None, str | None] | None:
    """Cells, pass-through cells where there are any, and id; None for whatever is not surely right."""
