"""Several ways of looking at the rows of a window on one scale, and whether it stands out among stretches of training.

Each way (`Part`) says of every stretch of the training rows, and of the window, how far its most unusual figure
deviates. Both are held to the same: every stretch is measured by the others, the window by all of them, and a figure
too small to matter counts for neither. The largest over all ways is one number a stretch, so that one limit, and one
part of the budget, holds for all of them: a year of weeks is enough for it.
Sources: Westfall and Young, Resampling-Based Multiple Testing (1993); Vovk, Gammerman and Shafer (2005).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from fairlead.contract.events import Finding
from fairlead.ops.monitor.learnt import Usual

LEAST_SPREAD = 0.25
"""Least deviation of the largest deviations of stretches: maxima of few keys may hardly vary by chance."""


class Limit(NamedTuple):
    """Where a part begins to speak: its largest deviation as it tells it, with what is usual of all parts together.

    p: how often stretches go as far as a deviation of this part.
    """

    at: float
    usual: Usual
    p: Callable[[float], float]


class Part(NamedTuple):
    """One way of looking. name: for `watch --explain`, with the unit of its deviations.

    largest: the largest deviation of each stretch and, last, of the window, (stretches + 1,). telling: the largest of
    those whose effect matters, -inf where none does. tell: findings of the window beyond a limit.
    """

    name: str
    largest: np.ndarray
    telling: np.ndarray
    tell: Callable[[Limit], list[Finding]]


class Among(NamedTuple):
    """Parts on one scale. value: (stretches + 1,), the largest of all parts; by part: (parts, stretches + 1).

    centre, spread: of each part's largest deviations, by which the window is measured, (parts,).
    """

    value: np.ndarray
    by_part: np.ndarray
    centre: np.ndarray
    spread: np.ndarray

    def limit_of(self, part: int, usual: Usual) -> Limit:
        """The joint limit as a deviation of one part."""
        centre, spread = float(self.centre[part]), float(self.spread[part])
        return Limit(centre + usual.limit * spread, usual, lambda deviation: usual.p((deviation - centre) / spread))


def among(parts: Sequence[Part]) -> Among:
    """Stretches and the window, by the largest deviation of all parts; 0 where nothing that matters deviates."""
    scales = [by_others(np.where(np.isfinite(p.largest), p.largest, np.nan)) for p in parts]
    by_part = np.stack([
        (part.telling - centre) / np.maximum(np.nan_to_num(spread), LEAST_SPREAD)
        for part, (centre, spread) in zip(parts, scales, strict=True)
    ])  # fmt: skip
    return Among(
        np.maximum(by_part.max(axis=0), 0.0), by_part, np.asarray([c[-1] for c, _ in scales]),
        np.asarray([max(float(np.nan_to_num(s[-1])), LEAST_SPREAD) for _, s in scales]),
    )  # fmt: skip


def by_others(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the stretches, each without itself, and last of all of them for the window.

    values: (..., stretches + 1), NaN where unknown. A window is not among those it is measured by, so a stretch must
    not be, or stretches would look calmer than what follows them. 0 and NaN where fewer than two are known.
    """
    known = np.isfinite(values)
    known[..., -1] = False
    centre = np.where(known, values, 0.0).sum(axis=-1, keepdims=True) / np.maximum(known.sum(axis=-1, keepdims=True), 1)
    own = np.where(known, values - centre, 0.0)
    count = known.sum(axis=-1, keepdims=True) - known
    total, squares = own.sum(axis=-1, keepdims=True) - own, (own**2).sum(axis=-1, keepdims=True) - own**2
    mean = total / np.maximum(count, 1)
    with np.errstate(invalid="ignore"):
        spread = np.sqrt(np.maximum(squares - count * mean**2, 0.0) / np.maximum(count - 1, 1))
    return centre + mean, np.where(count >= 2, spread, np.nan)
