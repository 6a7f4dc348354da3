"""Rows on which a compiled model must agree with the trained one, most of them chosen to disagree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from fairlead.contract.signature import Column, Signature
from fairlead.lab.compile.knots import bending, raw_of
from fairlead.runtime.bundle.front import Front, Number
from fairlead.runtime.bundle.tensor_cells import DTYPES, size

Columns = dict[str, np.ndarray]

TRAINING, RANDOM, THRESHOLDS, EACH = 10_000, 1_000, 400, 8
"""Most training rows, random rows, thresholds, and rows per column and kind of edge."""
ELEMENTS = 1 << 23
"""Most elements of tensors among the training rows, and an eighth of that among the random ones: what a network makes
of large images costs seconds a dozen."""

EDGES = (0.0, -0.0, 5e-324, 1e-300, -1e-300, 1e-9, 2.0**24 + 1, -(2.0**24) - 1, 2.0**31 + 1, 2.0**53, 1e30, -1e30)
NEVER = "never seen in training"


def probes(
    signature: Signature,
    columns: Mapping[str, Any],
    front: Front | None,
    thresholds: Mapping[int, np.ndarray],
    seed: int = 0,
) -> Iterable[tuple[str, Columns]]:
    """(kind, rows in the columns form), of every kind that this model has; deterministic.

    front: None for a model without one. thresholds: {feature of the tail: splits}, for trees.
    """
    random = np.random.default_rng(seed)
    rows = len(next(iter(columns.values())))
    base = {name: np.asarray(array) for name, array in columns.items()}
    some = np.sort(random.permutation(rows)[: most(signature, TRAINING, ELEMENTS)])
    yield "training", {name: array[some] for name, array in base.items()}
    for column in signature.columns:
        if column.nullable:
            yield "missing", _replaced(base, column, _gap(column), random)
        if column.numeric and column.kind in ("number", "integer"):
            for edge in _edges(column):
                yield "edges", _replaced(base, column, edge, random, 2)
        elif column.kind == "tensor":
            for tensor in tensor_edges(column, random):
                yield "edges", _replaced(base, column, tensor, random, 1)
        elif column.kind in ("category", "text") and column.coded != "boolean":
            yield "unseen", _replaced(base, column, _unseen(column), random)
    yield "random", random_rows(signature, most(signature, RANDOM, ELEMENTS // 8), random)
    if front is not None:
        yield from _around(signature, base, front, thresholds, random)
        yield from bending(signature, base, front, random)


def most(signature: Signature, rows: int, elements: int) -> int:
    """So many rows, or fewer where their tensors would have more elements than that; at least 4."""
    wide = sum(size(column) for column in signature.columns if column.kind == "tensor")
    return rows if not wide else max(4, min(rows, elements // wide))


def tensor_edges(column: Column, random: np.random.Generator) -> list[np.ndarray]:
    """Tensors (elements,) at the ends of what training saw: all low, all high, one element unlike all others, and the
    least and greatest that the dtype holds, or one beyond training in floats.
    """
    dtype = DTYPES[column.dtype]
    low, high = column.low or 0.0, 1.0 if column.high is None else column.high
    if dtype.kind == "f":
        ends = [low - 1.0, high + 1.0]
    else:
        ends = [float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)]
    found = [np.full(size(column), end, dtype=np.float64).astype(dtype) for end in (low, high, *ends)]
    for ground, mark in ((0, 1), (1, 0)):
        one = found[ground].copy()
        one[random.integers(0, len(one))] = found[mark][0]
        found.append(one)
    return found


def random_rows(signature: Signature, rows: int, random: np.random.Generator, gaps: float = 0.1) -> Columns:
    """Rows whose cells are drawn independently, column by column, from the signature's ranges and categories."""
    return {column.name: random_cells(column, rows, random, gaps) for column in signature.columns}


def random_cells(column: Column, rows: int, random: np.random.Generator, gaps: float) -> np.ndarray:
    """Cells of one column, a share `gaps` of them missing where that is allowed; of tensors (rows, elements)."""
    if column.kind == "tensor":
        return _random_tensors(column, rows, random)
    absent = (random.random(rows) < gaps) & column.nullable
    if not column.numeric:
        known = column.categories or ("a", "b", "some text")
        cells = np.empty(rows, dtype=object)
        cells[:] = [known[at] for at in random.integers(0, len(known), rows)]
        cells[absent] = None
        return cells
    low = 0.0 if column.low is None else column.low
    high = 1.0 if column.high is None else column.high
    numbers = low + (high - low) * random.random(rows)
    if column.kind in ("integer", "boolean", "time"):
        numbers = np.clip(np.round(numbers), np.ceil(low), np.floor(high))
    numbers[absent] = np.nan
    return numbers


def _random_tensors(column: Column, rows: int, random: np.random.Generator) -> np.ndarray:
    """Half of them noise, each element by itself; half as smooth as a picture is: a slope from corner to corner."""
    dtype, wide = DTYPES[column.dtype], size(column)
    low, high = column.low or 0.0, 1.0 if column.high is None else column.high
    shares = random.random((rows, wide))
    slopes = np.linspace(0.0, 1.0, wide) * random.choice([-1.0, 1.0], (rows, 1)) + random.random((rows, 1))
    shares[::2] = np.abs(slopes[::2]) % 1.0
    numbers = low + (high - low) * shares
    if dtype.kind != "f":
        numbers = np.clip(np.round(numbers), np.ceil(low), np.floor(high))
    return numbers.astype(dtype)


def _gap(column: Column) -> Any:
    return np.nan if column.numeric else None


def _unseen(column: Column) -> str:
    if column.coded == "integer":
        return str(1 + max((abs(int(c)) for c in column.categories), default=10**6))
    return NEVER


def _edges(column: Column) -> list[float]:
    whole = column.kind == "integer"
    own = [edge for edge in (column.low, column.high) if edge is not None]
    beyond = [own[0] - 1.0, own[-1] + 1.0] if own else []
    return [edge for edge in (*EDGES, *own, *beyond) if not whole or edge.is_integer()]


def _replaced(
    base: Mapping[str, np.ndarray], column: Column, value: Any, random: np.random.Generator, each: int = EACH
) -> Columns:
    """A few training rows with one cell replaced."""
    rows = len(base[column.name])
    chosen = random.integers(0, rows, min(rows, each))
    found = {name: array[chosen].copy() for name, array in base.items()}
    found[column.name][:] = [value] * len(chosen)
    return found


def _around(
    signature: Signature,
    base: Mapping[str, np.ndarray],
    front: Front,
    thresholds: Mapping[int, np.ndarray],
    random: np.random.Generator,
) -> Iterable[tuple[str, Columns]]:
    """Training rows moved to within two units in the last place of splits, in float64 and in float32."""
    columns = {column.name: column for column in signature.columns}
    splits = [(lane, float(t)) for at, lane in _number_lanes(front) for t in thresholds.get(at, ()) if np.isfinite(t)]
    if len(splits) > THRESHOLDS:
        splits = [splits[at] for at in np.sort(random.permutation(len(splits))[:THRESHOLDS])]
    moved: dict[str, list[float]] = {}
    for lane, split in splits:
        moved.setdefault(lane.column, []).extend(_near(lane, split, columns[lane.column].kind == "integer"))
    for name, values in moved.items():
        if not values:
            continue
        chosen = random.integers(0, len(base[name]), len(values))
        found = {other: array[chosen].copy() for other, array in base.items()}
        found[name] = np.array(values)
        yield "thresholds", found


def _number_lanes(front: Front) -> Iterable[tuple[int, Number]]:
    at = 0
    for lane in front.lanes:
        if isinstance(lane, Number):
            yield at, lane
        at += lane.width


def _near(lane: Number, split: float, whole: bool) -> list[float]:
    """Raw values whose features lie at and around a split."""
    raw = raw_of(lane.ops, split)
    if raw is None:
        return []
    if whole:
        return [np.floor(raw), np.ceil(raw)]
    step64, step32 = np.spacing(abs(raw)), float(np.spacing(np.float32(abs(raw))))
    # Half a float32 step is where rounding to float32 tips over to the other side of a split.
    return [raw + k * step64 for k in range(-2, 3)] + [raw + k * step32 for k in (-2, -1, -0.5, 0.5, 1, 2)]
