"""The whole way of a few rows by the compiled kernels: cells in, labels and lists of numbers out, no arrays between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from fairlead.contract.signature import Cell, Signature
from fairlead.runtime.bundle import tail_kernel
from fairlead.runtime.bundle.row_kernel import Features
from fairlead.runtime.bundle.tail import LinearTail, OnnxTail, Tail
from fairlead.runtime.bundle.tree_tail import TreeTail

Floats = npt.NDArray[np.float64]
Rows = Sequence[Sequence[Cell]]
Answered = tuple[list[str] | None, list[list[float]]]
Sums = Callable[[int, bytearray], bytearray]


MOST = 512
"""Rows up to which lists without arrays in between cost less than arrays."""


class Few:
    """Both forms of an answer, equal bit for bit. Keeps nothing between calls. most: rows up to which it pays."""

    most = MOST

    def __init__(self, features: Features, sums: Sums | None, tail: Any, outputs: int, signature: Signature) -> None:
        self._features, self._sums, self._tail, self._outputs = features, sums, tail, outputs
        self._deciding = tail_kernel.deciding(signature)
        self._answer, self._score = tail_kernel.answer, tail_kernel.score

    def answer(self, rows: Rows) -> Answered:
        """Labels (None for a regression) and scores, one list a row. Raises CellInvalid as the front does."""
        count, x = len(rows), self._features(rows)
        if self._sums is not None:
            x = self._sums(count, x)
        return cast("Answered", self._answer(self._tail, self._deciding, count, x))

    def scores(self, rows: Rows) -> Floats:
        """Scores, shape (n, outputs). Raises CellInvalid as the front does."""
        count, x = len(rows), self._features(rows)
        if self._sums is not None:
            x = self._sums(count, x)
        found = np.empty((count, self._outputs))
        self._score(self._tail, count, x, found)
        return found


def few(features: Features, tail: Tail, signature: Signature) -> Few | None:
    """None where there is no kernel for the tail."""
    sums: Sums | None = None
    if isinstance(tail, TreeTail):
        sums, after = _trees(tail)
    else:
        after = tail.kernel if isinstance(tail, LinearTail | OnnxTail) else None
    if after is None:
        return None
    made = Few(features, sums, after, len(signature.outputs), signature)
    if isinstance(tail, LinearTail | OnnxTail):
        made.most = min(MOST, tail.most)
    return made


def _trees(tail: TreeTail) -> tuple[Sums, Any | None]:
    score, kernel, targets = tail._score, tail._kernel, tail._targets
    size = 8 * targets

    def sums(rows: int, x: bytearray) -> bytearray:
        found = bytearray(rows * size)
        score(kernel, rows, x, found)
        return found

    return sums, tail._settling
