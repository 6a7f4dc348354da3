"""The common V2 request, one row of JSON tensors, by the compiled scanner or else by one typed decoder.

Each takes only what is surely right; whatever both turn down goes the careful way, which decides. Clients send their
columns in the order of their own code, always the same: an order that keeps coming gets a decoder of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import Parsed
from fairlead.runtime.wire.frames import Pass
from fairlead.runtime.wire.reading import UNREADABLE
from fairlead.runtime.wire.scanning import WIDEST, scanned
from fairlead.runtime.wire.tensors import asked_outputs
from fairlead.runtime.wire.v2_layouts import EITHER, FLAT, UPRIGHT, Columns, Decode, Pick

_OFTEN, _AT_ONCE, _EVER, _WATCHED = 16, 2, 8, 64


class SingleRow:
    """`read(body)` is what a request of one row asks, None where the careful way must decide. It raises CellInvalid for
    a time that is none, BodyInvalid for outputs that there are not."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks
        self._typed: TypedRow | None = None
        # Of tensors, reading the JSON is the work, and the careful way does little else.
        self.read = (lambda body: None) if checks.tensors else scanned(checks, otherwise=self._by_types)

    def _by_types(self, body: bytes) -> Parsed | None:
        if self._typed is None:
            self._typed = TypedRow(self._checks)  # of many models few are asked for more than the scanner takes
        return self._typed.read(body)


class TypedRow:
    """`read(body)` of SingleRow by typed decoders, which take more than the scanner does."""

    def __init__(self, checks: Checks) -> None:
        self._checks, self._fix, self._timed = checks, checks.fix, checks.timed
        self._layouts: list[tuple[Decode, Pick]] = []
        if 0 < len(checks.names) + len(checks.passthrough) <= WIDEST:
            self._columns: dict[Any, Columns] = {shape: Columns(checks, shape) for shape in (FLAT, EITHER)}
            self._layouts.append(self._columns[FLAT].in_order(range(checks.width)))
            self._any = self._columns[EITHER].any_order()
            self._places = {kind: at for at, kind in enumerate(self._columns[EITHER].kinds)}
        self._seen: dict[tuple[tuple[int, ...], int], int] = {}
        self._learnt = 0

    def read(self, body: bytes) -> Parsed | None:
        """Raises CellInvalid for a time that is none, BodyInvalid for outputs that there are not."""
        for decode, pick in self._layouts:
            try:
                got = decode(body)
            except UNREADABLE:
                continue
            cells, given = pick(got.inputs)
            break
        else:
            found = self._in_any_order(body) if self._layouts else None
            if found is None:
                return None
            got, cells, given = found
        passes: list[Sequence[Pass]] | None = None
        if given:
            passed = _passed(given)
            if passed is None:
                return None
            passes = None if passed.count(None) == len(passed) else [passed]
        if self._fix is not None:
            self._fix(cells)
        if self._timed:
            self._checks.check_times(passes)
        if got.outputs is None:
            return Parsed([cells], passes, got.id)
        names = [output.name for output in got.outputs]
        return Parsed([cells], passes, got.id, asked_outputs(names, self._checks.signature))

    def _in_any_order(self, body: bytes) -> tuple[Any, list[Any], Sequence[Any]] | None:
        try:
            got = self._any(body)
        except UNREADABLE:
            return None
        order = tuple([self._places[type(tensor)] for tensor in got.inputs])
        record = dict(zip(order, got.inputs, strict=True))
        try:
            cells = [record.pop(place).data[0] for place in range(self._checks.width)]
        except KeyError:
            return None
        if len(record) + len(cells) != len(order):
            return None
        self._learn(order, len(got.inputs[0].shape))
        passed = range(self._checks.width, len(self._places)) if record else ()
        return got, cells, [record.get(place) for place in passed]

    def _learn(self, order: tuple[int, ...], dimensions: int) -> None:
        """A decoder for an order that keeps coming; bounded, whatever is sent."""
        seen = self._seen[order, dimensions] = self._seen.get((order, dimensions), 0) + 1
        if seen < _OFTEN or self._learnt >= _EVER:
            if len(self._seen) > _WATCHED:
                self._seen.clear()
            return
        self._learnt += 1
        shape = FLAT if dimensions == 1 else UPRIGHT
        columns = self._columns.get(shape)
        if columns is None:
            columns = self._columns[shape] = Columns(self._checks, shape)
        self._layouts = [columns.in_order(order), *self._layouts][:_AT_ONCE]


def _passed(tensors: Sequence[Any]) -> list[Pass] | None:
    """Pass-through cells; None where one is not what its tensor says: a key may be text or a number."""
    cells: list[Pass] = []
    for tensor in tensors:
        value = None if tensor is None else tensor.data[0]
        if value is not None and (type(value) is str) != (tensor.datatype == "BYTES"):
            return None
        cells.append(value)
    return cells
