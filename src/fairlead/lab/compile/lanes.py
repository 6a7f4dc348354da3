"""What a column has become on its way through a pipeline: the symbols that compiling works on.

A pipeline is walked with one lane a feature. A lane says how its value is computed
from one source column, so walking ends with the whole front as data.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import msgspec

from fairlead.contract.errors import NotCompilable
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle.front import Delta, Front, Lane, Number, Product, Table, Tensor
from fairlead.runtime.bundle.hashed import Hashed
from fairlead.runtime.bundle.ops import AnyOp, one_after_another
from fairlead.runtime.bundle.tensor_cells import size
from fairlead.runtime.bundle.word_numbers import WordNumbers
from fairlead.runtime.bundle.words import Words

Key = str | float

next_identity = itertools.count().__next__


@dataclass(frozen=True)
class NumberLane:
    """A numeric column and the operations on it so far."""

    column: Column
    ops: tuple[AnyOp, ...] = ()

    def then(self, *ops: AnyOp) -> NumberLane:
        """This lane with more operations."""
        return replace(self, ops=self.ops + ops)


@dataclass(frozen=True)
class TextLane:
    """A category or text column, still text; fill: what a missing cell becomes.

    kept, other: after that, texts that are not among `kept` become `other`; without other they stay.
    """

    column: Column
    fill: str | None = None
    kept: frozenset[str] = frozenset()
    other: str | None = None

    def meets(self, cell: str) -> str:
        """What this cell has become."""
        return cell if self.other is None or cell in self.kept else self.other


@dataclass(frozen=True)
class Lookup:
    """One look-up that several lanes share: the column, the operations ahead of it, its keys, and what is refused."""

    source: NumberLane | TextLane
    keys: tuple[Key, ...]
    closed: bool
    required: bool
    identity: int = field(default_factory=next_identity)


@dataclass(frozen=True)
class TableLane:
    """One output of a look-up. values: only keys whose output differs from `unseen`."""

    lookup: Lookup
    values: dict[Key, float]
    unseen: float
    missing: float

    @property
    def column(self) -> Column:
        """The source column."""
        return self.lookup.source.column

    def then(self, *ops: AnyOp) -> TableLane:
        """This lane with operations applied to every value of its table."""
        apply = one_after_another(ops)
        values = {key: apply(v) for key, v in self.values.items()}
        return replace(self, values=values, unseen=apply(self.unseen), missing=apply(self.missing))


@dataclass(frozen=True)
class ElementLane:
    """One element of a column of tensors, row-major, and the operations on it so far."""

    column: Column
    at: int
    ops: tuple[AnyOp, ...] = ()

    def then(self, *ops: AnyOp) -> ElementLane:
        """This lane with more operations."""
        return replace(self, ops=self.ops + ops)


@dataclass(frozen=True)
class TensorLane:
    """A column of tensors, still whole."""

    column: Column


@dataclass(frozen=True)
class TermLane:
    """One output of a text read by terms or by a hash. reader: the whole lane, at: which of its outputs this is."""

    column: Column
    reader: Words | Hashed | WordNumbers
    at: int


@dataclass(frozen=True)
class ProductLane:
    """One product of lanes, one of each side. at: which of each; neighbours of one identity share their sides."""

    sides: tuple[tuple[NumberLane | TableLane, ...], ...]
    at: tuple[int, ...]
    identity: int
    ops: tuple[AnyOp, ...] = ()

    @property
    def column(self) -> Column:
        """The source column of the first side."""
        return self.sides[0][0].column

    @property
    def factors(self) -> tuple[NumberLane | TableLane, ...]:
        """The lanes that are multiplied."""
        return tuple(side[at] for side, at in zip(self.sides, self.at, strict=True))

    def then(self, *ops: AnyOp) -> ProductLane:
        """This lane with more operations."""
        return replace(self, ops=self.ops + ops)


AnyLane = NumberLane | TextLane | TableLane | ElementLane | TensorLane | TermLane | ProductLane


def first_lanes(signature: Signature) -> dict[str, AnyLane]:
    """The columns of a signature before anything has happened to them."""
    return {column.name: _lane_of(column) for column in signature.columns}


def first_elements(column: Column) -> list[AnyLane]:
    """All elements of a tensor as they come."""
    return [ElementLane(column, at) for at in range(size(column))]


def spread(lanes: Iterable[AnyLane]) -> list[AnyLane]:
    """Lanes with the elements of those tensors that are still whole."""
    found: list[AnyLane] = []
    for lane in lanes:
        found += first_elements(lane.column) if isinstance(lane, TensorLane) else [lane]
    return found


def _lane_of(column: Column) -> AnyLane:
    if column.kind == "tensor":
        return TensorLane(column)
    return NumberLane(column) if column.numeric else TextLane(column)


def front_of(lanes: Iterable[AnyLane], signature: Signature) -> Front:
    """The front that computes these lanes. Raises NotCompilable if text is left over."""
    found: list[Lane] = []
    for _, group in itertools.groupby(lanes, key=shared):
        first, *rest = group
        if isinstance(first, TableLane):
            found.append(_table([first, *rest]))  # type: ignore[list-item]
        elif isinstance(first, NumberLane):
            found.append(Number(first.column.name, first.ops))
        elif isinstance(first, ElementLane):
            found.append(_tensor([first, *rest]))  # type: ignore[list-item]
        elif isinstance(first, TermLane):
            found.append(_terms([first, *rest]))  # type: ignore[list-item]
        elif isinstance(first, ProductLane):
            found += _products([first, *rest])  # type: ignore[list-item]
        else:
            raise NotCompilable(f"column {first.column.name!r} reaches the estimator as text: encode it first.")
    numeric = tuple(c.numeric for c in signature.columns)
    return Front(signature.names, numeric, tuple(found))


def shared(lane: AnyLane) -> tuple[str, int]:
    """Neighbours with the same answer are outputs of one look-up, or elements of one tensor."""
    if isinstance(lane, ElementLane):
        return "elements", id(lane.column)
    if isinstance(lane, TermLane):
        return "terms", id(lane.reader)
    if isinstance(lane, ProductLane):
        return "product", lane.identity
    return ("table", lane.lookup.identity) if isinstance(lane, TableLane) else ("lane", id(lane))


def _tensor(lanes: list[ElementLane]) -> Tensor:
    # `element_ops.parted` has seen to it that these are all elements of the column, prepared alike.
    column, ops = lanes[0].column, lanes[0].ops
    return Tensor(column.name, column.dtype, size(column), ops)


def _terms(lanes: list[TermLane]) -> Lane:
    """All or some of the outputs of one text."""
    reader, chosen = lanes[0].reader, tuple(lane.at for lane in lanes)
    if chosen == tuple(range(reader.width)):
        return reader
    if isinstance(reader, Words) and len(set(chosen)) == len(chosen):
        return msgspec.structs.replace(reader, outputs=chosen)
    raise NotCompilable(f"column {reader.column!r}: a part of its hashes, or a term twice, is not compiled.")


def _products(lanes: list[ProductLane]) -> list[Lane]:
    """One lane where these are all products of their sides in order, else one a product."""
    sides = lanes[0].sides
    whole = list(itertools.product(*(range(len(side)) for side in sides)))
    if [lane.at for lane in lanes] == whole and not any(lane.ops for lane in lanes) and all(map(_one_source, sides)):
        return [Product(tuple(_factor(side) for side in sides))]
    return [Product(tuple(_factor((factor,)) for factor in lane.factors), lane.ops) for lane in lanes]


def _one_source(side: tuple[NumberLane | TableLane, ...]) -> bool:
    return len(side) == 1 or len({shared(lane) for lane in side}) == 1


def _factor(side: tuple[NumberLane | TableLane, ...]) -> Number | Table:
    first = side[0]
    if isinstance(first, NumberLane):
        return Number(first.column.name, first.ops)
    if first.lookup.closed or first.lookup.required:
        raise NotCompilable(f"column {first.column.name!r}: a product of an encoder that refuses cells.")
    return _table(list(side))  # type: ignore[arg-type]


def _table(lanes: list[TableLane]) -> Table:
    lookup = lanes[0].lookup
    unseen = [lane.unseen for lane in lanes]
    rows: dict[Key, list[Delta]] = {key: [] for key in lookup.keys}
    for output, lane in enumerate(lanes):
        for key, number in lane.values.items():
            if not _same(number, lane.unseen):
                rows[key].append(Delta(output, _written(number)))
    missing = [Delta(o, _written(lane.missing)) for o, lane in enumerate(lanes) if not _same(lane.missing, lane.unseen)]
    return Table(
        column=lookup.source.column.name,
        keys=tuple(rows),
        rows=tuple(tuple(row) for row in rows.values()),
        unseen=tuple(_written(number) for number in unseen),
        missing=tuple(missing),
        before=lookup.source.ops if isinstance(lookup.source, NumberLane) else (),
        closed=lookup.closed,
        required=lookup.required,
    )


def _same(a: float, b: float) -> bool:
    return a == b or (a != a and b != b)


def _written(number: float) -> float | None:
    return None if number != number else float(number)
