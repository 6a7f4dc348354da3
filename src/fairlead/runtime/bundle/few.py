"""The whole way of a few rows by the compiled kernels: cells in, labels and lists of numbers out, no arrays between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from fairlead.contract.signature import Cell, Signature
from fairlead.runtime.bundle import tail_kernel
from fairlead.runtime.bundle.calibration import CalibratedTail
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
        """Labels (None for a number) and scores, one list a row. Raises CellInvalid as the front does."""
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


class FewStrange(Few):
    """Of an anomaly detection, whose label follows from the one score."""

    def __init__(self, features: Features, sums: Sums | None, tail: Any, outputs: int, signature: Signature) -> None:
        super().__init__(features, sums, tail, outputs, signature)
        self._threshold = signature.threshold

    def answer(self, rows: Rows) -> Answered:
        """See Few."""
        _, scores = super().answer(rows)
        threshold = self._threshold
        return ["true" if row[0] > threshold else "false" for row in scores], scores


def few(features: Features, tail: Tail, signature: Signature) -> Few | None:
    """None where there is no kernel for the tail."""
    sums: Sums | None = None
    raw: Any = tail.uncalibrated if isinstance(tail, CalibratedTail) else tail
    if isinstance(raw, TreeTail):
        sums, after = _trees(raw)
    else:
        after = raw.kernel if isinstance(raw, LinearTail | OnnxTail) else None
    if isinstance(tail, CalibratedTail):
        after = tail.over(after)
    if after is None:
        return None
    kind = FewStrange if signature.task == "anomaly" else Few
    made = kind(features, sums, after, len(signature.outputs), signature)
    if isinstance(raw, LinearTail | OnnxTail):
        made.most = min(MOST, raw.most)
    return made


def _trees(tail: TreeTail) -> tuple[Sums, Any | None]:
    score, kernel, targets = tail._score, tail._kernel, tail._targets
    size = 8 * targets

    def sums(rows: int, x: bytearray) -> bytearray:
        found = bytearray(rows * size)
        score(kernel, rows, x, found)
        return found

    return sums, tail._settling
