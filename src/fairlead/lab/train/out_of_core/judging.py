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

BLOCK_ROWS = 1_000
"""Rows that follow each other are alike where there is time: the interval is that of means of so many."""
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


def judge(kept: Stored, signature: Signature, answer: Answer, clip: float, other: Answer | None = None) -> Judged:
    """What a model does on every stored row. other: a model to compare with, row by row. clip: see `losses`."""
    sums = _Sums(len(signature.classes))
    for part in kept.parts():
        classes = np.array(list(signature.classes), dtype=object)
        truth = classes[part.truth.astype(np.int64)] if signature.classes else part.truth
        scores = answer(part.features)
        lost = losses(signature.task, truth, scores, signature, clip)
        theirs = None if other is None else losses(signature.task, truth, other(part.features), signature, clip)
        sums.add(part.truth, scores, lost, theirs)
    return Judged(kept.rows, sums.interval(sums.lost), sums.metrics(), sums.interval(sums.gained) if other else None)


class _Sums:
    """What is kept of rows that have passed by. lost, gained: sums over blocks of rows."""

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.lost: list[tuple[float, int]] = []
        self.gained: list[tuple[float, int]] = []
        self._rows, self._sums = 0, np.zeros(4)

    def add(self, truth: Floats, scores: Floats, lost: Floats, theirs: Floats | None) -> None:
        for first in range(0, len(lost), BLOCK_ROWS):
            part = slice(first, first + BLOCK_ROWS)
            self.lost.append((float(lost[part].sum()), len(lost[part])))
            if theirs is not None:
                self.gained.append((float((theirs[part] - lost[part]).sum()), len(lost[part])))
        self._rows += len(lost)
        if self.classes:
            own = scores[np.arange(len(truth)), truth.astype(np.int64)]
            right = scores.argmax(axis=1) == truth
            self._sums += [-np.log(np.clip(own, TINY, 1.0)).sum(), right.sum(), 0.0, 0.0]
        else:
            error = scores[:, 0] - truth
            self._sums += [np.abs(error).sum(), (error**2).sum(), truth.sum(), (truth**2).sum()]

    def interval(self, blocks: list[tuple[float, int]]) -> Interval:
        """The mean with its 95 % interval, by the spread of the blocks' means."""
        sums, rows = np.array([b[0] for b in blocks]), np.array([b[1] for b in blocks], dtype=np.float64)
        mean = float(sums.sum() / rows.sum())
        if len(blocks) < 2:
            # One block says nothing of a spread; a mean loss is within 0 and 1, a difference within -1 and 1.
            return Interval(mean, -1.0 if mean < 0 else 0.0, 1.0)
        error = float(np.sqrt(((sums - mean * rows) ** 2).sum() * len(blocks) / (len(blocks) - 1)) / rows.sum())
        return Interval(mean, mean - NORMAL * error, mean + NORMAL * error)

    def metrics(self) -> dict[str, float]:
        first, second, third, fourth = (float(one) / max(self._rows, 1) for one in self._sums)
        if self.classes:
            return {"log_loss": first, "accuracy": second}
        spread = fourth - third**2
        found = {"mae": first, "rmse": float(np.sqrt(second))}
        return {**found, "r2": 1.0 - second / spread} if spread > 0 else found
