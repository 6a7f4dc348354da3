"""What both forms of a front are built from: lanes sorted by the loop that runs them, with their place in a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fairlead.contract.errors import CellInvalid
from fairlead.runtime.bundle.front import Front, Number, Product, Table, Tensor, value
from fairlead.runtime.bundle.hashed import Hashed
from fairlead.runtime.bundle.ops import AnyOp, Divide, Impute, Subtract
from fairlead.runtime.bundle.tensor_cells import DTYPES
from fairlead.runtime.bundle.word_numbers import WordNumbers
from fairlead.runtime.bundle.words import Words


class Scaled(NamedTuple):
    """(x or fill if missing, minus shift) / scale: what most numeric columns go through."""

    source: int
    fill: float
    shift: float
    scale: float
    output: int


class General(NamedTuple):
    """A numeric column with any other operations."""

    source: int
    ops: tuple[AnyOp, ...]
    output: int


class Placed(NamedTuple):
    """A table and where its outputs begin."""

    source: int
    table: Table
    output: int


class Spread(NamedTuple):
    """A column of tensors and where its elements begin."""

    source: int
    dtype: np.dtype[Any]
    size: int
    ops: tuple[AnyOp, ...]
    output: int


class Beside(NamedTuple):
    """A lane that is written after all others, the places of the columns it reads, and where its outputs begin."""

    sources: tuple[int, ...]
    lane: Words | Hashed | WordNumbers | Product
    output: int


class Plan(NamedTuple):
    """A front, sorted. template: a row in which every table meets a value never seen."""

    scaled: list[Scaled]
    general: list[General]
    tables: list[Placed]
    template: list[float]
    tensors: tuple[Spread, ...] = ()
    beside: tuple[Beside, ...] = ()


def plan(front: Front) -> Plan:
    """The lanes of `front` by kind."""
    where = {name: at for at, name in enumerate(front.columns)}
    found = Plan([], [], [], [])
    tensors, beside = [], []
    for lane in front.lanes:
        if isinstance(lane, Words | Hashed | WordNumbers | Product):
            beside.append(Beside(tuple(where[name] for name in lane.sources), lane, len(found.template)))
            found.template.extend([0.0] * lane.width)
            continue
        source, output = where[lane.column], len(found.template)
        if isinstance(lane, Table):
            found.tables.append(Placed(source, lane, output))
            found.template.extend(value(number) for number in lane.unseen)
            continue
        if isinstance(lane, Tensor):
            tensors.append(Spread(source, DTYPES[lane.dtype], lane.size, lane.ops, output))
            found.template.extend([0.0] * lane.size)
            continue
        scaling = _scaling(lane)
        if scaling is None:
            found.general.append(General(source, lane.ops, output))
        else:
            found.scaled.append(Scaled(source, *scaling, output))
        found.template.append(0.0)
    return found._replace(tensors=tuple(tensors), beside=tuple(beside))


def _scaling(lane: Number) -> tuple[float, float, float] | None:
    """(fill, shift, scale) if the lane does no more than that, in this order. x - 0 and x / 1 change no float."""
    fill, shift, scale = math.nan, 0.0, 1.0
    rest: Sequence[AnyOp] = lane.ops
    if rest and isinstance(rest[0], Impute):
        fill, rest = rest[0].value, rest[1:]
    if rest and isinstance(rest[0], Subtract):
        shift, rest = rest[0].by, rest[1:]
    if rest and isinstance(rest[0], Divide):
        scale, rest = rest[0].by, rest[1:]
    return None if rest else (fill, shift, scale)


def never_seen(row: int, table: Table) -> CellInvalid:
    """The error for a category that the trained model raised on."""
    allowed = f"one of the {len(table.keys)} values it was trained on"
    return CellInvalid(row, table.column, "a value never seen in training", allowed)


def no_value(row: int, table: Table) -> CellInvalid:
    """The error for a missing cell that the trained model raised on."""
    return CellInvalid(row, table.column, "no value", "a value: the model was trained without missing ones")
