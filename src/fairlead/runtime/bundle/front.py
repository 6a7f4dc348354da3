"""front.json: the fitted preparation as data, one lane a source column, run by row or by column with equal results."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import BundleRefused
from fairlead.contract.signature import Cell, Signature
from fairlead.runtime.bundle.coded import Columns
from fairlead.runtime.bundle.hashed import Hashed, check_hashed
from fairlead.runtime.bundle.manifest import canonical
from fairlead.runtime.bundle.ops import AnyOp, check_op
from fairlead.runtime.bundle.tensor_cells import DTYPES
from fairlead.runtime.bundle.tensor_cells import size as elements
from fairlead.runtime.bundle.word_numbers import WordNumbers, check_word_numbers
from fairlead.runtime.bundle.words import Words, check_words

if TYPE_CHECKING:
    from fairlead.runtime.bundle.by_column import ColumnEncoder

Floats = npt.NDArray[np.float64]

FORMAT = 1
MOST_FACTORS = 5
WIDEST = 1_000_000
"""Most outputs of a front."""


class Number(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="number"):
    """A numeric column to one output by operations in turn."""

    column: str
    ops: tuple[AnyOp, ...] = ()

    @property
    def width(self) -> int:
        """Outputs of this lane."""
        return 1


class Delta(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """One output of a table that differs from `Table.unseen`; None stands for NaN."""

    output: int
    value: float | None


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="table"):
    """A column looked up in a table of known values, each giving `len(unseen)` outputs.

    before: operations on a numeric column ahead of the look-up; its keys are numbers then.
    rows: per key, where its outputs differ from those of a value never seen; missing: the same for no value.
    closed, required: whether a value never seen, or a missing one, is refused as the trained model refuses it.
    """

    column: str
    keys: tuple[str | float, ...]
    rows: tuple[tuple[Delta, ...], ...]
    unseen: tuple[float | None, ...]
    missing: tuple[Delta, ...] = ()
    before: tuple[AnyOp, ...] = ()
    closed: bool = False
    required: bool = False

    @property
    def width(self) -> int:
        """Outputs of this lane."""
        return len(self.unseen)


class Tensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="tensor"):
    """A column of tensors to one output an element, row-major, each by the same operations in turn.

    dtype: of `tensor_cells.DTYPES`; size: elements of one cell. Both are those of the signature's column.
    """

    column: str
    dtype: str
    size: int
    ops: tuple[AnyOp, ...] = ()

    @property
    def width(self) -> int:
        """Outputs of this lane."""
        return self.size


class Product(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="product"):
    """Every output of the first factor times every output of the next, and so on, the last one's running fastest.

    ops: operations on each product in turn. No factor may be closed or required.
    """

    factors: tuple[Number | Table, ...]
    ops: tuple[AnyOp, ...] = ()

    @property
    def width(self) -> int:
        """Outputs of this lane."""
        return math.prod(factor.width for factor in self.factors)

    @property
    def column(self) -> str:
        """The first column it reads."""
        return self.factors[0].column

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns it reads, one a factor."""
        return tuple(factor.column for factor in self.factors)


Lane = Number | Table | Tensor | Words | Hashed | WordNumbers | Product


def sources_of(lane: Lane) -> tuple[str, ...]:
    """The columns that a lane reads."""
    return lane.sources if isinstance(lane, Words | Hashed | WordNumbers | Product) else (lane.column,)


class Front(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fitted preparation. columns: the signature's names in order; numeric: which of them hold one number a cell,
    so not those of texts and not those of tensors.

    Lanes write their outputs side by side, in order.
    """

    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    lanes: tuple[Lane, ...]
    format: int = FORMAT

    @classmethod
    def from_json(cls, data: bytes) -> Front:
        """The front in `data`. Raises BundleRefused if it is not one that Fairlead can run."""
        try:
            front = msgspec.json.decode(data, type=cls)
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as why:
            raise BundleRefused(f"front.json: {why}") from why
        _check(front)
        return front

    def to_json(self) -> bytes:
        """Canonical bytes."""
        return canonical(self)

    @property
    def width(self) -> int:
        """Number of outputs, the features of the tail."""
        return sum(lane.width for lane in self.lanes)

    @property
    def closed(self) -> frozenset[str]:
        """Columns in which a category never seen is refused, because the trained model raised on it."""
        return frozenset(lane.column for lane in self.lanes if isinstance(lane, Table) and lane.closed)

    @property
    def required(self) -> frozenset[str]:
        """Columns in which a missing cell is refused, because the trained model raised on it."""
        return frozenset(lane.column for lane in self.lanes if isinstance(lane, Table) and lane.required)

    def row_encoder(self) -> Callable[[Sequence[Sequence[Cell]]], Floats]:
        """A function from rows (n sequences of cells, signature order) to features, shape (n, width); for few rows."""
        from fairlead.runtime.bundle.by_row import row_encoder

        return row_encoder(self)

    def row_guard(self) -> Callable[[Sequence[Sequence[Cell]]], None] | None:
        """A function that raises CellInvalid for the first cell the trained model raised on; None if there is none."""
        from fairlead.runtime.bundle.by_row import row_guard

        return row_guard(self)

    def column_encoder(self) -> ColumnEncoder:
        """A function from rows in the columns form to features, shape (n, width), C-contiguous; for many rows."""
        from fairlead.runtime.bundle.by_column import column_encoder

        return column_encoder(self)

    def encode(self, columns: Columns) -> Floats:
        """`column_encoder` for one use. Raises ColumnMissing, ShapeMismatch, CellInvalid."""
        return self.column_encoder()(columns)

    def agrees(self, signature: Signature) -> bool:
        """Whether this front takes the columns of `signature`: names, which hold numbers, and tensors by dtype and
        number of elements.
        """
        numeric = tuple(column.numeric for column in signature.columns)
        if self.columns != signature.names or self.numeric != numeric:
            return False
        tensors = {c.name: (c.dtype, elements(c)) for c in signature.columns if c.kind == "tensor"}
        taken = ((lane.dtype, lane.size) if isinstance(lane, Tensor) else None for lane in self.lanes)
        return all(
            tensors.get(name) == said for lane, said in zip(self.lanes, taken, strict=True) for name in sources_of(lane)
        )


def value(number: float | None) -> float:
    """A float whose NaN was written as None."""
    return math.nan if number is None else number


def _check(front: Front) -> None:
    if front.format != FORMAT:
        raise BundleRefused(f"front.json: format {front.format} is not known; this version reads {FORMAT}")
    if len(front.numeric) != len(front.columns) or len(set(front.columns)) != len(front.columns):
        raise BundleRefused("front.json: its columns do not agree with each other")
    if front.width > WIDEST:
        raise BundleRefused(f"front.json: {front.width} outputs, the limit is {WIDEST}")
    numeric = dict(zip(front.columns, front.numeric, strict=True))
    for lane in front.lanes:
        if isinstance(lane, Product) and not 1 <= len(lane.factors) <= MOST_FACTORS:
            raise BundleRefused(f"front.json: a product has 1 to {MOST_FACTORS} factors")
        for name in sources_of(lane):
            if name not in numeric:
                raise BundleRefused(f"front.json: a lane reads {name[:80]!r}, which is not among its columns")
        if isinstance(lane, Product):
            _check_product(lane, numeric)
        else:
            _check_lane(lane, numeric[lane.column])


def _check_product(lane: Product, numeric: dict[str, bool]) -> None:
    for op in lane.ops:
        check_op(op)
    for factor in lane.factors:
        _check_lane(factor, numeric[factor.column])
        if isinstance(factor, Table) and (factor.closed or factor.required):
            raise BundleRefused(f"front.json: a product refuses no cell, and {factor.column[:80]!r} is to")


def _check_lane(lane: Number | Table | Tensor | Words | Hashed | WordNumbers, numeric: bool) -> None:
    if isinstance(lane, Words | Hashed | WordNumbers):
        if numeric:
            raise BundleRefused(f"front.json: {lane.column[:80]!r} holds numbers, its lane takes text")
        if isinstance(lane, Words):
            check_words(lane)
        else:
            check_hashed(lane) if isinstance(lane, Hashed) else check_word_numbers(lane)
        return
    for op in lane.before if isinstance(lane, Table) else lane.ops:
        check_op(op)
    if isinstance(lane, Tensor):
        _check_tensor(lane, numeric)
        return
    if isinstance(lane, Number):
        if not numeric:
            raise BundleRefused(f"front.json: {lane.column[:80]!r} holds text, its lane takes numbers")
        return
    kind = float if numeric else str
    if len(lane.rows) != len(lane.keys) or len(set(lane.keys)) != len(lane.keys):
        raise BundleRefused(f"front.json: the table of {lane.column[:80]!r} does not agree with its keys")
    if not all(isinstance(key, kind) for key in lane.keys) or (lane.before and not numeric):
        raise BundleRefused(f"front.json: the keys of {lane.column[:80]!r} are of the wrong kind")
    outputs = {delta.output for row in (*lane.rows, lane.missing) for delta in row}
    if any(not 0 <= output < lane.width for output in outputs):
        raise BundleRefused(f"front.json: the table of {lane.column[:80]!r} writes outside its outputs")


def _check_tensor(lane: Tensor, numeric: bool) -> None:
    if numeric:
        raise BundleRefused(f"front.json: {lane.column[:80]!r} holds numbers, its lane takes tensors")
    if lane.dtype not in DTYPES or not 1 <= lane.size <= WIDEST:
        raise BundleRefused(f"front.json: the tensors of {lane.column[:80]!r} are of no known dtype or size")
