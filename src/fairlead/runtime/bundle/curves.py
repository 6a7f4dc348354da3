"""Operations that bend or cut a number: powers, quantiles, bins, a threshold; each for one value and for many.

What is more than one IEEE 754 operation goes through the same functions of numpy in both forms, since libm and numpy
may differ in the last bit.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import BundleRefused
from fairlead.runtime.bundle.normal import normal_quantile, normal_quantiles
from fairlead.runtime.bundle.op import Op

Floats = npt.NDArray[np.float64]

MOST_KNOTS = 10_000
"""Most knots of a quantile, and most edges of bins."""

NEAR_END = 1e-7
"""Closer than this to the first or last knot is beyond it, where the outcome is normal, as scikit-learn has it."""


class Power(Op, frozen=True, tag="power"):
    """A power that makes skewed numbers less so.

    Yeo-Johnson: ((x + 1)^by - 1) / by for x >= 0, and the mirror image with 2 - by below; Box-Cox: (x^by - 1) / by,
    for x > 0. Logarithms where the exponent is 0. Source: Yeo and Johnson, Biometrika 87 (2000).
    """

    form: Literal["yeo-johnson", "box-cox"]
    by: float


class Quantile(Op, frozen=True, tag="quantile"):
    """The share of training below x, by straight lines between knots, which ascend; of equal knots the middle.

    normal: the number of standard deviations at which the normal distribution has that share below, at most 5.2.
    """

    knots: tuple[float, ...]
    normal: bool = False


class Bin(Op, frozen=True, tag="bin"):
    """How many of the ascending `edges` are at or below x."""

    edges: tuple[float, ...]


class Above(Op, frozen=True, tag="above"):
    """1 for x greater than `than`, else 0."""

    than: float


AnyCurve = Power | Quantile | Bin | Above


def check_curve(op: AnyCurve) -> None:
    """Raises BundleRefused for parameters that no fitted preparation has."""
    numbers: tuple[float, ...] = ()
    match op:
        case Power(_, by):
            numbers = (by,)
        case Above(than):
            numbers = (than,)
        case Quantile(knots):
            numbers = knots
            if len(knots) < 1 or any(b < a for a, b in pairwise(knots)):
                raise BundleRefused("front.json: the knots of a quantile do not ascend")
        case Bin(edges):
            numbers = edges
            if any(not b > a for a, b in pairwise(edges)):
                raise BundleRefused("front.json: the edges of bins do not ascend")
    if len(numbers) > MOST_KNOTS or not all(math.isfinite(n) for n in numbers):
        raise BundleRefused(f"front.json: a parameter of {type(op).__name__.lower()} is not usable")


def curve_for_one(op: AnyCurve) -> Callable[[float], float]:
    """`op` as a function of one float."""
    match op:
        case Above(than):
            return lambda x: x if x != x else 1.0 if x > than else 0.0
        case Bin(edges):
            return lambda x: x if x != x else float(bisect_right(edges, x))
        case Power("yeo-johnson", by):
            return _yeo_johnson(by)
        case Power(_, by):
            return _box_cox(by)
        case Quantile(knots, normal):
            return _quantile(knots, normal)
    raise BundleRefused("front.json: unknown operation")


def curve_for_many(op: AnyCurve, x: Floats) -> Floats:
    """`op` applied to each of `x`, shape (n,); returns a new array."""
    with np.errstate(all="ignore"):
        match op:
            case Above(than):
                return np.where(np.isnan(x), x, (x > than).astype(np.float64))
            case Bin(edges):
                return np.where(np.isnan(x), x, np.searchsorted(edges, x, side="right").astype(np.float64))
            case Power("yeo-johnson", by):
                return _yeo_johnson_many(by, x)
            case Power(_, by):
                return np.log(x) if by == 0.0 else np.expm1(by * np.log(x)) / by
            case Quantile(knots, normal):
                return _quantile_many(np.array(knots), normal, x)
    raise BundleRefused("front.json: unknown operation")


FLOOR_OF_OVERFLOW = 709.0
"""Exponents from which numpy may warn that the result is infinite."""

_EPSILON = float(np.finfo(np.float64).eps)


def _yeo_johnson(by: float) -> Callable[[float], float]:
    log1p, expm1 = np.log1p, np.expm1
    other = 2.0 - by
    straight, mirrored = abs(by) < _EPSILON, not abs(by - 2.0) > _EPSILON

    def bend(x: float) -> float:
        if x != x:
            return x
        if x >= 0.0:
            size = log1p(x)
            return float(size) if straight else float(exponential(by * size) / by)
        size = log1p(-x)
        return float(-size) if mirrored else float(-exponential(other * size) / other)

    def exponential(size: float) -> float:
        if size < FLOOR_OF_OVERFLOW:
            return expm1(size)  # type: ignore[no-any-return]
        # Telling numpy to be silent costs as much as all the rest.
        with np.errstate(all="ignore"):
            return expm1(size)  # type: ignore[no-any-return]

    return bend


def _yeo_johnson_many(by: float, x: Floats) -> Floats:
    found = x.copy()
    above, below = x >= 0.0, x < 0.0
    high, low = np.log1p(x[above]), np.log1p(-x[below])
    found[above] = high if abs(by) < _EPSILON else np.expm1(by * high) / by
    other = 2.0 - by
    found[below] = -np.expm1(other * low) / other if abs(by - 2.0) > _EPSILON else -low
    return found


def _box_cox(by: float) -> Callable[[float], float]:
    def bend(x: float) -> float:
        with np.errstate(all="ignore"):
            return float(np.log(x)) if by == 0.0 else float(np.expm1(by * np.log(x)) / by)

    return bend


def _quantile(knots: tuple[float, ...], normal: bool) -> Callable[[float], float]:
    up = np.array(knots)
    shares = np.linspace(0.0, 1.0, len(knots))
    down, falling = -up[::-1], -shares[::-1]
    low, high, interp = knots[0], knots[-1], np.interp

    def share(x: float) -> float:
        if x != x:
            return x
        if normal:
            # The lower end last, as in `_quantile_many`: where all knots are one, it is the lower end that holds.
            found = 0.0 if x - NEAR_END < low else 1.0 if x + NEAR_END > high else -1.0
        else:
            found = 0.0 if x == low else 1.0 if x == high else -1.0
        if found < 0.0:
            found = 0.5 * (float(interp(x, up, shares)) - float(interp(-x, down, falling)))
        return normal_quantile(found) if normal else found

    return share


def _quantile_many(knots: Floats, normal: bool, x: Floats) -> Floats:
    shares = np.linspace(0.0, 1.0, len(knots))
    found = 0.5 * (np.interp(x, knots, shares) - np.interp(-x, -knots[::-1], -shares[::-1]))
    near = NEAR_END if normal else 0.0
    found[x + near > knots[-1] if normal else x == knots[-1]] = 1.0
    found[x - near < knots[0] if normal else x == knots[0]] = 0.0
    found[np.isnan(x)] = np.nan
    return normal_quantiles(found) if normal else found
