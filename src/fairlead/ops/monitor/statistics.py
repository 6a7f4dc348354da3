"""Statistics of counts that come with the product: distances of columns and scores, shares that rise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from fairlead.ops.monitor.statistic import Counted, Floor, Folded

LEAST_ROWS = 30
"""Rows under which a window says nothing."""


TOGETHER = 32
"""Bins up to which columns are compared together: their calls cost more than their bins."""


def distances_on(reference: np.ndarray, live: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Jensen-Shannon distances of count vectors after merging neighbouring bins by `groups` (None: as they are), (n,).

    reference: (bins,) or (n, bins); live: (n, bins).
    """
    from fairlead.lab.stats.distances import jensen_shannon_rows

    if groups is not None:
        merging = np.equal.outer(groups, np.arange(int(groups.max()) + 1)).astype(np.float64)
        reference, live = reference @ merging, live @ merging
    return jensen_shannon_rows(reference, live)


class _Distance:
    """Jensen-Shannon distance of the window's counts from the rest."""

    floor: Floor = "drift"
    unit = "Jensen-Shannon distance"
    most = 1.0

    def _of(self, windows: Mapping[str, Counted], rest: Mapping[str, Counted]) -> dict[str, np.ndarray]:
        asked = {name: (rest[name], live) for name, live in windows.items() if name in rest}
        narrow = [name for name, (_, live) in asked.items() if merged_to(live) <= TOGETHER]
        values = dict(zip(narrow, _at_once([asked[name] for name in narrow]), strict=True))
        for name in asked.keys() - values.keys():
            values[name] = _at_once([asked[name]])[0]
        return {name: values[name] for name in asked}


def merged_to(counted: Counted) -> int:
    """How many bins are compared."""
    return int(counted.groups[-1]) + 1 if counted.groups is not None else counted.counts.shape[1]


@lru_cache(maxsize=4096)
def starts_of(groups: bytes) -> np.ndarray:
    """First bin of each group, (groups,). groups: bytes of (bins,) int64, which never fall."""
    known = np.frombuffer(groups, dtype=np.int64)
    found: np.ndarray = np.flatnonzero(np.concatenate([[True], known[1:] != known[:-1]]))
    return found


def _at_once(pairs: Sequence[tuple[Counted, Counted]]) -> np.ndarray:
    """`distances_on` of several columns of the same n windows, what is compared with before what is looked at,
    (columns, n), NaN where a side holds too little. Bins that a column lacks hold nothing on either side."""
    from fairlead.lab.stats.distances import jensen_shannon_rows

    if not pairs:
        return np.zeros((0, 0))
    n = len(pairs[0][1].rows)
    cells = np.zeros((2, len(pairs), n, max(merged_to(live) for _, live in pairs)))
    for place, (before, live) in enumerate(pairs):
        for side, counts in enumerate((before.counts, live.counts)):
            if live.groups is not None:
                counts = np.add.reduceat(counts, starts_of(live.groups.tobytes()), axis=1)
            cells[side, place, :, : counts.shape[1]] = counts
    values = jensen_shannon_rows(*cells.reshape(2, len(pairs) * n, -1)).reshape(len(pairs), n)
    known = np.array([live.present for _, live in pairs]) >= LEAST_ROWS
    known &= np.add.reduce(cells[0], axis=2) > 0
    return np.where(known, values, np.nan)


class ColumnDistance(_Distance):
    """How far each column moved."""

    name = "drift"

    def values(self, windows: Folded, rest: Folded) -> dict[str, np.ndarray]:
        """By column."""
        return self._of(windows.columns, rest.columns)


class ScoreDistance(_Distance):
    """How far the model's answers moved."""

    name = "scores"

    def values(self, windows: Folded, rest: Folded) -> dict[str, np.ndarray]:
        """By output."""
        return self._of(windows.scores, rest.scores)


class MissingRisen:
    """By how much the share of missing cells rose."""

    name = "missing"
    floor: Floor = "share"
    unit = "share of cells"

    def values(self, windows: Folded, rest: Folded) -> dict[str, np.ndarray]:
        """By column."""
        found = {}
        for name, live in windows.columns.items():
            if name in rest.columns:
                before = rest.columns[name]
                found[name] = _rise(live.missing, live.rows, before.missing, before.rows)
        return found


class OthersRisen:
    """By how much the share of cells rose that hold none of the listed categories."""

    name = "new_category"
    floor: Floor = "share"
    unit = "share of cells"

    def values(self, windows: Folded, rest: Folded) -> dict[str, np.ndarray]:
        """By column that has categories."""
        found = {}
        for name, live in windows.columns.items():
            if name in rest.columns and live.bins.categories:
                before = rest.columns[name]
                found[name] = _rise(live.counts[:, -1], live.present, before.counts[:, -1], before.present)
        return found


def _rise(count: np.ndarray, rows: np.ndarray, before: np.ndarray, all_before: np.ndarray) -> np.ndarray:
    share = count / np.maximum(rows, 1.0) - before / np.maximum(all_before, 1.0)
    return np.where(rows >= LEAST_ROWS, share, np.nan)
