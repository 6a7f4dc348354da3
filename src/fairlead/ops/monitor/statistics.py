"""Statistics of counts that come with the product: distances of columns and scores, shares that rise."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fairlead.ops.monitor.statistic import Counted, Floor, Folded

LEAST_ROWS = 30
"""Rows under which a window says nothing."""


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
        found = {}
        for name, live in windows.items():
            if name not in rest:
                continue
            before = rest[name].counts
            values = distances_on(before, live.counts, live.groups)
            found[name] = np.where((live.present >= LEAST_ROWS) & (before.sum(axis=1) > 0), values, np.nan)
        return found


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
