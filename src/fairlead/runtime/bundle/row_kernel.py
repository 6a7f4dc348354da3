"""Fronts for the compiled kernel `_rows`: rows of cells to features as `by_row` gives them, in a fraction of its time.

The kernel is a C file that is compiled when the package is built; where that could not be, `by_row` does it all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from fairlead.contract.errors import CellInvalid
from fairlead.runtime.bundle.aside import with_asides
from fairlead.runtime.bundle.by_tensor import refuse, with_tensors
from fairlead.runtime.bundle.front import Delta, Table, value
from fairlead.runtime.bundle.ops import (
    Absent,
    Add,
    AnyOp,
    Clip,
    Divide,
    Impute,
    Missing,
    Multiply,
    Part,
    Subtract,
    one_after_another,
)
from fairlead.runtime.bundle.plan import Placed, Plan, Spread, never_seen, no_value
from fairlead.runtime.bundle.tensor_cells import DTYPES

try:
    from fairlead.runtime.bundle import _rows
except ImportError:  # no compiler when the package was built
    _rows = None  # type: ignore[assignment]

Features = Callable[..., Any]
"""(rows, first = 0) -> a buffer of doubles of (rows, width); the first row counts as `first` in errors."""
Step = tuple[int, float, float]

_PARTS = ("year", "month", "day", "weekday", "hour", "minute", "day_of_year", "epoch_day")
_FIRST_PART = 7


def features_of(plan: Plan) -> Features | None:
    """Rows to doubles, (rows, width), C-contiguous; None where there is no kernel, or it does not take the plan."""
    if _rows is None:
        return None
    general = [(lane.source, _steps(lane.ops), one_after_another(lane.ops), lane.output) for lane in plan.general]
    scaled = [(lane.source, lane.fill, lane.shift, lane.scale, lane.output) for lane in plan.scaled]
    # As in `by_row`: tables of one write a key come first, which decides whose error is told.
    tables = sorted(plan.tables, key=lambda placed: not is_one_hot(placed.table))
    tensors = _tensors(plan.tensors)
    try:
        front = _rows.build(
            tuple(plan.template), tuple(scaled), tuple(general), tuple(map(_table, tables)), tensors or ()
        )
    except (ValueError, TypeError, OverflowError):
        return None
    features = partial(_rows.features, front)
    return with_asides(with_tensors(features, plan) if tensors is None else features, plan)


def is_one_hot(table: Table) -> bool:
    """Whether a table is no more than {key: position} and the one number that is written there."""
    if table.closed or table.required or table.before or any(isinstance(key, float) for key in table.keys):
        return False
    rows = [*table.rows, table.missing]
    return not any(len(row) > 1 for row in rows) and len({delta.value for row in rows for delta in row}) == 1


def _table(placed: Placed) -> tuple[Any, ...]:
    table, output = placed.table, placed.output

    def writes(row: Iterable[Delta]) -> tuple[tuple[int, float], ...]:
        return tuple((output + delta.output, value(delta.value)) for delta in row)

    def raising(error: Callable[[int, Table], CellInvalid]) -> Callable[[int], None]:
        def refuse(row: int) -> None:
            raise error(row, table)

        return refuse

    known = {key: at for at, key in enumerate(table.keys)}
    return (
        placed.source, known, tuple(map(writes, table.rows)), writes(table.missing), not is_one_hot(table),
        _steps(table.before), one_after_another(table.before) if table.before else None,
        raising(never_seen) if table.closed else None, raising(no_value) if table.required else None,
    )  # fmt: skip


def _tensors(lanes: Sequence[Spread]) -> tuple[Any, ...] | None:
    """None where an operation is not for the kernel. It knows those of scaling: numpy's others may differ in the sign
    of a zero.
    """
    dtypes = list(DTYPES.values())
    found = []
    for lane in lanes:
        steps = _steps(lane.ops)
        if steps is None or not all(isinstance(op, Add | Subtract | Multiply | Divide) for op in lane.ops):
            return None
        found.append((lane.source, dtypes.index(lane.dtype), lane.size, steps, partial(refuse, lane), lane.output))
    return tuple(found)


def _steps(ops: Sequence[AnyOp]) -> tuple[Step, ...] | None:
    """Operations as the kernel knows them, None where one is not for it."""
    found = []
    for op in ops:
        step = _step(op)
        if step is None:
            return None
        found.append(step)
    return tuple(found)


def _step(op: AnyOp) -> Step | None:
    match op:
        case Impute(number):
            return 0, number, 0.0
        case Add(by):
            return 1, by, 0.0
        case Subtract(by):
            return 2, by, 0.0
        case Multiply(by):
            return 3, by, 0.0
        case Divide(by):
            return 4, by, 0.0
        case Clip(low, high):
            return 5, -math.inf if low is None else low, math.inf if high is None else high
        case Missing():
            return 6, 0.0, 0.0
        case Absent(number):
            return _FIRST_PART + len(_PARTS), number, 0.0
        case Part(part, ""):
            return _FIRST_PART + _PARTS.index(part), 0.0, 0.0
    # The circle's sine is numpy's, which the C library need not share to the last bit.
    return None
