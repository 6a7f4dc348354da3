"""The curves of an additive model, exactly: what each column adds to the sum at every value it can have.

Read from the sealed trees and the sealed preparation, so what is drawn is what answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle.coded import Columns
from fairlead.runtime.bundle.front import Front, sources_of
from fairlead.runtime.bundle.tree_file import TreeFile, read_trees
from fairlead.runtime.explain.tree_walks import sums_of

MOST_EDGES = 20_000
GRID = 257
"""Values of a column whose preparation does not follow its order, between the least and the greatest of training."""

Floats = np.ndarray


class Shape(msgspec.Struct, frozen=True):
    """What one column adds. values: (pieces, targets), a step a piece; missing: (targets,), what no value adds.

    edges: of numbers, ascending; piece i holds from above edges[i - 1] to edges[i] inclusive, the last piece above all.
    categories: of text, a piece each, and a last one for any other. sampled: the preparation does not follow the
    column's order, so that the pieces are those at `edges` alone and between them others may lie.
    """

    column: str
    values: tuple[tuple[float, ...], ...]
    missing: tuple[float, ...]
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    sampled: bool = False


class Shapes(msgspec.Struct, frozen=True):
    """intercept: (targets,). The sum is intercept + what every column adds: log-odds of the second of two classes, a
    sum a class whose softmax answers, or the number itself (poisson: its logarithm).
    """

    intercept: tuple[float, ...]
    shapes: tuple[Shape, ...]


def shapes_of(front: Front, tail: bytes, signature: Signature) -> Shapes:
    """The curves of a compiled model. tail: bytes of its `tail.onnx`.

    Raises NotCompilable where it is no sum of trees, or some tree asks two columns and there are no curves.
    """
    trees = read_trees(tail)
    if trees is None:
        raise NotCompilable("only a sum of trees has curves that can be drawn exactly.")
    if any(len(set(sources_of(lane))) > 1 for lane in front.lanes):
        raise NotCompilable("a feature is a product of two columns: the model is no sum of one curve a column.")
    owners = np.array([lane.column for lane in front.lanes for _ in range(lane.width)], dtype=object)
    asked = [_features(trees, root) for root in trees.roots.tolist()]
    owned: dict[str, list[int]] = {}
    for number, features in enumerate(asked):
        names = {str(owners[feature]) for feature in features}
        if len(names) > 1:
            raise NotCompilable(
                f"a tree asks {' and '.join(sorted(names)[:2])} together: the model is no sum of one curve a column."
            )
        if names:
            owned.setdefault(names.pop(), []).append(number)
    constant = [number for number, features in enumerate(asked) if not features]
    base = sums_of(_chosen(trees, constant, trees.base))(np.zeros((1, front.width)))[0]
    at_rest = {column.name: _usual(column) for column in signature.columns}
    found = []
    for column in signature.columns:
        if column.name in owned:
            part = _chosen(trees, owned[column.name], None)
            found.append(_shape(column, front, part, at_rest))
    return Shapes(tuple(base.tolist()), tuple(found))


def _features(trees: TreeFile, root: int) -> set[int]:
    """Features that a tree asks; none where all its leaves say the same, as of a tree of one leaf."""
    features, leaves, waiting = set(), set(), [root]
    while waiting:
        node = waiting.pop()
        if node < 0:
            leaves.add(float(trees.weight[-1 - node]))
        else:
            features.add(int(trees.feature[node]))
            waiting += [int(trees.trues[node]), int(trees.falses[node])]
    return features if len(leaves) > 1 else set()


def _chosen(trees: TreeFile, numbers: Sequence[int], base: Any) -> TreeFile:
    roots = trees.roots[np.array(numbers, dtype=np.int64)] if numbers else trees.roots[:0]
    return msgspec.structs.replace(trees, roots=roots, base=base)


def _usual(column: Column) -> Any:
    if column.numeric:
        return 0.0 if column.low is None else column.low
    return column.categories[0] if column.categories else "a"


def _rows(front: Front, at_rest: dict[str, Any], column: Column, values: Sequence[Any]) -> Columns:
    found: dict[str, Any] = {}
    for name, value in at_rest.items():
        cells = list(values) if name == column.name else [value] * len(values)
        found[name] = np.array(cells, dtype=object if any(isinstance(c, str) or c is None for c in cells) else float)
    return found


def _shape(column: Column, front: Front, part: TreeFile, at_rest: dict[str, Any]) -> Shape:
    adds = sums_of(part)

    def added(values: Sequence[Any]) -> tuple[tuple[float, ...], ...]:
        with np.errstate(all="ignore"):
            return tuple(map(tuple, adds(front.encode(_rows(front, at_rest, column, values))).tolist()))

    if not column.numeric:
        known = column.categories
        other = "never seen in training"
        (missing,) = added([None])
        return Shape(column.name, added([*known, other]), missing, categories=known)
    (missing,) = added([float("nan")])
    edges = _edges(column, front, part, at_rest)
    if edges is None:
        low, high = column.low or 0.0, 1.0 if column.high is None else column.high
        grid = np.linspace(low, high, GRID).tolist()
        return Shape(column.name, added(grid), missing, edges=tuple(grid), sampled=True)
    last = np.nextafter(edges[-1], np.inf) if edges else 0.0
    return Shape(column.name, added([*edges, last]), missing, edges=tuple(edges))


def _edges(column: Column, front: Front, part: TreeFile, at_rest: dict[str, Any]) -> list[float] | None:
    """The greatest value of the column on the lower side of each split, found by halving all doubles there are.

    None where a feature does not follow the order of the column.
    """
    features, splits = _splits(part)
    if len(splits) > MOST_EDGES:
        raise NotCompilable(f"{column.name} has more than {MOST_EDGES} splits.")

    def encoded(values: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return front.encode(_rows(front, at_rest, column, values.tolist()))

    probe = _doubles(np.linspace(*_ends(), 2001).astype(np.int64))
    seen = np.linspace(column.low or 0.0, 1.0 if column.high is None else column.high, 501)
    steps = [np.diff(encoded(np.sort(values))[:, np.unique(features)], axis=0) for values in (probe, seen)]
    if any((step < 0).any() and (step > 0).any() for step in steps) or any((step < 0).any() for step in steps):
        return None
    low, high = (np.full(len(splits), end, dtype=np.int64) for end in _ends())
    every = np.arange(len(splits))
    while (low < high).any():
        # The upper middle, without leaving 64 bits.
        middle = (low >> 1) + (high >> 1) + ((low | high) & 1)
        below = _compared(part, encoded(_doubles(middle)))[every, features] <= splits
        low, high = np.where(below, middle, low), np.where(below, high, middle - 1)
    found = _doubles(low)
    inside = found[(low > _ends()[0]) & (low < _ends()[1])]
    return sorted(set(inside.tolist()))


def _compared(part: TreeFile, features: np.ndarray) -> np.ndarray:
    if part.rounded or part.single:
        with np.errstate(over="ignore"):
            return features.astype(np.float32).astype(np.float64)
    return features


def _splits(part: TreeFile) -> tuple[np.ndarray, np.ndarray]:
    """(feature, threshold) of every node of these trees, each pair once."""
    pairs: set[tuple[int, float]] = set()
    waiting = part.roots.tolist()
    while waiting:
        node = waiting.pop()
        if node >= 0:
            pairs.add((int(part.feature[node]), float(part.split[node])))
            waiting += [int(part.trues[node]), int(part.falses[node])]
    ordered = sorted(pairs)
    return np.array([f for f, _ in ordered], dtype=np.int64), np.array([s for _, s in ordered])


def _ends() -> tuple[int, int]:
    """The doubles -1.8e308 and 1.8e308 as whole numbers in the same order."""
    greatest = int(np.array(np.finfo(np.float64).max).view(np.int64))
    return -greatest - 1, greatest


def _doubles(order: np.ndarray) -> np.ndarray:
    """Doubles by their place in the order of all doubles."""
    bits = np.where(order >= 0, order, np.int64(-(2**63)) - order - 1)
    return bits.astype(np.int64).view(np.float64)
