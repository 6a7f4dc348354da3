"""How columns are counted: edges chosen once on the training rows and kept for the life of a model.

Edges are fixed so that profiles of any two sets of rows can be added and
compared. They follow the training rows: a column with few distinct values gets
one bin a value, any other about equally full bins, in which a value that many
rows share (a zero, a cap) counts as one bin's worth and so cannot eat the
resolution of all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fairlead.contract.errors import ColumnMissing, ShapeMismatch
from fairlead.contract.profile import Bins
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats.tensors import counted, with_histories, with_moments

MAX_CATEGORIES = 100
PROBABILITY_BINS = 20
# A reference travels in every bundle: rare free text may be somebody's own words, so it is never listed there.
MIN_TEXT_ROWS = 10


def bins_for(columns: Mapping[str, Any], signature: Signature, max_bins: int = 32) -> tuple[Bins, ...]:
    """Bins of every column of `signature`, in its order, from the rows a model was trained on.

    columns: the columns form of `contract.signature`, (rows,) each. max_bins: at most as many bins a numeric column.
    A constant column gets three bins (below, equal, above), one without any value a single one.
    Categories: the 100 most frequent; of text columns only what at least 10 rows share. Of a tensor the mean and the
    spread of its elements have bins, `image (mean)` and `image (spread)`.
    Raises ColumnMissing.
    """
    wanted = counted(signature)
    columns = with_moments(with_histories(columns, signature), [column.name for column in wanted])
    absent = [c.name for c in wanted if c.name not in columns]
    if absent:
        raise ColumnMissing(absent, signature.names)
    return tuple(_bins_of(columns[c.name], c, max_bins) for c in wanted)


def score_bins(signature: Signature, scores: Any) -> tuple[Bins, ...]:
    """Bins of the model's score columns. scores: (rows, outputs).

    Probabilities and memberships are counted in twentieths; other scores like a numeric column of these rows.
    Raises ShapeMismatch.
    """
    matrix = np.atleast_2d(np.asarray(scores, dtype=np.float64).T).T
    if matrix.ndim != 2 or matrix.shape[1] != len(signature.outputs):
        raise ShapeMismatch(f"scores of shape {matrix.shape} for {len(signature.outputs)} outputs")
    found = []
    for name, column in zip(signature.outputs, matrix.T, strict=True):
        present = column[~np.isnan(column)]
        if signature.classes:
            edges = tuple(i / PROBABILITY_BINS for i in range(1, PROBABILITY_BINS))
        else:
            edges = numeric_edges(present, PROBABILITY_BINS)
        shift, scale = standard(present)
        found.append(Bins(name, "number", edges=edges, shift=shift, scale=scale))
    return tuple(found)


def _bins_of(values: Any, column: Column, max_bins: int) -> Bins:
    if not column.numeric:
        return Bins(column.name, column.kind, categories=_top_categories(values, column))
    floats = as_floats(values)
    present = floats[~np.isnan(floats)]
    shift, scale = standard(present)
    return Bins(column.name, column.kind, edges=numeric_edges(present, max_bins), shift=shift, scale=scale)


def standard(present: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation, with 0 and 1 where they say nothing. present: (rows,), no NaN."""
    if present.size == 0:
        return 0.0, 1.0
    scale = float(present.std())
    shift = float(present.mean())
    # Below this the deviation is rounding noise of a constant column, and dividing by it would only amplify it.
    return shift, scale if np.isfinite(scale) and scale > 1e-12 * max(1.0, abs(shift)) else 1.0


def numeric_edges(present: np.ndarray, max_bins: int) -> tuple[float, ...]:
    """Inner edges, strictly ascending, at most max_bins - 1 (two for a constant). present: (rows,), no NaN."""
    if present.size == 0:
        return ()
    values, counts = np.unique(present, return_counts=True)
    if values.size == 1:
        only = float(values[0])
        return only, float(np.nextafter(only, np.inf))
    if values.size <= max_bins:
        lower, upper = values[:-1], values[1:]
        middle = lower + (upper - lower) / 2
        # Between neighbouring floats there is no middle; the upper value itself still parts them.
        edges = np.where(middle > lower, middle, upper)
    else:
        weights = np.minimum(counts, present.size / max_bins)
        reached = np.cumsum(weights)
        targets = reached[-1] * np.arange(1, max_bins) / max_bins
        edges = values[np.minimum(np.searchsorted(reached, targets, side="left") + 1, values.size - 1)]
    unique = np.unique(edges)
    return tuple(float(e) for e in unique if np.isfinite(e) and e > values[0])


def _top_categories(values: Any, column: Column) -> tuple[str, ...]:
    names, counts, _ = count_categories(values)
    floor = MIN_TEXT_ROWS if column.kind == "text" else 1
    known = [(n, name) for name, n in zip(names, counts, strict=True) if n >= floor]
    if column.kind == "category":
        seen = {name for _, name in known}
        known += [(0, name) for name in column.categories if name not in seen]
    best = sorted(known, key=lambda pair: (-pair[0], pair[1]))[:MAX_CATEGORIES]
    return tuple(sorted(name for _, name in best))


def as_floats(values: Any) -> np.ndarray:
    """(rows,) float64 with NaN for missing, from a numpy or an Arrow array; no copy where none is needed."""
    if isinstance(values, np.ndarray):
        return values.astype(np.float64, copy=False)
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)


def count_categories(values: Any) -> tuple[list[str], list[int], int]:
    """Distinct texts, rows of each, and missing rows. values: object array of str | None, or Arrow strings."""
    if isinstance(values, np.ndarray):
        import pandas as pd

        codes, uniques = pd.factorize(values)
        counts = np.bincount(codes + 1, minlength=len(uniques) + 1)
        return [str(u) for u in uniques], counts[1:].tolist(), int(counts[0])
    return _count_arrow(values)


def _count_arrow(values: Any) -> tuple[list[str], list[int], int]:
    # Whoever hands in Arrow arrays has loaded pyarrow; this room needs not.
    from fairlead.lab.stats.buffers import to_integers

    chunks = values.chunks if hasattr(values, "chunks") else [values]
    totals: dict[str, int] = {}
    missing = 0
    for chunk in chunks:
        encoded = chunk if hasattr(chunk, "dictionary") else chunk.dictionary_encode()
        indices = encoded.indices
        missing += indices.null_count
        present = to_integers(indices.drop_null() if indices.null_count else indices)
        for name, n in zip(encoded.dictionary.to_pylist(), _bincount(present, len(encoded.dictionary)), strict=True):
            if name is None:
                missing += n
            elif n:
                totals[name] = totals.get(name, 0) + n
    return list(totals), list(totals.values()), missing


def _bincount(codes: np.ndarray, size: int) -> list[int]:
    return [int(n) for n in np.bincount(codes, minlength=size)]
