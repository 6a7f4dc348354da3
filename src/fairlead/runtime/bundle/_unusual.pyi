"""The compiled kernel of unusual rows; see `_unusual.c`."""

from collections.abc import Sequence
from typing import Any

def build(
    columns: tuple[
        tuple[int, int, bytes, bytes, float, float, float, float, dict[str, float] | None, float, float], ...
    ],
    mean: bytes,
    precision: bytes,
    most_surprise: float,
    most_distance: float,
) -> Any:
    """A plan, checked. Raises ValueError or TypeError for what is none.

    columns: (source, place among the numbers, edges, costs of bins and of a missing cell, shift, scale, low, high,
    costs of texts or None of a number, cost of any other text, cost of a missing text). mean: (numbers,) and
    precision: (numbers, numbers), as the bytes of doubles.
    """

def find(plan: Any, rows: Sequence[Sequence[Any]], /) -> list[int]:
    """Numbers of the rows that are unusual. Not for several threads at once."""
