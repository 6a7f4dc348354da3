"""The compiled kernel of columns; see `_columns.c`."""

from typing import Any

def codes(cells: Any, out: Any) -> list[Any] | None:
    """Distinct objects of a list or of a one-dimensional array of objects, in the order of their first appearance,
    and in `out` (int32, a row each) which of them every cell is; any NaN counts as None. None where hardly any
    object appears twice: `out` then holds nothing of use. Raises ValueError for another shape."""

def fill(
    out: Any,
    template: Any,
    start: int,
    numbers: tuple[tuple[Any, float, float, float, int], ...],
    tables: tuple[tuple[Any, bytes, bytes, bytes], ...],
) -> None:
    """Write rows `start` and following of the columns into `out`, double (rows, width), C-contiguous.

    template: double (width,). numbers: (column, fill, shift, scale, output), as `plan.Scaled`. tables: (class of each
    row, where the writes of each class begin and end, their places in a row, their values): int32 but the values.
    Raises ValueError for what does not agree.
    """
