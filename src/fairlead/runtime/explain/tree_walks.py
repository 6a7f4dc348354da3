"""Trees by numpy: their sums and their Shapley values where no kernel was compiled, as `_shap.c` explains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fairlead.runtime.bundle.tree_file import TreeFile

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


def compared(trees: TreeFile, features: Floats) -> Floats:
    """Features as the trees compare them, C-contiguous."""
    found = np.ascontiguousarray(features, dtype=np.float64)
    if trees.rounded or trees.single:
        with np.errstate(over="ignore"):
            found = found.astype(np.float32).astype(np.float64)
    if trees.sparse:
        found = np.where(found == 0.0, np.nan, found)
    return found


def sums_of(trees: TreeFile) -> Callable[[Floats], Floats]:
    """A function from features (n, width) to ((sum + base) / count) * slope, shape (n, targets)."""

    def sums(features: Floats) -> Floats:
        x = compared(trees, features)
        found = np.zeros((len(x), trees.targets))
        every = np.arange(len(x))
        for root in trees.roots.tolist():
            at = np.full(len(x), root)
            while (inner := at >= 0).any():
                rows, nodes = every[inner], at[inner]
                side = _side(x[rows, trees.feature[nodes]], trees.split[nodes], trees.missing[nodes])
                at[rows] = np.where(side, trees.falses[nodes], trees.trues[nodes])
            leaf = -1 - at
            found[every, trees.target[leaf] if trees.targets > 1 else 0] += trees.weight[leaf]
        if trees.base is not None:
            found += trees.base
        return found / trees.count * trees.slope

    return sums


def _side(values: Floats, split: Any, missing: Any) -> npt.NDArray[np.bool_]:
    """Whether values go to the second child."""
    found: npt.NDArray[np.bool_] = np.where(np.isnan(values), missing == 1, ~(values <= split))
    return found


class _Walk:
    def __init__(self, trees: TreeFile, x: Floats, background: Floats, owners: Rows, players: int) -> None:
        self.trees, self.x, self.background, self.owners = trees, x, background, owners
        self.out = np.zeros((len(x), players, trees.targets))
        self.kept: dict[int, npt.NDArray[np.bool_]] = {}
        self.left: set[int] = set()
        depth = players + 1
        self.share = np.zeros((depth + 1, depth + 1))
        for v in range(1, depth + 1):
            self.share[0, v] = 1.0 / v
            for u in range(1, depth + 1):
                self.share[u, v] = self.share[u - 1, v] * u / (u + v)

    def settle(self, leaf: int, rows: Rows, alive: npt.NDArray[np.bool_]) -> None:
        v = len(self.left)
        apart = {player: alive & ~kept for player, kept in self.kept.items() if player not in self.left}
        u = np.zeros(len(alive), dtype=np.int64)
        for lost in apart.values():
            u += lost
        weight = self.trees.weight[leaf] / len(alive)
        target = self.trees.target[leaf] if self.trees.targets > 1 else 0
        for player, lost in apart.items():
            if lost.any():
                self.out[rows, player, target] += weight * self.share[v, u[lost]].sum()
        if v:
            against = self.share[u[alive], v].sum()
            for player in self.left:
                self.out[rows, player, target] -= weight * against

    def step(self, at: int, rows: Rows, alive: npt.NDArray[np.bool_]) -> None:
        if at < 0:
            self.settle(-1 - at, rows, alive)
            return
        trees = self.trees
        feature, split, missing = int(trees.feature[at]), trees.split[at], trees.missing[at]
        player = int(self.owners[feature])
        before = self.kept.get(player)
        ours = _side(self.x[rows, feature], split, missing)
        theirs = _side(self.background[:, feature], split, missing)
        for second, child in ((False, int(trees.trues[at])), (True, int(trees.falses[at]))):
            stay = theirs == second if before is None else before & (theirs == second)
            still = alive & stay
            self.kept[player] = stay
            if player in self.left:
                if still.any():
                    self.step(child, rows, still)
                continue
            here = rows[ours == second]
            if len(here):
                self.step(child, here, alive)
            if len(here) < len(rows) and still.any():
                self.kept[player] = stay
                self.left.add(player)
                self.step(child, rows[ours != second], still)
                self.left.remove(player)
        if before is None:
            del self.kept[player]
        else:
            self.kept[player] = before


def attributions_of(
    trees: TreeFile, x: Floats, background: Floats, owners: Rows, players: int, check: Callable[[], None]
) -> Floats:
    """What the leaves give each player, shape (n, players, targets), before slope and count; of `compared` rows."""
    walk = _Walk(trees, x, background, owners, players)
    rows, alive = np.arange(len(x)), np.ones(len(background), dtype=bool)
    for root in trees.roots.tolist():
        check()
        walk.step(root, rows, alive)
    return walk.out
