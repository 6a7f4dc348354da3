"""Profiles added: counts exactly, sums to 1e-12, in any order and grouping."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from fairlead.contract.errors import ShapeMismatch
from fairlead.contract.profile import ColumnProfile, Profile


def merge(a: Profile, b: Profile) -> Profile:
    """The profile of the rows of both. Raises ShapeMismatch if they were counted in different bins."""
    return total((a, b))


def total(profiles: Iterable[Profile]) -> Profile:
    """The profile of the rows of all. Raises ShapeMismatch if bins differ or there is no profile at all.

    Sums are added with `math.fsum`, so the result does not depend on the order.
    A gram matrix or scores survive only if every profile with rows has them.
    """
    all_of = list(profiles)
    if not all_of:
        raise ShapeMismatch("no profile to add up")
    first = all_of[0]
    for other in all_of[1:]:
        _same_bins(first.columns, other.columns, "columns")
    filled = [p for p in all_of if p.rows] or all_of[:1]
    scored = all(p.scores for p in filled)
    crossed = all(p.gram for p in filled)
    if scored:
        for other in filled[1:]:
            _same_bins(filled[0].scores, other.scores, "scores")
    timed = [p for p in all_of if p.start or p.end]
    return Profile(
        rows=sum(p.rows for p in all_of),
        columns=tuple(_total(parts) for parts in zip(*(p.columns for p in all_of), strict=True)),
        scores=tuple(_total(parts) for parts in zip(*(p.scores for p in filled), strict=True)) if scored else (),
        gram=_total_gram([p.gram for p in filled]) if crossed else (),
        start=min((p.start for p in timed), default=0.0),
        end=max((p.end for p in timed), default=0.0),
    )


def _same_bins(a: Sequence[ColumnProfile], b: Sequence[ColumnProfile], what: str) -> None:
    if len(a) != len(b):
        raise ShapeMismatch(f"profiles of {len(a)} and {len(b)} {what} cannot be added")
    for one, other in zip(a, b, strict=True):
        if one.bins is not other.bins and one.bins != other.bins:
            raise ShapeMismatch(
                f"column {one.bins.name!r} was counted in different bins; profile it again with one set"
            )


def _total(parts: Sequence[ColumnProfile]) -> ColumnProfile:
    return ColumnProfile(
        parts[0].bins,
        rows=sum(p.rows for p in parts),
        missing=sum(p.missing for p in parts),
        counts=tuple(map(sum, zip(*(p.counts for p in parts), strict=True))),
        z=math.fsum(p.z for p in parts),
        zz=math.fsum(p.zz for p in parts),
        low=min((p.low for p in parts if p.low is not None), default=None),
        high=max((p.high for p in parts if p.high is not None), default=None),
    )


class Totals:
    """`total` of any run of the same profiles: what has to be read of them is read once.

    Profiles without scores and gram matrices, in the same bins. Raises ShapeMismatch if they were counted in others.
    """

    def __init__(self, profiles: Sequence[Profile]) -> None:
        for other in profiles[1:]:
            _same_bins(profiles[0].columns, other.columns, "columns")
        self._profiles = profiles
        self._columns = [_Column(parts) for parts in zip(*(p.columns for p in profiles), strict=True)]

    def of(self, first: int, last: int) -> Profile:
        """Of profiles [first, last), equal to `total` of them. Raises ShapeMismatch where that is none."""
        some = self._profiles[first:last]
        if not some:
            raise ShapeMismatch("no profile to add up")
        timed = [p for p in some if p.start or p.end]
        return Profile(
            rows=sum(p.rows for p in some),
            columns=tuple(column.of(first, last) for column in self._columns),
            start=min((p.start for p in timed), default=0.0),
            end=max((p.end for p in timed), default=0.0),
        )


class _Column:
    def __init__(self, parts: Sequence[ColumnProfile]) -> None:
        self.bins = parts[0].bins
        self.whole = np.array([(p.rows, p.missing, *p.counts) for p in parts], dtype=np.int64)
        self.sums = [(p.z, p.zz) for p in parts]
        self.low = np.array([np.inf if p.low is None else p.low for p in parts])
        self.high = np.array([-np.inf if p.high is None else p.high for p in parts])

    def of(self, first: int, last: int) -> ColumnProfile:
        rows, missing, *counts = np.add.reduce(self.whole[first:last], axis=0).tolist()
        low, high = float(self.low[first:last].min()), float(self.high[first:last].max())
        return ColumnProfile(
            self.bins, rows=rows, missing=missing, counts=tuple(counts),
            z=math.fsum(z for z, _ in self.sums[first:last]), zz=math.fsum(zz for _, zz in self.sums[first:last]),
            low=None if low == math.inf else low, high=None if high == -math.inf else high,
        )  # fmt: skip


def _total_gram(grams: Sequence[tuple[tuple[float, ...], ...]]) -> tuple[tuple[float, ...], ...]:
    sizes = {len(g) for g in grams}
    if len(sizes) > 1:
        raise ShapeMismatch("gram matrices of different sizes cannot be added")
    size = sizes.pop()
    return tuple(tuple(math.fsum(g[i][j] for g in grams) for j in range(size)) for i in range(size))
