"""Limits for counts and for largest values of a window, from few quiet windows before it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

FEWEST = 8
"""Quiet windows from which the largest values of windows may be judged."""
LEAST_SPREAD = 0.1
_EULER = 0.5772156649


def largest_limit(values: Sequence[float], allowed: float) -> float | None:
    """The limit that the largest value of one more window exceeds with probability `allowed`; None: too few to know.

    values: logarithms of the largest values of quiet windows. Largest values are skewed to the right, so the height
    is that of a Gumbel distribution of their mean and deviation, made wider as Student's t is wider than the normal
    for so few of them. Source: Gumbel, Statistics of Extremes (1958).
    """
    from fairlead.lab.stats.quantiles import normal, student

    n = len(values)
    if n < FEWEST:
        return None
    known = np.asarray(values, dtype=np.float64)
    p = min(max(allowed, 1e-12), 0.4)
    height = (-math.log(-math.log1p(-p)) - _EULER) * math.sqrt(6.0) / math.pi
    # A deviation of skewed values is known as badly as that of half as many normal ones (simulated: 8 to 40 windows,
    # chances of 0.05 to 0.001, at most 1.02 times what is allowed).
    wider = student(1.0 - p, (n - 1) / 2) / normal(1.0 - p) * math.sqrt(1.0 + 1.0 / n)
    return float(known.mean() + max(float(known.std(ddof=1)), LEAST_SPREAD) * max(height, 0.0) * wider)


def chance_of_so_many(count: int, rows: int, blocks: Sequence[tuple[int, int]], least: float) -> tuple[float, float]:
    """(p, usual): how likely `rows` rows hold `count` marked ones or more, and the share that is usual.

    blocks: (rows, marked) of earlier blocks. The share may differ from block to block: what their counts vary beyond
    chance is taken as varying between windows, too, together with what is not known of the mean (a negative binomial
    count). least: share below which the usual one is not taken to lie.
    """
    from scipy.special import betainc, gammainc

    n = np.array([block[0] for block in blocks], dtype=np.float64)
    k = np.array([block[1] for block in blocks], dtype=np.float64)
    total = float(n.sum())
    usual = max(float((k.sum() + 0.5) / total) if total > 0 else least, least)
    excess = float(((k - n * usual) ** 2 - n * usual).sum() / max(float((n**2).sum()), 1.0)) if len(n) > 1 else 0.0
    between = max(excess, 0.0)
    doubt = usual / max(total, 1.0) + between / max(len(n), 1)
    mean, extra = rows * usual, rows * rows * (between + doubt)
    if count <= 0:
        return 1.0, usual
    if extra < 1e-9 * mean:
        return float(gammainc(count, mean)), usual
    size = mean * mean / extra
    return float(betainc(count, size, mean / (mean + size))), usual
