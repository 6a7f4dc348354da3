"""A front run column by column: for many rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import CellInvalid, ColumnMissing, ShapeMismatch
from fairlead.runtime.bundle import by_tensor
from fairlead.runtime.bundle.aside import aside_of
from fairlead.runtime.bundle.coded import Coded, Codes, Columns, coded_objects, kernel
from fairlead.runtime.bundle.front import Front, sources_of, value
from fairlead.runtime.bundle.ops import all_for_many
from fairlead.runtime.bundle.plan import Placed, never_seen, no_value, plan

Floats = npt.NDArray[np.float64]
UNSEEN, MISSING, FIRST = 0, 1, 2
"""Classes of a table: a value never seen, a missing one, its first key."""


class ColumnEncoder:
    """See `Front.column_encoder`. Keeps no state between calls."""

    def __init__(self, front: Front) -> None:
        planned = plan(front)
        self.width = len(planned.template)
        self._names = front.columns
        self._used = sorted({name for lane in front.lanes for name in sources_of(lane)})
        self._template = np.array(planned.template)
        self._scaled = [(front.columns[lane.source], *lane[1:]) for lane in planned.scaled]
        self._general = planned.general
        self._tables = [_Look(front.columns[placed.source], placed) for placed in planned.tables]
        self._tensors = [(front.columns[lane.source], lane) for lane in planned.tensors]
        self._beside = [
            ([front.columns[at] for at in beside.sources], aside_of(beside), beside.output, beside.lane.width)
            for beside in planned.beside
        ]
        self._nothing_else = bool(planned.tensors) and not (planned.scaled or planned.general or planned.tables)

    def __call__(self, columns: Columns) -> Floats:
        """Features, shape (n, width), C-contiguous. Raises ColumnMissing, ShapeMismatch, CellInvalid."""
        rows = self._length(columns)
        found = np.empty((rows, self.width))
        for _ in self.blocks(columns, max(1, rows), found):
            pass
        return found

    def blocks(self, columns: Columns, rows: int, out: Floats | None = None, first: int = 0) -> Iterator[Floats]:
        """Features of at most so many rows at a time, which the next ones overwrite. first: number of the first row,
        for errors."""
        total = self._length(columns)
        classes = self._classes(columns, first)
        numbers = [(np.ascontiguousarray(columns[name], dtype=np.float64), *rest) for name, *rest in self._scaled]
        general = [
            (np.asarray(columns[self._names[source]], dtype=np.float64), ops, output)
            for source, ops, output in self._general
        ]
        tensors = [(by_tensor.column_of(columns[name], lane, name), lane) for name, lane in self._tensors]
        if out is None:
            out = np.empty((min(rows, total), self.width))
        for start in range(0, total, rows):
            block = out[: min(rows, total - start)]
            if not self._nothing_else:
                self._fill(block, start, numbers, classes)
            for column, ops, output in general:
                block[:, output] = all_for_many(ops, column[start : start + len(block)])
            for column, lane in tensors:
                part = block[:, lane.output : lane.output + lane.size]
                with np.errstate(all="ignore"):
                    by_tensor.write(column[start : start + len(block)], lane.ops, part)
            for names, aside, output, wide in self._beside:
                cut = [columns[name][start : start + len(block)] for name in names]
                aside.columns(cut, block[:, output : output + wide])
            yield block

    def _length(self, columns: Columns) -> int:
        """Rows of the columns. Raises ColumnMissing, ShapeMismatch."""
        if absent := [name for name in self._used if name not in columns]:
            raise ColumnMissing(absent, self._names)
        lengths = {len(array) for array in columns.values()}
        if len(lengths) > 1:
            raise ShapeMismatch(f"columns have different lengths: {sorted(lengths)}")
        return lengths.pop() if lengths else 0

    def _classes(self, columns: Columns, first: int) -> list[Codes]:
        """Per table the class of every row. Raises CellInvalid for the first row that the trained model raised on."""
        coded: dict[str, Any] = {}
        found, wrong = [], []
        for look in self._tables:
            column = coded.get(look.name)
            if column is None:
                column = columns[look.name]
                if isinstance(column, np.ndarray) and column.dtype.kind == "O" and not look.numeric:
                    column = coded_objects(column) or column
                coded[look.name] = column
            classes = look.classes(column)
            found.append(classes)
            if error := look.refused(classes, first):
                wrong.append(error)
        if wrong:
            raise min(wrong, key=lambda error: error.row)
        return found

    def _fill(self, out: Floats, start: int, numbers: Sequence[Any], classes: Sequence[Codes]) -> None:
        if kernel is not None and self.width:
            tables = tuple((own, *look.writes) for own, look in zip(classes, self._tables, strict=True))
            kernel.fill(out, self._template, start, tuple(numbers), tables)
            return
        out[:] = self._template
        end = start + len(out)
        for column, fill, shift, scale, output in numbers:
            part = column[start:end]
            out[:, output] = (np.where(np.isnan(part), fill, part) - shift) / scale
        flat, starts = out.reshape(-1), np.arange(len(out)) * self.width
        for own, look in zip(classes, self._tables, strict=True):
            look.write(own[start:end], flat, starts)


class _Look:
    """A table of a front: cells to classes, and classes to what they write."""

    def __init__(self, name: str, placed: Placed) -> None:
        table = placed.table
        self.name, self._table = name, table
        self.numeric = bool(table.before) or (bool(table.keys) and isinstance(table.keys[0], float))
        self._class: dict[Any, int] = {None: MISSING}
        self._class |= {key: FIRST + at for at, key in enumerate(table.keys)}
        if self.numeric:
            order = np.argsort(keys := np.array(table.keys, dtype=np.float64))
            self._keys, self._order = keys[order], (order + FIRST).astype(np.int32)
        rows = [
            [(placed.output + delta.output, value(delta.value)) for delta in row]
            for row in ((), table.missing, *table.rows)
        ]
        ends = np.cumsum([0, *map(len, rows)]).astype(np.int32)
        places = np.array([place for row in rows for place, _ in row], dtype=np.int32)
        values = np.array([number for row in rows for _, number in row], dtype=np.float64)
        self.writes = (ends.tobytes(), places.tobytes(), values.tobytes())
        self._written = ends, places, values

    def classes(self, column: Any) -> Codes:
        """The class of each cell."""
        if self.numeric:
            return self._of_numbers(all_for_many(self._table.before, np.asarray(column, dtype=np.float64)))
        if isinstance(column, Coded):
            return self._of_cells(column.cells).take(column.codes)
        return self._of_cells(column.tolist())

    def _of_cells(self, cells: Sequence[Any]) -> Codes:
        # NaN is found by no look-up of its own, since it differs from itself.
        own = self._class
        try:
            return np.fromiter(map(own.__getitem__, cells), np.int32, len(cells))
        except KeyError:
            found = (own.get(cell, MISSING if cell != cell else UNSEEN) for cell in cells)
            return np.fromiter(found, np.int32, len(cells))

    def _of_numbers(self, numbers: Floats) -> Codes:
        if not len(self._keys):
            return np.where(np.isnan(numbers), np.int32(MISSING), np.int32(UNSEEN))
        at = np.searchsorted(self._keys, numbers)
        at[at == len(self._keys)] = 0
        found = np.where(self._keys[at] == numbers, self._order[at], np.int32(UNSEEN))
        found[np.isnan(numbers)] = MISSING
        return found

    def refused(self, classes: Codes, first: int) -> CellInvalid | None:
        """The error for the first row that the trained model raised on."""
        table, found = self._table, None
        if table.closed and len(bad := np.flatnonzero(classes == UNSEEN)):
            found = never_seen(first + int(bad[0]), table)
        if table.required and len(bad := np.flatnonzero(classes == MISSING)):
            absent = no_value(first + int(bad[0]), table)
            found = absent if found is None or absent.row < found.row else found
        return found

    def write(self, classes: Codes, flat: Floats, starts: npt.NDArray[np.intp]) -> None:
        """What the kernel does, one write of each row at a time."""
        ends, places, values = self._written
        begin, count = ends[classes], ends[classes + 1] - ends[classes]
        for slot in range(int(count.max(initial=0))):
            rows = np.flatnonzero(count > slot)
            at = begin[rows] + slot
            flat[starts[rows] + places[at]] = values[at]


def column_encoder(front: Front) -> ColumnEncoder:
    """See `Front.column_encoder`."""
    return ColumnEncoder(front)
