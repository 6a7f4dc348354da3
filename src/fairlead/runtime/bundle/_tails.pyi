"""The compiled kernel of small tails and of answers; see `_tails.c`."""

from typing import Any

Layer = tuple[int, int, bytes, bytes, int]

def tail(features: int, layers: tuple[Layer, ...], base: bytes | None, count: float, slope: float, link: int) -> Any:
    """A tail, checked. Raises ValueError for what does not fit together or is not finite.

    layers: (inputs, outputs, weights, bias, activation), doubles, weights (inputs, outputs); none: features are sums.
    """

def deciding(classes: tuple[str, ...], positive: int, threshold: float, ties: bool) -> Any:
    """How a class is chosen. positive: its place, -1: the class with the largest score, of equal ones the first."""

def answer(tail: Any, deciding: Any, rows: int, x: Any) -> tuple[list[str] | None, list[list[float]]]:
    """Labels (None without `deciding`) and scores of features, double (rows, features), C-contiguous."""

def score(tail: Any, rows: int, x: Any, out: Any) -> None:
    """Scores, double (rows, outputs), of features, double (rows, features), both C-contiguous."""

def finite(scores: list[list[float]]) -> bool:
    """Whether every number is finite. Raises TypeError for what is no list of lists of floats."""

Curve = tuple[int, float, float, int, bytes, bytes]

def curves(curves: tuple[Curve, ...]) -> Any:
    """Curves of a calibration: (kind, a, b, knots, x, y). Raises ValueError for what is not finite, or falls."""

def over(tail: Any, curves: Any) -> Any:
    """The tail, its scores calibrated. Raises ValueError where the curves are of other scores."""

def calibrate(curves: Any, rows: int, outputs: int, scores: Any) -> None:
    """Calibrate scores, double (rows, outputs), C-contiguous, in place."""
