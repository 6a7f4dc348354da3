"""The compiled kernel of rows; see `_rows.c`."""

from collections.abc import Callable, Sequence
from typing import Any

Steps = tuple[tuple[int, float, float], ...]
Writes = tuple[tuple[int, float], ...]
Raises = Callable[[int], None]

def build(
    template: tuple[float, ...],
    scaled: tuple[tuple[int, float, float, float, int], ...],
    general: tuple[tuple[int, Steps | None, Callable[[Any], float], int], ...],
    tables: tuple[
        tuple[
            int,
            dict[Any, int],
            tuple[Writes, ...],
            Writes,
            bool,
            Steps | None,
            Callable[[Any], float] | None,
            Raises | None,
            Raises | None,
        ],
        ...,
    ],
    tensors: tuple[tuple[int, int, int, Steps, Callable[[int, Any], None], int], ...],
) -> Any:
    """A front, checked. Raises ValueError or TypeError for what is none.

    template: a row in which every table meets a value never seen. scaled: (source, fill, shift, scale, output).
    general: (source, steps, all of them as one callable, output); no steps: the callable does everything.
    tables: (source, {key: row}, writes of each row, writes for no value, whether NaN is no value, steps ahead of the
    look-up, the same as a callable, what raises for a value never seen, what raises for no value).
    tensors: (source, place of the dtype in `tensor_cells.DTYPES`, elements, steps from `add` to `divide`, what raises
    for a cell that is no such tensor, output).
    """

def features(front: Any, rows: Sequence[Sequence[Any]], first: int = 0, /) -> bytearray:
    """Doubles, (rows, outputs), C-contiguous. Raises what `by_row` raises; its first row counts as `first`."""
