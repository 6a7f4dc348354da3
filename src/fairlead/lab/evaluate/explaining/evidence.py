"""What was found out about how a model comes to its answers. Plain data, so `explanation.json` is this."""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.contract.evidence import Interval


class Effect(msgspec.Struct, frozen=True):
    """One column's attributions over many rows, of one output.

    size: mean |attribution|, in `scale`. share: of the sum of all sizes. direction: rank correlation of a numeric
    column's value with its attribution, in [-1, 1], None where it says nothing. at: up to 400 rows as [value,
    attribution]; categories: [name, rows, mean attribution], the most frequent first.
    """

    column: str
    size: Interval
    share: float
    direction: float | None = None
    at: tuple[tuple[float, float], ...] = ()
    categories: tuple[tuple[str, int, float], ...] = ()


class Overall(msgspec.Struct, frozen=True):
    """Attributions of many rows. effects: by output, largest first. residual: how far sums miss the margin at most."""

    method: str
    exact: bool
    said: str
    scale: str
    rows: int
    background: int
    baseline: dict[str, float]
    effects: dict[str, tuple[Effect, ...]]
    residual: float


class Dependence(msgspec.Struct, frozen=True):
    """The mean answer when one column is set to each value of a grid in all of `rows` rows.

    grid: numbers, or categories. outputs: name -> [value, low, high] a grid point (95 %). lines: single rows'
    answers of the first output along the grid. density: share of rows near each grid point. spread: how far the mean
    of the first output moves over the grid.
    """

    column: str
    rows: int
    grid: tuple[Any, ...]
    outputs: dict[str, tuple[tuple[float, float, float], ...]]
    lines: tuple[tuple[float, ...], ...]
    density: tuple[float, ...]
    spread: float


class Leaf(msgspec.Struct, frozen=True):
    """One rule of a surrogate tree: what holds, the model's mean answer there, and how many rows."""

    rule: tuple[str, ...]
    answer: float
    rows: int


class Surrogate(msgspec.Struct, frozen=True):
    """A small tree that imitates the model, judged on rows that it was not fitted to.

    fidelity: R2 of its answers against the model's; agreement: share of the same decisions (None for a number).
    """

    output: str
    depth: int
    fidelity: Interval
    agreement: Interval | None
    fitted: int
    judged: int
    leaves: tuple[Leaf, ...]


class Explained(msgspec.Struct, frozen=True):
    """How a model comes to its answers, over some rows of a table. notes: what a reader must know."""

    bundle: str
    model: str
    overall: Overall
    dependence: tuple[Dependence, ...]
    surrogate: Surrogate | None
    notes: tuple[str, ...] = ()
    format: int = 1
