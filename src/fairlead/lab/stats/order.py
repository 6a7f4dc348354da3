"""Runs of equal values and of missing cells in order of time, rows that repeat, and how long a run may come to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fairlead.contract.order import LONGEST, MOST_PIECES, PIECE, Habit, Order

Ints = np.ndarray
DISTINCT = 64
FEWEST_RUNS = 10
"""Runs that the tail is learnt from at least."""

STEEPEST = 0.5
"""Tail index taken where there are too few runs to learn one: heavier than most columns have."""


def in_order(times: np.ndarray | None, rows: int) -> Ints:
    """Positions of rows in order of time, (rows,). Rows of one time stand in a drawn order: a batch that comes sorted
    by some column says nothing about what was measured one after the other.
    """
    if times is None:
        return np.arange(rows)
    return np.lexsort((np.random.default_rng(0).permutation(rows), np.asarray(times, dtype=np.float64)))


def coded(values: Any) -> tuple[Ints, np.ndarray]:
    """Cells as numbers that are equal where cells are, and which are missing. Both (n,)."""
    cells = np.asarray(values)
    if cells.dtype == object:
        table: dict[Any, int] = {}
        codes = np.fromiter((table.setdefault(cell, len(table)) for cell in cells), dtype=np.int64, count=len(cells))
        gone: np.ndarray = np.asarray(cells == None, dtype=bool) | np.asarray(cells != cells, dtype=bool)  # noqa: E711
        return codes, gone
    floats = np.asarray(cells, dtype=np.float64)
    gone = np.isnan(floats)
    return np.where(gone, 0.0, floats + 0.0).view(np.int64), gone


def runs_of(codes: Ints, wanted: np.ndarray) -> tuple[Ints, Ints]:
    """Lengths and first positions of runs of one code among rows that are wanted; another row ends a run."""
    n = len(codes)
    if not n:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    changed = codes[1:] != codes[:-1]
    whole = bool(wanted.all())
    cuts = np.flatnonzero(changed if whole else changed | (wanted[1:] != wanted[:-1]))
    ends = np.empty(len(cuts) + 2, dtype=np.int64)
    ends[0], ends[1:-1], ends[-1] = 0, cuts + 1, n
    starts, lengths = ends[:-1], ends[1:] - ends[:-1]
    if whole:
        return lengths, starts
    kept = wanted[starts]
    return lengths[kept], starts[kept]


def longest(lengths: Ints) -> tuple[int, ...]:
    """The longest few, longest first."""
    return tuple(np.sort(lengths)[::-1][:LONGEST].tolist())


def order_of(columns: Mapping[str, Any], times: np.ndarray | None) -> Order:
    """How these rows follow each other. columns: the columns form, (n,) each; others (tensors) are left out."""
    flat = {name: np.asarray(values) for name, values in columns.items() if np.ndim(values) == 1}
    rows = len(next(iter(flat.values()))) if flat else 0
    places = in_order(times, rows)
    habits = []
    every: list[Ints] = []
    for name, values in flat.items():
        codes, gone = coded(values[places])
        every.append(np.where(gone, -1, codes))
        numeric = values.dtype != object
        distinct = min(len(np.unique(codes[~gone][:100_000])), DISTINCT) if numeric else 0
        runs = longest(runs_of(codes, ~gone)[0]) if numeric else ()
        gaps = longest(runs_of(np.zeros(rows, dtype=np.int64), gone)[0]) if gone.any() else ()
        habits.append(Habit(name, runs, gaps, distinct))
    return Order(rows, tuple(habits), tuple(int(n) for n in repeats_of(every, rows)[-MOST_PIECES:]))


def repeats_of(codes: Sequence[Ints], rows: int) -> Ints:
    """Rows of each whole piece of 500 (all rows, where there are fewer) that equal an earlier row of it, (pieces,)."""
    if not rows or not codes:
        return np.zeros(0, dtype=np.int64)
    mixed = hashed(codes)
    size = min(PIECE, rows)
    pieces = np.sort(mixed[: rows // size * size].reshape(-1, size), axis=1)
    found: Ints = (pieces[:, 1:] == pieces[:, :-1]).sum(axis=1)
    return found


def hashed(codes: Sequence[Ints]) -> np.ndarray:
    """A 64-bit number of each row that is equal for equal rows, (n,): chance makes two of a million rows equal once in
    some ten million tables. Mixing as in splitmix64. Source: Steele, Lea and Flood (OOPSLA 2014).
    """
    mixed = np.zeros(len(codes[0]), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for one in codes:
            mixed = (
                mixed ^ one.view(np.uint64) if one.dtype == np.int64 else mixed ^ one.astype(np.uint64)
            ) + np.uint64(0x9E3779B97F4A7C15)
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            mixed = mixed ^ (mixed >> np.uint64(31))
    return mixed


def run_limit(top: Sequence[float], rows: int, window: int, expected: float) -> float:
    """Length that so many runs of a window are expected to pass: `expected`, of `window` rows.

    top: the longest runs among `rows` rows, longest first. Beyond the shortest of them lengths are taken to fall off
    as a power (Hill's estimator with one standard error more), which is heavier than the tail of independent rows, so
    the limit errs to the long side. The number of runs is expected whatever depends on whatever, so that rows that
    depend on their neighbours do no harm. Few or no runs: as if there had been three of length 1, which is what none
    in so many rows still allows (95 %), and a heavy tail.
    Source: Weissman (Journal of the American Statistical Association, 1978); Hill (Annals of Statistics, 1975).
    """
    if rows <= 0 or window <= 0 or expected <= 0:
        return np.inf
    lengths = np.asarray(top, dtype=np.float64)
    if len(lengths) < FEWEST_RUNS:
        base, count, slope = float(lengths.max(initial=1.0)), max(len(lengths), 3), STEEPEST
    else:
        base, count = float(lengths[-1]), len(lengths)
        slope = float(np.log(lengths[:-1] / base).mean()) * (1.0 + 1.0 / np.sqrt(count - 1))
    often = count * window / rows
    return float(max(base * max(often / expected, 1.0) ** slope, float(lengths.max(initial=0.0))))


def together(one: Order, other: Order) -> Order:
    """Of both sets of rows: longest runs, rows and pieces add up."""
    known = {habit.name: habit for habit in other.habits}
    habits = tuple(
        Habit(
            habit.name,
            tuple(sorted((*habit.runs, *known[habit.name].runs), reverse=True)[:LONGEST]),
            tuple(sorted((*habit.gaps, *known[habit.name].gaps), reverse=True)[:LONGEST]),
            max(habit.distinct, known[habit.name].distinct),
        )
        if habit.name in known
        else habit
        for habit in one.habits
    )
    return Order(one.rows + other.rows, habits, (*one.repeats, *other.repeats)[-MOST_PIECES:])
