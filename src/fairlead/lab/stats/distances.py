"""How far two sets of counts are apart. All take counts over the same bins; a distance of 0 means equal shares."""

from __future__ import annotations

import numpy as np

from fairlead.contract.errors import ShapeMismatch

FLOOR = 0.5
TINY = 1e-300


def _shares(reference: np.ndarray, live: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p, q = np.asarray(reference, dtype=np.float64), np.asarray(live, dtype=np.float64)
    if p.shape != q.shape or p.ndim != 1:
        raise ShapeMismatch(f"counts over {p.shape} and {q.shape} bins cannot be compared")
    if p.size == 0 or p.sum() <= 0 or q.sum() <= 0:
        raise ShapeMismatch("counts of no rows cannot be compared")
    return p / p.sum(), q / q.sum()


def population_stability_index(reference: np.ndarray, live: np.ndarray, floor: float = FLOOR) -> float:
    """How far `live` has moved from `reference`: sum((q - p) * ln(q / p)), in nats.

    reference, live: shape (bins,), counts over the same bins. An empty bin counts as `floor` rows, so one unseen
    category cannot make the score infinite. Raises ShapeMismatch if the bins differ or are empty.
    Source: Siddiqi, Credit Risk Scorecards (2006).

    >>> round(population_stability_index(np.array([50., 50.]), np.array([90., 10.])), 3)
    0.879
    """
    _shares(reference, live)
    p, q = _shares(np.maximum(reference, floor), np.maximum(live, floor))
    return float(((q - p) * np.log(q / p)).sum())


def jensen_shannon(reference: np.ndarray, live: np.ndarray) -> float:
    """Square root of the Jensen-Shannon divergence in bits: a metric in [0, 1]; 1 when no bin is shared.

    reference, live: (bins,). Raises ShapeMismatch. Source: Endres and Schindelin (IEEE Trans. Inf. Theory, 2003).

    >>> jensen_shannon(np.array([1., 0.]), np.array([0., 1.]))
    1.0
    """
    p, q = _shares(reference, live)
    middle = (p + q) / 2.0
    divergence = 0.0
    for side in (p, q):
        held = side > 0
        divergence += 0.5 * float((side[held] * np.log2(side[held] / middle[held])).sum())
    return float(np.sqrt(min(max(divergence, 0.0), 1.0)))


def jensen_shannon_rows(reference: np.ndarray, live: np.ndarray) -> np.ndarray:
    """`jensen_shannon` of many pairs at once, (n,); 0 where a side has no rows.

    reference: (bins,) for all, or (n, bins); live: (n, bins). Raises ShapeMismatch.
    """
    p, q = np.asarray(reference, dtype=np.float64), np.asarray(live, dtype=np.float64)
    if q.ndim != 2 or p.shape not in (q.shape, q.shape[1:], (1, q.shape[1])):
        raise ShapeMismatch(f"counts of shape {p.shape} and {q.shape}; (n, bins) is needed, and as many of both")
    if p.ndim == 1:
        p = p[None, :]
    # Asked some thousand times of a row of ten bins, so it is written for few calls: a bin that one side lacks adds
    # 0 times a finite logarithm, and a side without rows becomes nothing of either.
    before, after = np.add.reduce(p, axis=1), np.add.reduce(q, axis=1)
    there = (before > 0) & (after > 0)
    p, q = p / np.maximum(before, TINY)[:, None], q / np.maximum(after, TINY)[:, None]
    middle = p + q
    middle *= 0.5
    np.maximum(middle, TINY, out=middle)
    parts = np.zeros_like(middle)
    for side in (p, q):
        ratio = side / middle
        np.maximum(ratio, TINY, out=ratio)
        np.log2(ratio, out=ratio)
        ratio *= side
        parts += ratio
    divergence = np.minimum(np.maximum(np.add.reduce(parts, axis=1) * 0.5, 0.0), 1.0)
    found: np.ndarray = np.sqrt(divergence) * there
    return found


def total_variation(reference: np.ndarray, live: np.ndarray) -> float:
    """Share of rows that would have to change bin, in [0, 1]. Raises ShapeMismatch.

    >>> total_variation(np.array([5., 5.]), np.array([8., 2.]))
    0.3
    """
    p, q = _shares(reference, live)
    return round(float(np.abs(p - q).sum() / 2.0), 15)


def kolmogorov_smirnov(reference: np.ndarray, live: np.ndarray) -> float:
    """Largest difference of the cumulative shares over ordered bins, in [0, 1]. Raises ShapeMismatch."""
    p, q = _shares(reference, live)
    return float(np.abs(np.cumsum(p - q)).max())


def wasserstein(reference: np.ndarray, live: np.ndarray, edges: np.ndarray) -> float:
    """Mean distance that rows moved, in the column's unit (earth mover's distance on binned values).

    reference, live: (len(edges) + 1,) counts, edges ascending. Rows of an outermost bin count as at its edge,
    so this is a lower bound of the distance of the values themselves. Raises ShapeMismatch.
    """
    p, q = _shares(reference, live)
    inner = np.asarray(edges, dtype=np.float64)
    if inner.size + 1 != p.size:
        raise ShapeMismatch(f"{inner.size} edges make {inner.size + 1} bins, not {p.size}")
    if inner.size < 2:
        return 0.0
    places = np.concatenate([[inner[0]], (inner[:-1] + inner[1:]) / 2.0, [inner[-1]]])
    return float((np.abs(np.cumsum(p - q))[:-1] * np.diff(places)).sum())


def cramers_v(reference: np.ndarray, live: np.ndarray) -> float:
    """Strength of association between bin and sample (reference or live), in [0, 1]: 0 none, 1 complete.

    reference, live: (bins,) counts. Raises ShapeMismatch. Source: Cramér, Mathematical Methods of Statistics (1946).
    """
    _shares(reference, live)
    table = np.vstack([np.asarray(reference, dtype=np.float64), np.asarray(live, dtype=np.float64)])
    table = table[:, table.sum(axis=0) > 0]
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    chi = float(((table - expected) ** 2 / expected).sum())
    return float(np.sqrt(min(chi / table.sum(), 1.0)))


def coarsen(reference: np.ndarray, bins: int = 10) -> np.ndarray:
    """Which of at most `bins` neighbouring groups each bin falls into, about equally full on the reference: (n,) int.

    Fine bins hold few rows of one window, and a distance over many of them is mostly noise.
    """
    counts = np.asarray(reference, dtype=np.float64)
    if counts.sum() <= 0:
        return np.zeros(counts.size, dtype=np.int64)
    middles = (np.cumsum(counts) - counts / 2.0) / counts.sum()
    groups = np.minimum((middles * bins).astype(np.int64), bins - 1)
    return np.unique(groups, return_inverse=True)[1]
