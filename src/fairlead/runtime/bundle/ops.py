"""The allow-listed operations on one number, each for one value and for many, with the same float64 result.

Every operation here is a single IEEE 754 operation (or a table look-up), in the order
in which scikit-learn applies it, so both forms and the trained pipeline agree bit for bit; `curves` holds the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import BundleRefused
from fairlead.runtime.bundle.calendar import PARTS, PERIOD, part_of, parts_of
from fairlead.runtime.bundle.curves import AnyCurve, check_curve, curve_for_many, curve_for_one
from fairlead.runtime.bundle.op import Op

Floats = npt.NDArray[np.float64]


class Impute(Op, frozen=True, tag="impute"):
    """A missing value becomes `value`."""

    value: float


class Add(Op, frozen=True, tag="add"):
    """x + by."""

    by: float


class Subtract(Op, frozen=True, tag="subtract"):
    """x - by."""

    by: float


class Multiply(Op, frozen=True, tag="multiply"):
    """x * by."""

    by: float


class Divide(Op, frozen=True, tag="divide"):
    """x / by; `by` is not zero."""

    by: float


class Clip(Op, frozen=True, tag="clip"):
    """x, but at least `low` and at most `high`; None: no limit."""

    low: float | None
    high: float | None


class Absent(Op, frozen=True, tag="absent"):
    """A missing value where x is `value`, which stands for one, else x."""

    value: float


class Missing(Op, frozen=True, tag="missing"):
    """1 for a missing value, else 0."""


class Part(Op, frozen=True, tag="part"):
    """A part of a time in seconds since the epoch (`calendar.PARTS`); cyclic gives sine or cosine on its circle."""

    part: str
    cyclic: str = ""


AnyOp = Impute | Add | Subtract | Multiply | Divide | Clip | Absent | Missing | Part | AnyCurve


def check_op(op: AnyOp) -> None:
    """Raises BundleRefused for parameters that no fitted preparation has."""
    if isinstance(op, Part):
        if op.part not in PARTS or op.cyclic not in ("", "sin", "cos") or (op.cyclic and op.part not in PERIOD):
            raise BundleRefused(f"front.json: unknown part of a time: {op.part[:40]!r}")
        return
    if isinstance(op, AnyCurve):
        check_curve(op)
        return
    numbers = [n for n in (getattr(op, name) for name in op.__struct_fields__) if n is not None]
    if not all(math.isfinite(n) for n in numbers) or (isinstance(op, Divide) and op.by == 0.0):
        raise BundleRefused(f"front.json: a parameter of {type(op).__name__.lower()} is not usable")


def _angle(seconds: float, part: str) -> float:
    return part_of(seconds, part) * (2.0 * math.pi) / PERIOD[part]


def for_one(op: AnyOp) -> Callable[[float], float]:
    """`op` as a function of one float."""
    match op:
        case Impute(value):
            return lambda x: value if x != x else x
        case Add(by):
            return lambda x: x + by
        case Subtract(by):
            return lambda x: x - by
        case Multiply(by):
            return lambda x: x * by
        case Divide(by):
            return lambda x: x / by
        case Clip(low, high):
            bottom = -math.inf if low is None else low
            top = math.inf if high is None else high
            return lambda x: bottom if x < bottom else top if x > top else x
        case Absent(value):
            return lambda x: math.nan if x == value else x
        case Missing():
            return lambda x: 1.0 if x != x else 0.0
        case Part(part, ""):
            return lambda x: part_of(x, part)
        case Part(part, cyclic):
            # numpy's own sine, as in the column form: libm and numpy may differ in the last bit.
            turn = np.sin if cyclic == "sin" else np.cos
            return lambda x: float(turn(_angle(x, part)))
    if isinstance(op, AnyCurve):
        return curve_for_one(op)
    raise BundleRefused("front.json: unknown operation")


def for_many(op: AnyOp, x: Floats) -> Floats:
    """`op` applied to each of `x`, shape (n,); returns a new array."""
    match op:
        case Impute(value):
            return np.where(np.isnan(x), value, x)
        case Add(by):
            return x + by
        case Subtract(by):
            return x - by
        case Multiply(by):
            return x * by
        case Divide(by):
            return x / by
        case Clip(low, high):
            # numpy before 2.1 takes no clip without a bound.
            return x.copy() if low is None and high is None else np.clip(x, low, high)
        case Absent(value):
            return np.where(x == value, np.nan, x)
        case Missing():
            return np.isnan(x).astype(np.float64)
        case Part(part, ""):
            return parts_of(x, part)
        case Part(part, cyclic):
            turn = np.sin if cyclic == "sin" else np.cos
            return turn(parts_of(x, part) * (2.0 * math.pi) / PERIOD[part])
    if isinstance(op, AnyCurve):
        return curve_for_many(op, x)
    raise BundleRefused("front.json: unknown operation")


def one_after_another(ops: Sequence[AnyOp]) -> Callable[[float], float]:
    """All of `ops` as one function of one float."""
    steps = [for_one(op) for op in ops]

    def apply(x: float) -> float:
        for step in steps:
            x = step(x)
        return x

    return apply


def all_for_many(ops: Sequence[AnyOp], x: Floats) -> Floats:
    """All of `ops` on each of `x`, shape (n,)."""
    for op in ops:
        x = for_many(op, x)
    return x
