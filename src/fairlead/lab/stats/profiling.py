"""Rows to profiles, a block at a time: no copy of the table, nothing kept but the sums.

Numeric cells are counted by comparing a block that fits in the cache with every
edge: with some thirty edges that is about four times faster than a binary search
a cell, because a comparison of a whole block runs in vector registers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fairlead.contract.errors import ColumnMissing, ShapeMismatch
from fairlead.contract.profile import Bins, ColumnProfile, Profile
from fairlead.contract.signature import NUMERIC
from fairlead.lab.stats.bins import as_floats, count_categories
from fairlead.lab.stats.tensors import with_moments

BLOCK = 32_768
_COMPARE_LIMIT = 128  # beyond this many edges a binary search is faster
_FEW = 512  # and of so few rows, for which calls cost more than rows
FARTHEST = 1e60
"""Scales from the usual beyond which a cell counts as if it were there: the square of one that is as large as numbers
can be is infinite, and no profile of it could be read again."""


class _Numeric:
    """Running sums of one numeric column."""

    def __init__(self, bins: Bins) -> None:
        self.bins = bins
        self.edges = np.asarray(bins.edges, dtype=np.float64)
        self.below = np.zeros(len(self.edges), dtype=np.int64)
        self.rows = self.missing = 0
        self.z = self.zz = 0.0
        self.low = self.high = np.nan

    def add(self, block: np.ndarray) -> np.ndarray:
        """Count a block (rows,); returns its z values with 0 for missing."""
        absent = np.isnan(block)
        missing = int(np.count_nonzero(absent))
        self.rows += block.size
        self.missing += missing
        far = False
        if missing < block.size:
            least, most = float(np.fmin.reduce(block)), float(np.fmax.reduce(block))
            self.low, self.high = float(np.fmin(self.low, least)), float(np.fmax(self.high, most))
            far = max(most - self.bins.shift, self.bins.shift - least) / self.bins.scale > FARTHEST
        if len(self.edges) <= _COMPARE_LIMIT and block.size > _FEW:
            for i, edge in enumerate(self.edges.tolist()):
                self.below[i] += np.count_nonzero(block < edge)
        else:
            present = block[~absent]
            counts = np.bincount(np.searchsorted(self.edges, present, side="right"), minlength=len(self.edges) + 1)
            self.below += np.cumsum(counts[:-1])
        if far:
            reach = FARTHEST * self.bins.scale
            block = np.clip(block, self.bins.shift - reach, self.bins.shift + reach)
        z = block - self.bins.shift
        z /= self.bins.scale
        if missing:
            z[absent] = 0.0
        self.z += float(z.sum())
        self.zz += float(np.dot(z, z))
        return z

    def finish(self) -> ColumnProfile:
        upto = [*self.below.tolist(), self.rows - self.missing]
        found = self.rows > self.missing
        return ColumnProfile(
            self.bins,
            rows=self.rows,
            missing=self.missing,
            counts=tuple(b - a for a, b in zip([0, *upto], upto, strict=False)),
            z=self.z,
            zz=self.zz,
            low=self.low if found else None,
            high=self.high if found else None,
        )


class _Categorical:
    """Running counts of one category or text column."""

    def __init__(self, bins: Bins) -> None:
        self.bins = bins
        self.place = {name: i for i, name in enumerate(bins.categories)}
        self.counts = [0] * (len(bins.categories) + 1)
        self.rows = self.missing = 0

    def add(self, values: Any) -> None:
        other = len(self.bins.categories)
        names, counts, missing = count_categories(values)
        for name, n in zip(names, counts, strict=True):
            self.counts[self.place.get(name, other)] += n
        self.missing += missing
        self.rows += len(values)

    def finish(self) -> ColumnProfile:
        return ColumnProfile(self.bins, rows=self.rows, missing=self.missing, counts=tuple(self.counts))


class Profiler:
    """Folds batches of rows into one profile.

    bins, score_bins: of the model's reference. gram: whether Z'Z is kept (m * m sums a row).
    Columns may be numpy arrays (the columns form) or Arrow arrays of the same content;
    numeric cells are finite or NaN. Of tensors (rows, elements) the mean and the spread are counted.
    """

    def __init__(self, bins: Sequence[Bins], score_bins: Sequence[Bins] = (), *, gram: bool = True) -> None:
        self._columns: list[_Numeric | _Categorical] = [
            _Numeric(b) if b.kind in NUMERIC else _Categorical(b) for b in bins
        ]
        self._numeric = [c for c in self._columns if isinstance(c, _Numeric)]
        self._scores = [_Numeric(b) for b in score_bins]
        m = len(self._numeric)
        self._gram = np.zeros((m, m)) if gram and m else None
        self.rows = 0

    def add(self, columns: Mapping[str, Any], scores: Any | None = None) -> None:
        """Add rows. scores: (rows, outputs) for them, or None if the profiler has no score bins.

        Raises ColumnMissing, ShapeMismatch.
        """
        names = [c.bins.name for c in self._columns]
        columns = with_moments(columns, names)
        absent = [n for n in names if n not in columns]
        if absent:
            raise ColumnMissing(absent, names)
        matrix = self._matrix(scores)
        lengths = {len(columns[n]) for n in names} | ({len(matrix)} if matrix is not None else set())
        if len(lengths) > 1:
            raise ShapeMismatch(f"columns of different lengths: {', '.join(str(n) for n in sorted(lengths))}")
        rows = lengths.pop() if lengths else 0
        for column in self._columns:
            if isinstance(column, _Categorical):
                column.add(columns[column.bins.name])
        self._add_numeric([as_floats(columns[c.bins.name]) for c in self._numeric], rows)
        if matrix is not None:
            for start in range(0, rows, BLOCK):
                for score, values in zip(self._scores, matrix[start : start + BLOCK].T, strict=True):
                    score.add(np.ascontiguousarray(values))
        self.rows += rows

    def _add_numeric(self, floats: list[np.ndarray], rows: int) -> None:
        if not floats:
            return
        block = np.empty((len(floats), min(rows, BLOCK)))
        for start in range(0, rows, BLOCK):
            stop = min(start + BLOCK, rows)
            z = block[:, : stop - start]
            for i, (column, values) in enumerate(zip(self._numeric, floats, strict=True)):
                z[i] = column.add(values[start:stop])
            if self._gram is not None:
                self._gram += z @ z.T

    def _matrix(self, scores: Any | None) -> np.ndarray | None:
        if scores is None:
            if self._scores:
                raise ShapeMismatch("score bins without scores")
            return None
        matrix = np.asarray(scores, dtype=np.float64)
        matrix = matrix[:, None] if matrix.ndim == 1 else matrix
        if matrix.ndim != 2 or matrix.shape[1] != len(self._scores):
            raise ShapeMismatch(f"scores of shape {matrix.shape} for {len(self._scores)} score bins")
        return matrix

    def finish(self, *, start: float = 0.0, end: float = 0.0) -> Profile:
        """The profile of all rows added. start, end: event time covered, seconds since the epoch."""
        gram: tuple[tuple[float, ...], ...] = ()
        if self._gram is not None:
            # BLAS may round the two halves differently; one half speaks for both.
            upper = np.triu(self._gram)
            gram = tuple(tuple(row) for row in (upper + np.triu(self._gram, 1).T).tolist())
        return Profile(
            rows=self.rows,
            columns=tuple(c.finish() for c in self._columns),
            scores=tuple(s.finish() for s in self._scores),
            gram=gram,
            start=start,
            end=end,
        )


def profile(
    columns: Mapping[str, Any],
    bins: Sequence[Bins],
    *,
    scores: Any | None = None,
    score_bins: Sequence[Bins] = (),
    start: float = 0.0,
    end: float = 0.0,
    gram: bool = True,
) -> Profile:
    """The profile of these rows. See `Profiler` for the forms taken and the errors raised."""
    profiler = Profiler(bins, score_bins, gram=gram)
    profiler.add(columns, scores)
    return profiler.finish(start=start, end=end)


def profile_batches(
    batches: Iterable[Mapping[str, Any]],
    bins: Sequence[Bins],
    *,
    start: float = 0.0,
    end: float = 0.0,
    gram: bool = True,
) -> Profile:
    """The profile of a stream of rows, each batch a mapping of columns; memory is that of one batch."""
    profiler = Profiler(bins, gram=gram)
    for columns in batches:
        profiler.add(columns)
    return profiler.finish(start=start, end=end)
