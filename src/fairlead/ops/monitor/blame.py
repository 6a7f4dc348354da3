"""Which cells, rows and columns carry a change: pure figures that causes are named from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from fairlead.contract import records
from fairlead.contract.evidence import Interval
from fairlead.contract.profile import Bins, ColumnProfile

MOST_VALUES = 50
"""Different values of a column of records that are told apart; of more, none is a source."""

LEAST_Z, LEAST_RATIO, LEAST_PART = 4.0, 2.0, 0.5
LEAST_ROWS = 10
MOST_SCORED = 1000
DRAWS = 4
BLOCKS = 20
LEAST_EFFECTIVE = 30.0
LEAST_COVERED = 0.5
_NO_SOURCE = frozenset({records.REQUEST, records.KEY, records.LATENCY, records.ARRIVED})
VERSIONS = frozenset({records.BUNDLE, records.VARIANT})

Score = Callable[[Mapping[str, np.ndarray]], np.ndarray]


class Carrier(NamedTuple):
    """A value of a column of records that carries a change. part: of the change, in [0, 1]; share: of the rows."""

    column: str
    value: str
    part: float
    share: float


def codes_of(values: np.ndarray, bins: Bins) -> np.ndarray:
    """The bin of each cell, (n,); missing cells have one of their own, the last."""
    if bins.categories or bins.kind in ("category", "text"):
        known = {name: at for at, name in enumerate(bins.categories)}
        other, missing = len(known), len(known) + 1
        return np.array([missing if v is None or v != v else known.get(str(v), other) for v in values], dtype=np.int64)
    floats = np.asarray(values, dtype=np.float64)
    codes = np.searchsorted(np.asarray(bins.edges), floats, side="right").astype(np.int64)
    codes[np.isnan(floats)] = len(bins.edges) + 1
    return codes


def counts_of(column: ColumnProfile) -> np.ndarray:
    """Counts of a column's bins, missing cells last."""
    return np.asarray([*column.counts, column.missing], dtype=np.float64)


def changed_part(codes: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """For each row how likely its cell is one that usual rows would not have held there, (n,) in [0, 1].

    Its mean is the total variation distance: the least part of rows that changed.
    """
    live = np.bincount(codes, minlength=len(usual)).astype(np.float64)
    p, q = usual / max(usual.sum(), 1.0), live / max(live.sum(), 1.0)
    part = np.where(q > 0, np.clip(q - p, 0.0, None) / np.where(q > 0, q, 1.0), 0.0)
    # What chance alone moves is not blamed on anybody.
    noise = 2.0 * np.sqrt(p * (1.0 - p) / max(len(codes), 1))
    part[q - p < noise] = 0.0
    found: np.ndarray = part[codes]
    return found


def carriers(passed: Mapping[str, np.ndarray], blame: np.ndarray, usual: float = 0.0) -> list[Carrier]:
    """Values of columns of records whose rows carry at least half of the blame, and twice as much as others do.

    blame: (n,) of each row; usual: what it is where nothing is wrong.
    """
    found: list[Carrier] = []
    total = float((blame - usual).sum())
    if total <= 0:
        return []
    for name, values in passed.items():
        if name in _NO_SOURCE or len(values) != len(blame) or values.dtype.kind == "f":
            continue
        texts = np.array(["" if v is None else str(v) for v in values], dtype=object)
        different = list(dict.fromkeys(texts))
        if not 1 < len(different) <= MOST_VALUES:
            continue
        for value in different:
            inside = texts == value
            one = _carrier(name, value, inside, blame, total, usual)
            if one is not None:
                found.append(one)
    return sorted(found, key=lambda c: (-c.part, c.share, c.column, c.value))


def _carrier(
    name: str, value: str, inside: np.ndarray, blame: np.ndarray, total: float, usual: float
) -> Carrier | None:
    rows, others = int(inside.sum()), int((~inside).sum())
    if not value or rows < LEAST_ROWS or others < LEAST_ROWS:
        return None
    here, there = float(blame[inside].mean()), float(blame[~inside].mean())
    noise = np.sqrt(blame[inside].var() / rows + blame[~inside].var() / others)
    part = (here - there) * rows / total
    if here - there < LEAST_Z * noise or part < LEAST_PART:
        return None
    if here - usual < LEAST_RATIO * max(there - usual, 0.0):
        return None
    return Carrier(name, value, float(min(part, 1.0)), rows / (rows + others))


def drawn_from(column: ColumnProfile, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Cells as the reference has them: a bin by its share, a number evenly within it. (rows,)."""
    counts = counts_of(column)
    bins = column.bins
    codes = rng.choice(len(counts), size=rows, p=counts / counts.sum())
    if bins.categories or bins.kind in ("category", "text"):
        cells = np.empty(rows, dtype=object)
        names: list[str | None] = [*bins.categories, None, None]
        cells[:] = [names[code] for code in codes]
        return cells
    low = column.low if column.low is not None else bins.shift
    high = column.high if column.high is not None else bins.shift
    edges = np.clip(np.array([low, *bins.edges, high], dtype=np.float64), low, high)
    missing = codes == len(counts) - 1
    at = np.minimum(codes, len(edges) - 2)
    numbers: np.ndarray = edges[at] + rng.random(rows) * (edges[at + 1] - edges[at])
    if bins.kind in ("integer", "boolean"):
        numbers = np.round(numbers)
    numbers[missing] = np.nan
    return numbers


def cost_of_wrong(
    columns: Mapping[str, np.ndarray], scores: np.ndarray, blame: Mapping[str, np.ndarray],
    usual: Mapping[str, ColumnProfile], score: Score, classifies: bool,
) -> Interval | None:  # fmt: skip
    """What it costs to answer with cells that are wrong, if the world did not move and the columns did.

    blame: by column (n,), how likely each cell is wrong. If the truth follows the mean answer q over usual cells, then
    answering p instead costs exactly |p - q|^2 in squared loss (halved over classes), and at most |p - q| in absolute
    error; only rows to blame count. In an interval by blocks of rows that follow one another.
    """
    rows = len(scores)
    if not rows or not blame:
        return None
    rng = np.random.default_rng(0)
    # By lot: rows of sources that take turns would be missed or doubled by every so many-th.
    at = np.sort(rng.choice(rows, min(rows, MOST_SCORED), replace=False))
    at = at[np.isfinite(scores[at]).all(axis=1)]
    if len(at) < BLOCKS:
        return None
    taken = {name: values[at] for name, values in columns.items()}
    wrong = np.max([part[at] for part in blame.values()], axis=0)
    draws = np.stack([score({**taken, **{n: drawn_from(usual[n], len(at), rng) for n in blame}}) for _ in range(DRAWS)])
    off = scores[at] - draws.mean(axis=0)
    if classifies:
        # Few draws make their mean uncertain, which a square would take for harm.
        per_row = wrong * 0.5 * (off**2 - draws.var(axis=0, ddof=1) / DRAWS).sum(axis=1)
    else:
        per_row = wrong * np.abs(off).mean(axis=1)
    return interval_of(per_row) if np.isfinite(per_row).all() else None


def interval_of(per_row: np.ndarray) -> Interval:
    """The mean with a 95 % interval by blocks of rows that follow one another, which err alike; never below 0."""
    means = np.array([block.mean() for block in np.array_split(per_row, BLOCKS)])
    half = 2.093 * float(means.std(ddof=1)) / np.sqrt(BLOCKS)
    mean = float(per_row.mean())
    return Interval(mean, max(mean - half, 0.0), mean + half)


def explained_loss(losses: np.ndarray, codes: np.ndarray, usual: np.ndarray, promised: float) -> float | None:
    """Part of the loss above `promised` that the mix of one column explains, in [0, 1]: how far the mean falls when
    rows count as the reference has them. None where too little of the reference is left to count by.
    Source: Shimodaira, Improving predictive inference under covariate shift (2000)."""
    live = np.bincount(codes, minlength=len(usual)).astype(np.float64)
    p, q = usual / max(usual.sum(), 1.0), live / max(live.sum(), 1.0)
    if p[q > 0].sum() < LEAST_COVERED:
        return None
    weights = np.where(q > 0, p / np.where(q > 0, q, 1.0), 0.0)[codes]
    if weights.sum() ** 2 / max((weights**2).sum(), 1e-12) < LEAST_EFFECTIVE:
        return None
    excess = float(losses.mean()) - promised
    if excess <= 0:
        return None
    counted = float((weights * losses).sum() / weights.sum())
    return float(np.clip((losses.mean() - counted) / excess, 0.0, 1.0))
