"""All rows kept for judging, a part at a time: sums of losses, and what is made of sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fairlead.contract.evidence import Interval
from fairlead.contract.signature import Signature
from fairlead.lab.stats.loss import losses
from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.out_of_core.stored import Stored

BLOCKS, MOST_ROWS = 200, 1_000
"""Rows that follow each other in time are alike: intervals are those of means of at most so many, in so many blocks."""
NORMAL = 1.96
TINY = 1e-15

Answer = Callable[[Floats], Floats]
"""Scores, (n, outputs), of prepared features, (n, width)."""


class Judged(NamedTuple):
    """loss: mean loss (0 to 1); metrics: over all rows; gain: by how much the loss is below another model's."""

    rows: int
    loss: Interval
    metrics: dict[str, float]
    gain: Interval | None


def judge(
    kept: Stored, signature: Signature, answer: Answer, clip: float, timed: bool, other: Answer | None = None
) -> Judged:
    """What a model does on every stored row. other: a model to compare with, row by row. clip: see `losses`; timed:
    rows are in order of time, more or less.
    """
    block = int(np.clip(kept.rows // BLOCKS, 1, MOST_ROWS)) if timed else 1
    lost_in, gained_in, sums = Blocks(block), Blocks(block), _Sums(len(signature.classes))
    for part in kept.parts():
        classes = np.array(list(signature.classes), dtype=object)
        truth = classes[part.truth.astype(np.int64)] if signature.classes else part.truth
        scores = answer(part.features)
        lost = losses(signature.task, truth, scores, signature, clip)
        lost_in.add(lost)
        if other is not None:
            gained_in.add(losses(signature.task, truth, other(part.features), signature, clip) - lost)
        sums.add(part.truth, scores)
    return Judged(kept.rows, lost_in.interval(), sums.metrics(), None if other is None else gained_in.interval())


class Blocks:
    """The mean of values that pass by, with an interval by the spread of the means of blocks of them."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._count = 0
        # Sums over blocks: of their sums, rows, and of the squares and products of these.
        self._of = np.zeros(5)

    def add(self, values: Floats) -> None:
        """Take in values, (n,); a block does not reach from one call into the next."""
        starts = np.arange(0, len(values), self._rows)
        sums = np.add.reduceat(values, starts) if len(values) else np.zeros(0)
        rows = np.diff(np.append(starts, len(values))).astype(np.float64)
        self._count += len(sums)
        self._of += [sums.sum(), rows.sum(), sums @ sums, sums @ rows, rows @ rows]

    def interval(self) -> Interval:
        """The mean with its 95 % interval; from -1 to 1 where a single block says nothing of a spread."""
        total, rows, squares, products, lengths = self._of
        mean = float(total / rows)
        if self._count < 2:
            return Interval(mean, -1.0, 1.0)
        spread = max(squares - 2.0 * mean * products + mean**2 * lengths, 0.0) * self._count / (self._count - 1)
        error = float(np.sqrt(spread) / rows)
        return Interval(mean, mean - NORMAL * error, mean + NORMAL * error)


class _Sums:
    """What metrics over all rows are made of."""

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self._rows, self._sums = 0, np.zeros(4)

    def add(self, truth: Floats, scores: Floats) -> None:
        self._rows += len(truth)
        if self.classes:
            own = scores[np.arange(len(truth)), truth.astype(np.int64)]
            right = scores.argmax(axis=1) == truth
            self._sums += [-np.log(np.clip(own, TINY, 1.0)).sum(), right.sum(), 0.0, 0.0]
        else:
            error = scores[:, 0] - truth
            self._sums += [np.abs(error).sum(), (error**2).sum(), truth.sum(), (truth**2).sum()]

    def metrics(self) -> dict[str, float]:
        first, second, third, fourth = (float(one) / max(self._rows, 1) for one in self._sums)
        if self.classes:
            return {"log_loss": first, "accuracy": second}
        spread = fourth - third**2
        found = {"mae": first, "rmse": float(np.sqrt(second))}
        return {**found, "r2": 1.0 - second / spread} if spread > 0 else found
