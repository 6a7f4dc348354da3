"""A front over rows: by the compiled kernel, else as closures, for requests of a few rows, where numpy's cost per call
would dominate."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from fairlead.contract.signature import Cell
from fairlead.runtime.bundle.aside import with_asides
from fairlead.runtime.bundle.by_tensor import with_tensors
from fairlead.runtime.bundle.front import Delta, Front, Table, value
from fairlead.runtime.bundle.ops import one_after_another
from fairlead.runtime.bundle.plan import Placed, Plan, Scaled, never_seen, no_value, plan
from fairlead.runtime.bundle.row_kernel import Features, features_of, is_one_hot

Floats = npt.NDArray[np.float64]
Writes = tuple[tuple[int, float], ...]
RowEncoder = Callable[..., Floats]
"""(rows, first = 0) -> features, shape (n, width); the first row counts as `first` in errors."""


def row_encoder(front: Front) -> RowEncoder:
    """See `Front.row_encoder`. The closure keeps no state between calls; each call returns memory of its own."""
    return arrays_of(row_features(front), front.width)


def arrays_of(features: Features, width: int) -> RowEncoder:
    """`features` as arrays of `width` columns."""
    frombuffer = np.frombuffer

    def encode(rows: Sequence[Sequence[Any]], first: int = 0) -> Floats:
        return frombuffer(features(rows, first)).reshape(len(rows), width)

    return encode


def row_features(front: Front) -> Features:
    """A function from rows to the bytes of their features, double (n, width), C-contiguous."""
    planned = plan(front)
    return features_of(planned) or closures(planned)


def closures(planned: Plan) -> Features:
    """What `row_features` gives where there is no kernel."""
    scaled = planned.scaled
    general = [(lane.source, one_after_another(lane.ops), lane.output) for lane in planned.general]
    single, several = [], []
    for placed in planned.tables:
        simple = _one_hot(placed)
        if simple is not None:
            single.append((placed.source, simple[0].get, simple[1]))
        else:
            several.append((placed.source, _lookup(placed, len(planned.template))))
    template = array("d", planned.template)
    width = len(template)
    fill_row = _unrolled(scaled, general, single, several)

    def features(rows: Sequence[Sequence[Any]], first: int = 0) -> Any:
        buffer = template * len(rows)
        fill_row(rows, buffer, width, first * width)
        return buffer

    return with_asides(with_tensors(features, planned), planned)


def _unrolled(
    scaled: Sequence[Scaled],
    general: Sequence[tuple[int, Any, int]],
    single: Sequence[tuple[int, Any, float]],
    several: Sequence[tuple[int, Any]],
) -> Callable[[Sequence[Sequence[Any]], Any, int, int], None]:
    """A function that writes rows into a buffer, with a line of its own for each column: loops over columns cost more
    than what they do. The source holds positions and names made here; whatever a bundle states is bound as a value.
    It is called with the width of a row and with the numbers that come before the buffer.
    """
    bound: dict[str, Any] = {"nan": math.nan}
    lines = ["", "    start = 0", "    for row in rows:"]
    for n, (source, fill, shift, scale, output) in enumerate(scaled):
        bound |= {f"fill{n}": fill, f"shift{n}": shift, f"scale{n}": scale}
        # None, or the NaN that differs from itself.
        lines += [
            f"        x = row[{source}]",
            f"        buffer[start + {output}] = ((fill{n} if x is None or x != x else x) - shift{n}) / scale{n}",
        ]
    for n, (source, apply, output) in enumerate(general):
        bound[f"apply{n}"] = apply
        lines += [
            f"        x = row[{source}]",
            f"        buffer[start + {output}] = apply{n}(nan if x is None else x)",
        ]
    for n, (source, find, number) in enumerate(single):
        bound |= {f"find{n}": find, f"number{n}": number}
        lines += [
            f"        at = find{n}(row[{source}])",
            f"        if at is not None: buffer[start + at] = number{n}",
        ]
    for n, (source, lookup) in enumerate(several):
        bound[f"lookup{n}"] = lookup
        lines += [f"        for at, number in lookup{n}(row[{source}], before + start): buffer[start + at] = number"]
    lines += ["        start += width"]
    # Defaults are locals, which cost less to read than globals.
    lines[0] = f"def fill_row(rows, buffer, width, before, {', '.join(f'{name}={name}' for name in bound)}):"
    made: dict[str, Any] = {}
    exec("\n".join(lines), bound, made)  # noqa: S102
    filled: Callable[[Sequence[Sequence[Any]], Any, int, int], None] = made["fill_row"]
    return filled


def row_guard(front: Front) -> Callable[[Sequence[Sequence[Any]]], None] | None:
    """See `Model.guard`; None where the trained model refused nothing."""
    tables = [placed for placed in plan(front).tables if placed.table.closed or placed.table.required]
    if not tables:
        return None
    kernel = features_of(_alone(tables))
    if kernel is not None:
        return cast("Callable[[Sequence[Sequence[Any]]], None]", kernel)
    lookups = [(placed.source, _lookup(placed, 1)) for placed in tables]

    def guard(rows: Sequence[Sequence[Any]]) -> None:
        for number, row in enumerate(rows):
            for source, lookup in lookups:
                lookup(row[source], number)

    return guard


def _alone(tables: Sequence[Placed]) -> Plan:
    """A plan of nothing but these tables."""
    moved: list[Placed] = []
    width = 0
    for placed in tables:
        moved.append(placed._replace(output=width))
        width += placed.table.width
    return Plan([], [], moved, [0.0] * width)


def _one_hot(placed: Placed) -> tuple[dict[Any, int], float] | None:
    """{key: position} and the one value written there, if the table is that simple, else None."""
    table = placed.table
    if not is_one_hot(table):
        return None
    number = next(delta.value for row in (*table.rows, table.missing) for delta in row)
    found: dict[Any, int] = {
        key: placed.output + row[0].output for key, row in zip(table.keys, table.rows, strict=True) if row
    }
    if table.missing:
        found[None] = placed.output + table.missing[0].output
    return found, value(number)


def _lookup(placed: Placed, width: int) -> Callable[[Cell, int], Writes]:
    table, output = placed.table, placed.output

    def writes(row: Iterable[Delta]) -> Writes:
        return tuple((output + delta.output, value(delta.value)) for delta in row)

    known: dict[Any, Writes] = {key: writes(row) for key, row in zip(table.keys, table.rows, strict=True)}
    missing = writes(table.missing)
    before = _before(table)

    def lookup(cell: Any, start: int) -> Writes:
        if before is not None:
            cell = before(math.nan if cell is None else cell)
        if cell is None or cell != cell:
            if table.required:
                raise no_value(start // width, table)
            return missing
        found = known.get(cell)
        if found is None:
            if table.closed:
                raise never_seen(start // width, table)
            return ()
        return found

    return lookup


def _before(table: Table) -> Callable[[float], float] | None:
    return one_after_another(table.before) if table.before else None
