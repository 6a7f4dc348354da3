"""A regression tree of few leaves in numpy: what imitates a model, without the second that loading a library takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
LEAF = -1
LEAST_GAIN = 1e-12
"""As a share of the spread of what is imitated: a split that gains less tells nothing."""


@dataclass
class SmallTree:
    """Lists over nodes, root first. left is taken where x <= threshold; missing_left: where NaN goes. feature and
    children of a leaf are -1; value: the mean of its rows.
    """

    feature: list[int] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    missing_left: list[bool] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    depth: int = 0

    def apply(self, features: Floats) -> np.ndarray:
        """The leaf of each row, shape (n,). features: (n, f), NaN for missing."""
        at = np.zeros(len(features), dtype=np.int64)
        for node, column in enumerate(self.feature):
            # Children come after their parents, so one pass over the nodes leads every row to its leaf.
            if column == LEAF:
                continue
            here = np.flatnonzero(at == node)
            cells = features[here, column]
            goes_left = np.where(np.isnan(cells), self.missing_left[node], cells <= self.threshold[node])
            at[here] = np.where(goes_left, self.left[node], self.right[node])
        return at

    def predict(self, features: Floats) -> Floats:
        """The mean of each row's leaf, shape (n,)."""
        found: Floats = np.asarray(self.value, dtype=np.float64)[self.apply(features)]
        return found


def grow(features: Floats, wanted: Floats, depth: int, fewest: int) -> SmallTree:
    """The tree that greedily takes away most of the squared error, of at most `depth` levels, `fewest` rows a leaf.

    features: (n, f), NaN for missing; wanted: (n,). Of equal splits the first column's, the lowest threshold.
    Source: Breiman, Friedman, Olshen and Stone, Classification and regression trees (1984).
    """
    tree = SmallTree()
    enough = LEAST_GAIN * max(float(((wanted - wanted.mean()) ** 2).sum()), 1e-300)
    waiting = [(np.arange(len(wanted)), 0)]
    _add(tree, wanted)
    node = 0
    while node < len(waiting):
        rows, level = waiting[node]
        tree.depth = max(tree.depth, level)
        found = _split(features[rows], wanted[rows], fewest) if level < depth else None
        if found is not None and found[0] > enough:
            _, tree.feature[node], tree.threshold[node], tree.missing_left[node] = found
            cells = features[rows, tree.feature[node]]
            goes_left = np.where(np.isnan(cells), tree.missing_left[node], cells <= tree.threshold[node])
            for side, kept in ((tree.left, rows[goes_left]), (tree.right, rows[~goes_left])):
                side[node] = len(waiting)
                waiting.append((kept, level + 1))
                _add(tree, wanted[kept])
        node += 1
    return tree


def _add(tree: SmallTree, wanted: Floats) -> None:
    tree.feature.append(LEAF)
    tree.threshold.append(0.0)
    tree.missing_left.append(False)
    tree.left.append(LEAF)
    tree.right.append(LEAF)
    tree.value.append(float(wanted.mean()))


def _split(features: Floats, wanted: Floats, fewest: int) -> tuple[float, int, float, bool] | None:
    """(squared error taken away, feature, threshold, whether missing cells go left) of the best, if there is any."""
    best: tuple[float, int, float, bool] | None = None
    centred = wanted - wanted.mean()
    for column in range(features.shape[1]):
        cells = features[:, column]
        gaps = np.isnan(cells)
        order = np.argsort(cells[~gaps], kind="stable")
        known, told = cells[~gaps][order], centred[~gaps][order]
        cuts = np.flatnonzero(np.diff(known) > 0)
        if not len(cuts):
            continue
        below, sums = cuts + 1.0, np.cumsum(told)[cuts]
        missing, lost = float(gaps.sum()), float(centred[gaps].sum())
        for to_left in (False, True) if missing else (False,):
            rows, total = below + missing * to_left, sums + lost * to_left
            others = len(wanted) - rows
            # The whole sums to nought, so what is right of a cut is the negative of what is left of it.
            with np.errstate(divide="ignore", invalid="ignore"):
                gain = total**2 / rows + total**2 / others
            gain = np.where((rows >= fewest) & (others >= fewest), gain, -np.inf)
            at = int(gain.argmax())
            if np.isfinite(gain[at]) and (best is None or gain[at] > best[0]):
                # Where training met no missing cell, one goes where most rows go.
                best = (
                    float(gain[at]), column, _between(float(known[cuts[at]]), float(known[cuts[at] + 1])),
                    to_left if missing else bool(rows[at] >= others[at]),
                )  # fmt: skip
    return best


def _between(low: float, high: float) -> float:
    """The middle of two numbers, and the lower of two that have none."""
    middle = low + (high - low) / 2
    return middle if low <= middle < high else low
