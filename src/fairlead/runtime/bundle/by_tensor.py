"""The elements of tensors as features: for rows beside what `by_row` or its kernel writes, for columns by blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import ShapeMismatch
from fairlead.runtime.bundle.ops import Add, AnyOp, Divide, Multiply, Subtract, for_many
from fairlead.runtime.bundle.plan import Plan, Spread

Floats = npt.NDArray[np.float64]

AT_ONCE = 1024 * 1024
"""Features of one block where a front takes tensors: 8 MiB, however large a tensor is; a convolution holds many times
that."""


def with_tensors(features: Callable[..., Any], plan: Plan) -> Callable[..., Any]:
    """`features` of the plan's other lanes, with the elements of its tensors written among them; `features` itself
    where there are none.
    """
    if not plan.tensors:
        return features
    width = len(plan.template)
    alone = not (plan.scaled or plan.general or plan.tables or plan.beside)

    def spread(rows: Sequence[Sequence[Any]], first: int = 0) -> Any:
        count = len(rows)
        found = np.empty((count, width)) if alone else features(rows, first)
        table = found if alone else np.frombuffer(found).reshape(count, width)
        with np.errstate(all="ignore"):
            for lane in plan.tensors:
                cells = [row[lane.source] for row in rows]
                write(_together(cells, lane, first), lane.ops, table[:, lane.output : lane.output + lane.size])
        return found

    return spread


def _together(cells: Sequence[bytes], lane: Spread, first: int) -> npt.NDArray[Any]:
    length = lane.size * lane.dtype.itemsize
    for row, cell in enumerate(cells, first):
        # Were only their sum right, elements of one row would become those of another.
        if not isinstance(cell, bytes) or len(cell) != length:
            refuse(lane, row, cell)
    data = cells[0] if len(cells) == 1 else b"".join(cells)
    return np.frombuffer(data, lane.dtype).reshape(len(cells), lane.size)


def refuse(lane: Spread, row: int, cell: Any) -> NoReturn:
    """Raises ShapeMismatch for a cell that is no tensor of the lane's."""
    found = f"{len(cell)} bytes" if isinstance(cell, bytes) else "something else"
    raise ShapeMismatch(f"row {row}: a tensor has {found}, the model takes {lane.size * lane.dtype.itemsize} bytes")


def column_of(column: Any, lane: Spread, name: str) -> npt.NDArray[Any]:
    """A column of tensors, shape (n, elements). Raises ShapeMismatch for anything else."""
    if not isinstance(column, np.ndarray) or column.ndim != 2 or column.dtype.kind not in "iuf":
        raise ShapeMismatch(f"column {name!r}: the model takes an array of numbers of shape (rows, {lane.size})")
    if column.shape[1] != lane.size:
        raise ShapeMismatch(f"column {name!r}: {column.shape[1]} elements a row, the model takes {lane.size}")
    return column


def write(given: npt.NDArray[Any], ops: Sequence[AnyOp], out: Floats) -> None:
    """Every element after `ops`, into `out` of the same shape: what `ops.all_for_many` gives, without its copies."""
    out[...] = given
    for op in ops:
        match op:
            case Add(by):
                out += by
            case Subtract(by):
                out -= by
            case Multiply(by):
                out *= by
            case Divide(by):
                out /= by
            case _:
                out[...] = for_many(op, out)
