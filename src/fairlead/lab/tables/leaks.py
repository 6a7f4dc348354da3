"""Columns that give the target away: they hold it, make it up, or are filled in once it is known.

A model that sees such a column is perfect in training and blind in use, where
the column does not exist yet. What is found is exact: a column that merely
predicts well is not a leak.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_EXACT = 1e-9
_MIN_ROWS = 50
_SEARCH_ROWS = 5_000  # an exact relation holds on any rows: sets are searched on these and confirmed on all
_ENOUGH = 0.001  # share of rows that must show a pattern before it counts


def numeric_leaks(target: np.ndarray, numbers: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Columns that a numeric target can be computed from, alone or together, with the reason.

    target: (rows,) float64; numbers: candidates of the same shape; NaN is missing. A joint leak is the smallest
    set found by leaving columns out of an exact linear relation as long as it stays exact.
    """
    found: dict[str, str] = {}
    rest = dict(numbers)
    for name, values in numbers.items():
        both = ~np.isnan(target) & ~np.isnan(values)
        if both.sum() >= _MIN_ROWS and _holds(target[both], values[both][:, None]):
            found[name] = "the target can be computed from it exactly"
            del rest[name]
    names = [n for n, v in rest.items() if not np.isnan(v).all() and np.nanstd(v) > 0]
    if not 2 <= len(names) <= 200:
        return found
    matrix = np.stack([rest[n] for n in names], axis=1)
    full = ~np.isnan(matrix).any(axis=1) & ~np.isnan(target)
    matrix, truth = matrix[full], target[full]
    # With nearly as many columns as rows some exact relation always exists.
    if len(truth) < max(_MIN_ROWS, 5 * len(names)):
        return found
    kept = _smallest_exact(*_thinned(truth, matrix))
    if not kept or not _fits(truth, matrix[:, kept]):
        return found
    together = [names[j] for j in kept]
    how = "is their sum" if np.allclose(matrix[:, kept].sum(axis=1), truth) else "can be computed from them exactly"
    for name in together:
        found[name] = f"the target {how}: {' + '.join(together)}"
    return found


def _smallest_exact(truth: np.ndarray, matrix: np.ndarray) -> list[int]:
    kept = list(range(matrix.shape[1]))
    if not _fits(truth, matrix):
        return []
    for i in sorted(kept, key=lambda j: abs(_correlation(matrix[:, j], truth))):
        fewer = [j for j in kept if j != i]
        if fewer and _fits(truth, matrix[:, fewer]):
            kept = fewer
    return kept


def _thinned(truth: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    step = max(1, len(truth) // _SEARCH_ROWS)
    return truth[::step], matrix[::step]


def _holds(truth: np.ndarray, matrix: np.ndarray) -> bool:
    return _fits(*_thinned(truth, matrix)) and _fits(truth, matrix)


def _fits(truth: np.ndarray, matrix: np.ndarray) -> bool:
    spread = matrix.std(axis=0)
    z = (matrix - matrix.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    centred = truth - truth.mean()
    total = float(centred @ centred)
    if total == 0.0:
        return False
    weights, *_ = np.linalg.lstsq(z, centred, rcond=None)
    left = centred - z @ weights
    return bool(float(left @ left) <= _EXACT**1.5 * total)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else 0.0


def class_leaks(target: pa.Array, numbers: Mapping[str, np.ndarray], texts: Mapping[str, pa.Array]) -> dict[str, str]:
    """Columns that a class can be read off, with the reason. target: (rows,) text, missing allowed.

    A category or the fact that a cell is missing decides the class of every row; or a number parts two classes.
    """
    encoded = target.dictionary_encode()
    truth = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    known = truth >= 0
    classes = len(encoded.dictionary)
    found: dict[str, str] = {}
    if classes < 2 or known.sum() < _MIN_ROWS:
        return found
    for name, cells in texts.items():
        codes = cells.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False) + 1
        if _decides(codes[known], truth[known], classes):
            found[name] = "each of its values goes with one class alone"
        elif _decides((codes > 0)[known].astype(np.int64), truth[known], classes):
            found[name] = "it is filled in for one class alone"
    for name, values in numbers.items():
        absent = np.isnan(values)
        if _decides((~absent)[known].astype(np.int64), truth[known], classes):
            found[name] = "it is filled in for one class alone"
        elif _parts(values[known & ~absent], truth[known & ~absent]):
            found[name] = "its values part the classes without overlap"
    return found


def _decides(codes: np.ndarray, truth: np.ndarray, classes: int) -> bool:
    levels = int(codes.max()) + 1
    # Values that hardly repeat decide everything by chance.
    if not 2 <= np.unique(codes).size <= max(2, truth.size // 20) or levels * classes > 10_000_000:
        return False
    table = np.bincount(codes * classes + truth, minlength=levels * classes).reshape(levels, classes)
    rows = table.sum(axis=1)
    if (table.max(axis=1) != rows).any():
        return False
    return bool(np.sort(rows)[-2] >= max(10, _ENOUGH * truth.size)) and bool((table.sum(axis=0) > 0).sum() >= 2)


def _parts(values: np.ndarray, truth: np.ndarray) -> bool:
    if values.size < _MIN_ROWS:
        return False
    labels = np.unique(truth)
    if labels.size != 2 or min((truth == label).sum() for label in labels) < 10:
        return False
    a, b = values[truth == labels[0]], values[truth == labels[1]]
    return bool(a.max() < b.min() or b.max() < a.min())


def as_text(array: pa.Array) -> pa.Array:
    """Any column as text, for comparing classes."""
    return pc.cast(array, pa.string())
