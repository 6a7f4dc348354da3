"""Lanes that are written beside the loops of a front: terms, hashes and products, by row and by column alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fairlead.runtime.bundle.coded import Coded, coded_objects
from fairlead.runtime.bundle.front import Front, Number, Product
from fairlead.runtime.bundle.hashed import Hashed, hashed_reader
from fairlead.runtime.bundle.ops import all_for_many
from fairlead.runtime.bundle.plan import Beside, Plan
from fairlead.runtime.bundle.word_numbers import WordNumbers, word_numbers_reader
from fairlead.runtime.bundle.words import Pairs, Words, words_reader

Floats = npt.NDArray[np.float64]
Rows = Sequence[Sequence[Any]]


class Aside(Protocol):
    """Writes one lane. Its outputs are 0 before."""

    def rows(self, rows: Rows, view: memoryview[float], width: int) -> None:
        """Into `view`, the doubles of all rows one after another, `width` a row."""

    def columns(self, columns: Sequence[Any], out: Floats) -> None:
        """Into `out`, shape (n, lane's width), from the lane's sources, (n,) each."""


def with_asides(features: Callable[..., Any], plan: Plan) -> Callable[..., Any]:
    """`features` with the plan's other lanes written among them; `features` itself where there are none."""
    if not plan.beside:
        return features
    width, asides = len(plan.template), [aside_of(beside) for beside in plan.beside]

    def written(rows: Rows, first: int = 0) -> Any:
        found = features(rows, first)
        if not rows:
            return found
        view = memoryview(found).cast("B").cast("d")
        for aside in asides:
            aside.rows(rows, view, width)
        return found

    return written


def aside_of(beside: Beside) -> Aside:
    """What writes a lane."""
    lane = beside.lane
    if isinstance(lane, Words):
        return _Read(beside, words_reader(lane))
    if isinstance(lane, Hashed):
        return _Read(beside, hashed_reader(lane))
    if isinstance(lane, WordNumbers):
        return _Read(beside, word_numbers_reader(lane))
    return _Multiplied(beside, lane)


class _Read:
    """A lane whose outputs follow from one cell."""

    def __init__(self, beside: Beside, read: Callable[[str | None], Pairs]) -> None:
        self._source, self._output, self._read = beside.sources[0], beside.output, read

    def rows(self, rows: Rows, view: memoryview[float], width: int) -> None:
        start, source, read = self._output, self._source, self._read
        for row in rows:
            for at, number in read(row[source]):
                view[start + at] = number
            start += width

    def columns(self, columns: Sequence[Any], out: Floats) -> None:
        out[:] = 0.0
        column = columns[0]
        if not isinstance(column, Coded):
            column = coded_objects(column) or column
        if isinstance(column, Coded):
            # A text that comes back is read once.
            seen = lru_cache(maxsize=None)(lambda code: self._read(column.cells[code]))
            pairs = map(seen, column.codes.tolist())
        else:
            pairs = map(self._read, np.asarray(column, dtype=object).tolist())
        places: list[int] = []
        outputs: list[int] = []
        numbers: list[float] = []
        for row, found in enumerate(pairs):
            for at, number in found:
                places.append(row)
                outputs.append(at)
                numbers.append(number)
        out[places, outputs] = numbers


class _Multiplied:
    """Every output of a factor by every output of the others, the last factor's running fastest."""

    def __init__(self, beside: Beside, lane: Product) -> None:
        self._output = beside.output
        self._factors = list(zip(beside.sources, (_alone(factor) for factor in lane.factors), strict=True))
        self._by_row = [(source, front.row_encoder()) for source, front in self._factors]
        self._by_column = [(front.columns[0], front.column_encoder()) for _, front in self._factors]
        self._ops = lane.ops

    def rows(self, rows: Rows, view: memoryview[float], width: int) -> None:
        found = self._product([encode([[row[source]] for row in rows]) for source, encode in self._by_row])
        for row, numbers in enumerate(found.tolist()):
            start = row * width + self._output
            for at, number in enumerate(numbers, start):
                view[at] = number

    def columns(self, columns: Sequence[Any], out: Floats) -> None:
        made = [encode({name: column}) for (name, encode), column in zip(self._by_column, columns, strict=True)]
        out[:] = self._product(made)

    def _product(self, made: Sequence[Floats]) -> Floats:
        found = made[0]
        with np.errstate(all="ignore"):
            for other in made[1:]:
                found = (found[:, :, None] * other[:, None, :]).reshape(len(found), -1)
            return all_for_many(self._ops, found.reshape(-1)).reshape(found.shape) if self._ops else found


def _alone(factor: Any) -> Front:
    """A front of one factor."""
    numeric = isinstance(factor, Number) or bool(factor.keys and isinstance(factor.keys[0], float)) or factor.before
    return Front((factor.column,), (bool(numeric),), (factor,))
