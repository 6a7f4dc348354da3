"""A front run column by column with numpy: for many rows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import ColumnMissing, ShapeMismatch
from fairlead.runtime.bundle.front import Columns, Front, value
from fairlead.runtime.bundle.ops import all_for_many
from fairlead.runtime.bundle.plan import Placed, Scaled, never_seen, no_value, plan

Floats = npt.NDArray[np.float64]
Write = Callable[[Columns, Floats], None]


def column_encoder(front: Front) -> Callable[[Columns], Floats]:
    """See `Front.column_encoder`. The closure keeps no state between calls."""
    planned = plan(front)
    template = np.array(planned.template)
    used = sorted({lane.column for lane in front.lanes})
    writers: list[Write] = []
    if planned.scaled:
        writers.append(_scale(front, planned.scaled))
    if planned.tables:
        writers.append(_look_up(front, planned.tables))

    def encode(columns: Columns) -> Floats:
        rows = _length(front, used, columns)
        out = np.empty((rows, len(template)))
        out[:] = template
        for write in writers:
            write(columns, out)
        for source, ops, output in planned.general:
            out[:, output] = all_for_many(ops, np.asarray(columns[front.columns[source]], dtype=np.float64))
        return out

    return encode


def _length(front: Front, used: list[str], columns: Columns) -> int:
    """Rows of the columns. Raises ColumnMissing, ShapeMismatch."""
    if absent := [name for name in used if name not in columns]:
        raise ColumnMissing(absent, front.columns)
    lengths = {len(array) for array in columns.values()}
    if len(lengths) > 1:
        raise ShapeMismatch(f"columns have different lengths: {sorted(lengths)}")
    return lengths.pop() if lengths else 0


def _scale(front: Front, lanes: list[Scaled]) -> Write:
    names = [front.columns[lane.source] for lane in lanes]
    outputs = [lane.output for lane in lanes]
    fill, shift, scale = (np.array(found) for found in zip(*[lane[1:4] for lane in lanes], strict=True))

    def write(columns: Columns, out: Floats) -> None:
        x = np.empty((len(out), len(names)))
        for at, name in enumerate(names):
            x[:, at] = columns[name]
        np.copyto(x, fill, where=np.isnan(x))
        x -= shift
        x /= scale
        out[:, outputs] = x

    return write


class _Codes(dict[Any, int]):
    """Cell -> code; unseen and missing have codes of their own."""

    def __init__(self, unseen: int, missing: int) -> None:
        super().__init__({None: missing})
        self.unseen, self.missing = unseen, missing

    def __missing__(self, cell: Any) -> int:
        # NaN is found by no look-up of its own, since it differs from itself.
        return self.missing if cell != cell else self.unseen


def _look_up(front: Front, tables: list[Placed]) -> Write:
    """All tables at once: codes of every cell by one pass, then one scatter per write that a row can need."""
    places: list[list[int]] = []
    values: list[list[float]] = []
    codes: list[tuple[str, Placed, _Codes]] = []
    slots = max(1, max(len(row) for p in tables for row in (*p.table.rows, p.table.missing)))
    for placed in tables:
        found = _Codes(len(places), len(places) + 1)
        found.update((key, len(places) + 2 + at) for at, key in enumerate(placed.table.keys))
        codes.append((front.columns[placed.source], placed, found))
        for row in ((), placed.table.missing, *placed.table.rows):
            writes = [(placed.output + delta.output, value(delta.value)) for delta in row]
            # Padding writes again what is there already, so that no mask is needed.
            writes += [writes[-1] if writes else (placed.output, value(placed.table.unseen[0]))] * (slots - len(writes))
            places.append([place for place, _ in writes])
            values.append([number for _, number in writes])
    where, what = np.array(places, dtype=np.intp), np.array(values)

    def write(columns: Columns, out: Floats) -> None:
        rows, width = out.shape
        listed = [map(own.__getitem__, _cells(placed, columns[name])) for name, placed, own in codes]
        found = np.fromiter(chain.from_iterable(listed), np.intp, rows * len(codes)).reshape(len(codes), rows)
        for (_, placed, own), coded in zip(codes, found, strict=True):
            _refuse(placed, own, coded)
        flat, starts = out.reshape(-1), np.arange(rows) * width
        for slot in range(slots):
            flat[where[found, slot] + starts] = what[found, slot]

    return write


def _cells(placed: Placed, cells: npt.NDArray[Any]) -> list[Any]:
    table = placed.table
    if table.before or (table.keys and isinstance(table.keys[0], float)):
        cells = all_for_many(table.before, np.asarray(cells, dtype=np.float64))
    listed: list[Any] = cells.tolist()
    return listed


def _refuse(placed: Placed, own: _Codes, coded: npt.NDArray[np.intp]) -> None:
    if placed.table.closed and len(bad := np.flatnonzero(coded == own.unseen)):
        raise never_seen(int(bad[0]), placed.table)
    if placed.table.required and len(bad := np.flatnonzero(coded == own.missing)):
        raise no_value(int(bad[0]), placed.table)
