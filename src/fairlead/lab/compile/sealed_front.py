"""A sealed preparation walked like a fitted one: its lanes read back into the symbols that compiling works on."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from fairlead.contract.errors import NotCompilable
from fairlead.contract.signature import Column
from fairlead.lab.compile.lanes import (
    AnyLane,
    ElementLane,
    Lookup,
    NumberLane,
    ProductLane,
    TableLane,
    TermLane,
    TextLane,
    next_identity,
)
from fairlead.runtime.bundle.front import Delta, Front, Lane, Number, Product, Table, Tensor


def lanes_of(front: Front, columns: Iterable[Column]) -> list[AnyLane]:
    """One lane an output of the front, so that `front_of` gives it back. Raises NotCompilable for a column it lacks."""
    known = {column.name: column for column in columns}
    absent = [name for name in front.columns if name not in known]
    if absent:
        raise NotCompilable(f"the sealed preparation reads columns that are not there: {', '.join(absent)}.")
    return [lane for one in front.lanes for lane in _lanes(one, known)]


def _lanes(lane: Lane, known: dict[str, Column]) -> list[AnyLane]:
    if isinstance(lane, Number):
        return [NumberLane(known[lane.column], lane.ops)]
    if isinstance(lane, Table):
        return list(_table(lane, known))
    if isinstance(lane, Tensor):
        column = known[lane.column]
        return [ElementLane(column, at, lane.ops) for at in range(lane.size)]
    if isinstance(lane, Product):
        return _product(lane, known)
    return [TermLane(known[lane.column], lane, at) for at in range(lane.width)]


def _table(lane: Table, known: dict[str, Column]) -> list[TableLane]:
    column = known[lane.column]
    source = NumberLane(column, lane.before) if column.numeric else TextLane(column)
    lookup = Lookup(source, lane.keys, lane.closed, lane.required)
    unseen = [_number(value) for value in lane.unseen]
    missing = _over(unseen, lane.missing)
    values: list[dict[str | float, float]] = [{} for _ in unseen]
    for key, deltas in zip(lane.keys, lane.rows, strict=True):
        for delta in deltas:
            values[delta.output][key] = _number(delta.value)
    return [TableLane(lookup, own, other, gap) for own, other, gap in zip(values, unseen, missing, strict=True)]


def _over(unseen: list[float], deltas: Iterable[Delta]) -> list[float]:
    found = list(unseen)
    for delta in deltas:
        found[delta.output] = _number(delta.value)
    return found


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _product(lane: Product, known: dict[str, Column]) -> list[AnyLane]:
    sides: list[tuple[NumberLane | TableLane, ...]] = []
    for factor in lane.factors:
        if isinstance(factor, Number):
            sides.append((NumberLane(known[factor.column], factor.ops),))
        else:
            sides.append(tuple(_table(factor, known)))
    identity = next_identity()
    places = itertools.product(*(range(len(side)) for side in sides))
    return [ProductLane(tuple(sides), place, identity, lane.ops) for place in places]
