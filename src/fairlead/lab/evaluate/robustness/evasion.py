"""Somebody who wants another decision and may change some columns, each within what training saw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fairlead.contract.errors import CellInvalid
from fairlead.contract.evidence import Interval
from fairlead.contract.signature import Column
from fairlead.lab.evaluate.robustness.evidence import Evasion
from fairlead.lab.evaluate.rows import Judged
from fairlead.lab.stats.intervals import bootstrap

Columns = dict[str, Any]
ROWS, DEPTH, VALUES = 200, 3, 12
"""Rows attacked, columns changed at most, values tried of each."""
NAMED = 5


def mutable(judged: Judged, fixed: Sequence[str]) -> list[Column]:
    """Columns that an attacker may change: all but `fixed`, tensors and texts."""
    return [c for c in judged.signature.columns if c.name not in fixed and c.kind not in ("tensor", "text")]


def attacked_rows(judged: Judged, rows: int, seed: int) -> np.ndarray:
    """Some rows, ascending positions."""
    random = np.random.default_rng([seed, 19])
    return np.sort(random.permutation(judged.rows)[:rows])


def greedy(judged: Judged, fixed: Sequence[str] = (), seed: int = 0) -> Evasion | None:
    """Of every row the one change that moves its decision most, then the next: at most three columns.

    None for a model that decides nothing, or of which nothing may be changed. The margin is the probability of what was
    decided less that of the best other class; of two classes by the sealed threshold.
    """
    columns = mutable(judged, fixed)
    if judged.signature.task != "classification" or not columns:
        return None
    chosen = attacked_rows(judged, ROWS, seed)
    now: Columns = {name: np.array(np.asarray(values)[chosen]) for name, values in judged.columns.items()}
    first = _decided(judged, judged.scores[chosen])
    turned = np.zeros(len(chosen), dtype=bool)
    alone = {c.name: np.zeros(len(chosen), dtype=bool) for c in columns}
    within = []
    options = {c.name: values_of(judged, c) for c in columns}
    for depth in range(DEPTH):
        best = np.full(len(chosen), np.inf)
        picked: list[tuple[str, Any] | None] = [None] * len(chosen)
        for column in columns:
            for value in options[column.name]:
                trial = now | {column.name: np.full(len(chosen), value, dtype=now[column.name].dtype)}
                margin = _margin(judged, trial, first)
                if margin is None:
                    continue
                better = margin < best
                best = np.where(better, margin, best)
                for at in np.flatnonzero(better).tolist():
                    picked[at] = (column.name, value)
                if depth == 0:
                    alone[column.name] |= margin < 0
        for at, change in enumerate(picked):
            if change is not None and not turned[at]:
                now[change[0]][at] = change[1]
        turned |= best < 0
        within.append(_share(turned, seed))
    told = sorted(((name, float(rows.mean())) for name, rows in alone.items() if rows.any()), key=lambda p: -p[1])
    return Evasion("greedy", len(chosen), tuple(within), None, tuple(told[:NAMED]), tuple(fixed))


def values_of(judged: Judged, column: Column) -> list[Any]:
    """Values that training saw: categories, both flags, or the quantiles of these rows within the range."""
    if column.kind == "boolean":
        return [0.0, 1.0]
    if not column.numeric:
        return list(column.categories[:VALUES])
    cells = np.asarray(judged.columns[column.name], dtype=np.float64)
    cells = cells[np.isfinite(cells)]
    ends = [e for e in (column.low, column.high) if e is not None]
    if len(cells):
        ends += np.quantile(cells, np.linspace(0.05, 0.95, VALUES - 2), method="nearest").tolist()
    return sorted(set(ends))


def _decided(judged: Judged, scores: np.ndarray) -> np.ndarray:
    classes = judged.signature.classes
    return np.asarray([classes.index(label) for label in judged.model.decide(scores)])


def _margin(judged: Judged, columns: Columns, first: np.ndarray) -> np.ndarray | None:
    """How far each row is from another decision than its first; below 0 it has one. None where rows are refused."""
    try:
        scores = np.asarray(judged.model.score_columns(columns), dtype=np.float64)
    except CellInvalid:
        return None
    n = np.arange(len(scores))
    other = scores.copy()
    other[n, first] = -np.inf
    margin: np.ndarray = scores[n, first] - other.max(axis=1)
    signature = judged.signature
    if len(signature.classes) == 2 and signature.positive is not None:
        positive = signature.classes.index(signature.positive)
        margin = (scores[:, positive] - signature.threshold) * np.where(first == positive, 1.0, -1.0)
    # What is decided decides, at ties, too.
    same = _decided(judged, scores) == first
    found: np.ndarray = np.where(same, np.maximum(margin, 0.0), np.minimum(margin, -1e-300))
    return found


def _share(turned: np.ndarray, seed: int) -> Interval:
    return bootstrap(turned.astype(np.float64), seed=seed, draws=500)
