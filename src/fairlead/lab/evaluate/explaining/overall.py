"""What matters overall: sizes of attributions over many rows, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.evidence import Interval
from fairlead.lab.evaluate.explaining.evidence import Effect, Overall
from fairlead.lab.stats.intervals import percentile, resamples

if TYPE_CHECKING:
    from fairlead.contract.signature import Column
    from fairlead.runtime.explain import Explainable, Explanation, Terms

ROWS, SHOWN, CATEGORIES, DRAWS = 1000, 400, 12, 400


def overall(
    explainable: Explainable,
    columns: Mapping[str, Any],
    seed: int = 0,
    terms: Terms | None = None,
    most: int = ROWS,
) -> tuple[Overall, dict[str, Any]]:
    """(sizes of all attributions, the rows that were explained), of at most `most` of `columns`.

    Intervals: percentiles of means over resampled rows; they say how much other rows of the same kind would change
    the figures, not how much another background would. Source: Lundberg et al. (2020), global from local.
    """
    rows = len(next(iter(columns.values())))
    random = np.random.default_rng([seed, 11])
    chosen = np.sort(random.choice(rows, most, replace=False)) if rows > most else np.arange(rows)
    some = {name: np.asarray(values)[chosen] for name, values in columns.items()}
    found = explainable.explain_columns(some, terms)
    signature = explainable.model.signature
    effects = {output: _effects(found, k, some, signature.columns, seed) for k, output in enumerate(found.outputs)}
    said = Overall(
        method=found.method,
        exact=found.exact,
        said=found.said,
        scale=found.scale,
        rows=len(chosen),
        background=found.background,
        baseline=dict(zip(found.outputs, found.baseline.tolist(), strict=True)),
        effects=effects,
        residual=found.residual,
    )
    return said, some


def _effects(
    found: Explanation, k: int, rows: Mapping[str, Any], columns: tuple[Column, ...], seed: int
) -> tuple[Effect, ...]:
    sizes = np.abs(found.attributions[:, :, k])
    means = sizes.mean(axis=0)
    drawn = np.concatenate([w @ sizes / len(sizes) for w in resamples(len(sizes), DRAWS, seed)])
    total = float(means.sum()) or 1.0
    made = []
    for at, column in enumerate(columns):
        size = percentile(float(means[at]), drawn[:, at])
        own = found.attributions[:, at, k]
        made.append(_effect(column, size, float(means[at]) / total, rows[column.name], own))
    return tuple(sorted(made, key=lambda effect: (-effect.size.value, effect.column)))


def _effect(column: Column, size: Interval, share: float, values: Any, own: np.ndarray) -> Effect:
    if column.kind == "tensor":
        return Effect(column.name, size, share)
    if not column.numeric:
        return Effect(column.name, size, share, categories=_by_category(values, own))
    numbers = np.asarray(values, dtype=np.float64)
    known = np.flatnonzero(np.isfinite(numbers))
    kept = known[np.linspace(0, len(known) - 1, min(SHOWN, len(known))).astype(int)] if len(known) else known
    at = tuple((float(numbers[row]), float(own[row])) for row in kept)
    return Effect(column.name, size, share, direction=_direction(numbers[known], own[known]), at=at)


def _by_category(values: Any, own: np.ndarray) -> tuple[tuple[str, int, float], ...]:
    names = np.array(["missing" if value is None or value != value else str(value) for value in values], dtype=object)
    distinct, codes, counts = np.unique(names.astype(str), return_inverse=True, return_counts=True)
    sums = np.bincount(codes.reshape(-1), weights=own, minlength=len(distinct))
    order = sorted(range(len(distinct)), key=lambda at: (-counts[at], distinct[at]))[:CATEGORIES]
    return tuple((str(distinct[at]), int(counts[at]), float(sums[at] / counts[at])) for at in order)


def _direction(values: np.ndarray, own: np.ndarray) -> float | None:
    """Spearman's rank correlation."""
    if len(values) < 3 or values.min() == values.max() or own.min() == own.max():
        return None
    found = float(np.corrcoef(_ranks(values), _ranks(own))[0, 1])
    return found if np.isfinite(found) else None


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks, (n,), those of equal values their mean; scipy.stats takes a second to load for it."""
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[codes.reshape(-1)])
