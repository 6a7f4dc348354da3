"""A front as a closure over rows: for requests of a few rows, where numpy's cost per call would dominate."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import CellInvalid
from fairlead.contract.signature import Cell
from fairlead.runtime.bundle.front import Front, Number, Table, value
from fairlead.runtime.bundle.ops import AnyOp, Divide, Impute, Subtract, one_after_another

Floats = npt.NDArray[np.float64]
Deltas = tuple[tuple[int, float], ...]


def row_encoder(front: Front) -> Callable[[Sequence[Sequence[Cell]]], Floats]:
    """See `Front.row_encoder`. The closure keeps no state between calls; each call returns memory of its own."""
    scaled, general, single, several = _sorted_lanes(front)
    template = _template(front)
    width = front.width
    frombuffer = np.frombuffer

    def encode(rows: Sequence[Sequence[Cell]]) -> Floats:
        buffer = template * len(rows)
        start = 0
        for row in rows:
            for source, fill, shift, scale, output in scaled:
                x = row[source]
                # None, or the NaN that differs from itself.
                buffer[start + output] = ((fill if x is None or x != x else x) - shift) / scale
            for source, apply, output in general:
                x = row[source]
                buffer[start + output] = apply(math.nan if x is None else x)
            for source, find, number in single:
                at = find(row[source])
                if at is not None:
                    buffer[start + at] = number
            for source, lookup in several:
                for at, number in lookup(row[source], start, width):
                    buffer[start + at] = number
            start += width
        return frombuffer(buffer).reshape(len(rows), width)

    return encode


def _template(front: Front) -> array[float]:
    """What a row looks like in which every table meets a value never seen."""
    values: list[float] = []
    for lane in front.lanes:
        values.extend([0.0] if isinstance(lane, Number) else [value(number) for number in lane.unseen])
    return array("d", values)


def _sorted_lanes(front: Front) -> tuple[list[tuple[int, float, float, float, int]], list, list, list]:  # type: ignore[type-arg]
    """Lanes by the loop that runs them: impute and scale, other numbers, plain one-hot, other tables."""
    where = {name: at for at, name in enumerate(front.columns)}
    scaled, general, single, several = [], [], [], []
    output = 0
    for lane in front.lanes:
        source = where[lane.column]
        if isinstance(lane, Number):
            plain = _impute_and_scale(lane.ops)
            if plain is not None:
                scaled.append((source, *plain, output))
            else:
                general.append((source, one_after_another(lane.ops), output))
        else:
            found = _one_hot(lane, output)
            if found is not None:
                single.append((source, found[0].get, found[1]))
            else:
                several.append((source, _lookup(lane, output)))
        output += lane.width
    return scaled, general, single, several


def _impute_and_scale(ops: Sequence[AnyOp]) -> tuple[float, float, float] | None:
    """(fill, shift, scale) if `ops` are no more than Impute, Subtract, Divide in this order, else None."""
    fill, shift, scale = math.nan, 0.0, 1.0
    rest = list(ops)
    if rest and isinstance(rest[0], Impute):
        fill = rest.pop(0).value  # type: ignore[union-attr]
    if rest and isinstance(rest[0], Subtract):
        shift = rest.pop(0).by  # type: ignore[union-attr]
    if rest and isinstance(rest[0], Divide):
        scale = rest.pop(0).by  # type: ignore[union-attr]
    return None if rest else (fill, shift, scale)


def _one_hot(lane: Table, output: int) -> tuple[dict[str | float | None, int], float] | None:
    """{key: position} and the one value written there, if the table is that simple, else None."""
    if lane.closed or lane.required or lane.before or any(isinstance(key, float) for key in lane.keys):
        return None
    rows = [*lane.rows, lane.missing]
    numbers = {delta.value for row in rows for delta in row}
    if any(len(row) > 1 for row in rows) or len(numbers) != 1:
        return None
    found: dict[str | float | None, int] = {
        key: output + row[0].output for key, row in zip(lane.keys, lane.rows, strict=True) if row
    }
    if lane.missing:
        found[None] = output + lane.missing[0].output
    return found, value(numbers.pop())


def _lookup(lane: Table, output: int) -> Callable[[Cell, int, int], Deltas]:
    def placed(row: Sequence[object]) -> Deltas:
        return tuple((output + delta.output, value(delta.value)) for delta in row)  # type: ignore[attr-defined]

    known = {key: placed(row) for key, row in zip(lane.keys, lane.rows, strict=True)}
    missing, column = placed(lane.missing), lane.column
    closed, required = lane.closed, lane.required
    before = one_after_another(lane.before) if lane.before else None

    def lookup(cell: Cell, start: int, width: int) -> Deltas:
        if before is not None:
            cell = before(math.nan if cell is None else cell)  # type: ignore[arg-type]
        if cell is None or cell != cell:
            if required:
                raise CellInvalid(start // width, column, "no value", "a value: the model was trained without missing")
            return missing
        found = known.get(cell)
        if found is None:
            if closed:
                raise never_seen(start // width, column, len(known))
            return ()
        return found

    return lookup


def never_seen(row: int, column: str, known: int) -> CellInvalid:
    """The error for a category that the trained model raised on."""
    return CellInvalid(row, column, "a value never seen in training", f"one of the {known} values it was trained on")
