"""Columns as codes: each distinct cell once, and per row which of them it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

try:
    from fairlead.runtime.bundle import _columns
except ImportError:  # no compiler when the package was built
    _columns = None  # type: ignore[assignment]

kernel: Any = _columns

Codes = npt.NDArray[np.int32]

FEW = 256
"""Rows up to which telling the distinct cells costs more than looking at each."""


class Coded:
    """A column of len(codes) rows that stands where an array of its cells could stand.

    codes: int32 (rows,), positions in cells. cells: not all of them need to appear in codes, and some may be equal.
    """

    __slots__ = ("cells", "codes")

    def __init__(self, codes: Codes, cells: Sequence[Any]) -> None:
        self.codes, self.cells = codes, cells

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: slice) -> Coded:
        return Coded(self.codes[rows], self.cells)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.array().tolist())

    def array(self) -> npt.NDArray[Any]:
        """The cells themselves, an array of objects of shape (rows,)."""
        cells = np.fromiter(self.cells, dtype=object, count=len(self.cells))
        found: npt.NDArray[Any] = cells.take(self.codes)
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return self.array().astype(dtype or object, copy=False)


Columns = Mapping[str, npt.NDArray[Any] | Coded]
"""The columns form: per name float64 with NaN for missing, or an array of objects of str | None, or such as codes, or
tensors in their dtype, shape (rows, elements)."""


def cells_of(columns: Columns) -> dict[str, npt.NDArray[Any]]:
    """Every column as an array of its cells."""
    return {name: column.array() if isinstance(column, Coded) else column for name, column in columns.items()}


def with_gaps(codes: Any, cells: Sequence[Any]) -> Coded:
    """Codes of any integer type in which a negative number stands for a missing cell."""
    found = np.asarray(codes, dtype=np.int32)
    if not len(found) or found.min() >= 0:
        return Coded(found, cells)
    return Coded(np.where(found < 0, np.int32(len(cells)), found), [*cells, None])


def coded_objects(cells: Any) -> Coded | None:
    """A list, or an array of objects of shape (rows,), with NaN as None.

    None where cells hardly repeat, where there are few, or without the compiled kernel: then nothing is gained.
    """
    if kernel is None or len(cells) <= FEW:
        return None
    codes = np.empty(len(cells), dtype=np.int32)
    found = kernel.codes(cells, codes)
    return None if found is None else Coded(codes, found)


def coded_numbers(array: npt.NDArray[Any]) -> Coded:
    """An array of numbers or flags of shape (rows,)."""
    cells, codes = np.unique(array, return_inverse=True)
    return Coded(codes.reshape(-1).astype(np.int32), cells.tolist())
