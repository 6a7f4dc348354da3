"""Profiles of consecutive runs of rows, such as days: what `profile` says of each, counted together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from fairlead.contract.profile import Bins, ColumnProfile, Profile
from fairlead.contract.signature import NUMERIC
from fairlead.lab.stats.bins import as_floats
from fairlead.lab.stats.profiling import BLOCK, FARTHEST, profile
from fairlead.lab.stats.tensors import with_moments


def profiles_of(columns: Mapping[str, Any], bins: Sequence[Bins], cuts: Sequence[int]) -> list[Profile]:
    """The profile of each run, without sums of products and times: the same to the bit as `profile` gives.

    columns: columns form, numpy arrays of (rows,). cuts: where runs begin, ascending from 0, and the number of rows;
    no run is empty. Some hundred short runs cost a twentieth of as many calls of `profile`.
    """
    columns = with_moments(columns, [b.name for b in bins])
    runs = list(pairwise(cuts))
    if not runs or max(b - a for a, b in runs) > BLOCK or any(_far(columns[b.name], b) for b in bins):
        return [profile({n: v[a:b] for n, v in columns.items()}, bins, gram=False) for a, b in runs]
    place = np.repeat(np.arange(len(runs)), np.diff(cuts))
    parts = [(_numbers if b.kind in NUMERIC else _words)(columns[b.name], b, cuts, place) for b in bins]
    return [Profile(rows=b - a, columns=tuple(p[i] for p in parts)) for i, (a, b) in enumerate(runs)]


def _far(values: Any, bins: Bins) -> bool:
    """Whether a cell is so large that its square would not do."""
    if bins.kind not in NUMERIC:
        return False
    found = np.abs(as_floats(values) - bins.shift)
    return bool((found / bins.scale > FARTHEST).any())


def _numbers(values: Any, bins: Bins, cuts: Sequence[int], place: np.ndarray) -> list[ColumnProfile]:
    cells = as_floats(values)
    absent = np.isnan(cells)
    count, width = len(cuts) - 1, len(bins.edges) + 1
    codes = np.searchsorted(np.asarray(bins.edges, dtype=np.float64), cells, side="right")
    inside = ~absent
    counts = np.bincount(place[inside] * width + codes[inside], minlength=count * width).reshape(count, width).tolist()
    missing = np.bincount(place[absent], minlength=count).tolist()
    low = np.fmin.reduceat(cells, cuts[:-1]).tolist()
    high = np.fmax.reduceat(cells, cuts[:-1]).tolist()
    z = cells - bins.shift
    z /= bins.scale
    z[absent] = 0.0
    found = []
    for i, (a, b) in enumerate(pairwise(cuts)):
        there, part = b - a > missing[i], z[a:b]
        found.append(
            ColumnProfile(
                bins,
                rows=b - a,
                missing=missing[i],
                counts=tuple(counts[i]),
                z=float(part.sum()),
                zz=float(np.dot(part, part)),
                low=low[i] if there else None,
                high=high[i] if there else None,
            )
        )
    return found


def _words(values: Any, bins: Bins, cuts: Sequence[int], place: np.ndarray) -> list[ColumnProfile]:
    import pandas as pd

    known = {name: i for i, name in enumerate(bins.categories)}
    count, width = len(cuts) - 1, len(known) + 2
    codes, uniques = pd.factorize(values)
    # What is listed, what is not, and what is missing.
    table = np.array([*(known.get(str(u), len(known)) for u in uniques), len(known) + 1], dtype=np.int64)
    counts = np.bincount(place * width + table[codes], minlength=count * width).reshape(count, width).tolist()
    return [
        ColumnProfile(bins, rows=b - a, missing=counts[i][-1], counts=tuple(counts[i][:-1]))
        for i, (a, b) in enumerate(pairwise(cuts))
    ]
