"""Whether rows are of the population that a model is meant for: cell by cell for a few, column by column for many.

Models without a stated population have no guard for it, so nothing is asked of their rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import BundleRefused, OutsidePopulation
from fairlead.contract.population import DEEPEST, MOST_CONDITIONS, Condition
from fairlead.contract.signature import Cell, Column, Signature
from fairlead.runtime.bundle.coded import Coded, Columns

Guard = Callable[[Sequence[Sequence[Cell]]], None]
Holds = Callable[[Sequence[Any]], bool]
Mask = npt.NDArray[np.bool_]
JOINING = ("and", "or", "not")
ORDERED = ("<", "<=", ">", ">=")


def check_population(signature: Signature) -> None:
    """Raises BundleRefused for a population that says nothing of this signature's columns, or too much."""
    stated = signature.population
    if stated is None:
        return
    if not 1 <= len(stated.conditions) <= MOST_CONDITIONS or len(stated.said) != len(stated.conditions):
        raise BundleRefused(f"signature.json: a population is 1 to {MOST_CONDITIONS} conditions, each in words, too")
    known = {column.name: column for column in signature.columns}
    for condition in stated.conditions:
        if why := problem(condition, known):
            raise BundleRefused(f"signature.json: population: {why}")


def problem(condition: Condition, known: dict[str, Column], depth: int = 0) -> str:
    """Why these columns cannot be asked that; empty if they can."""
    if depth > DEEPEST:
        return f"nested deeper than {DEEPEST}"
    if condition.sign in JOINING:
        if not condition.parts or (condition.sign == "not" and len(condition.parts) != 1):
            return f"{condition.sign!r} joins nothing"
        return next((why for part in condition.parts if (why := problem(part, known, depth + 1))), "")
    column = known.get(condition.column)
    if column is None:
        return f"the model takes no column {condition.column[:80]!r}"
    if column.kind in ("tensor", "time"):
        return f"column {column.name!r} is a {column.kind}, of which nothing can be asked"
    if condition.sign in ORDERED:
        if not column.numeric:
            return f"column {column.name!r} is a {column.kind}, which has no order"
        if len(condition.values) != 1 or not isinstance(condition.values[0], float):
            return f"column {column.name!r}: {condition.sign} compares with one number"
    elif condition.sign == "=":
        kind: type = float if column.numeric else str
        if not condition.values or not all(isinstance(value, kind) for value in condition.values):
            return (
                f"column {column.name!r} is a {column.kind}; its values are {'numbers' if column.numeric else 'text'}"
            )
    return ""


def guard_of(signature: Signature, guard: Guard | None) -> Guard | None:
    """`guard`, and one that raises OutsidePopulation for the first row outside, where such rows are refused."""
    stated = signature.population
    if stated is None or stated.outside != "refuse":
        return guard
    tests = _tests(signature)

    def population(rows: Sequence[Sequence[Cell]]) -> None:
        for number, row in enumerate(rows):
            for at, holds in enumerate(tests):
                if not holds(row):
                    raise OutsidePopulation(number, stated.said[at])

    if guard is None:
        return population
    first = guard

    def both(rows: Sequence[Sequence[Cell]]) -> None:
        first(rows)
        population(rows)

    return both


def counting(signature: Signature) -> Callable[[Sequence[Sequence[Cell]]], int] | None:
    """How many of some rows are outside, where such rows are answered and counted; None where nobody counts."""
    stated = signature.population
    if stated is None or stated.outside != "count":
        return None
    tests = _tests(signature)
    return lambda rows: sum(not all(holds(row) for holds in tests) for row in rows)


def _tests(signature: Signature) -> tuple[Holds, ...]:
    stated = signature.population
    assert stated is not None
    place = {name: at for at, name in enumerate(signature.names)}
    return tuple(_holds(condition, place) for condition in stated.conditions)


def _holds(condition: Condition, place: dict[str, int]) -> Holds:
    if condition.sign in JOINING:
        parts = [_holds(part, place) for part in condition.parts]
        if condition.sign == "not":
            only = parts[0]
            return lambda row: not only(row)
        joined = all if condition.sign == "and" else any
        return lambda row: joined(part(row) for part in parts)
    at = place[condition.column]
    if condition.sign == "missing":
        return lambda row: row[at] is None
    if condition.sign == "=":
        values = frozenset(condition.values)
        return lambda row: row[at] in values
    return _ordered(condition.sign, at, float(condition.values[0]))


def _ordered(sign: str, at: int, limit: float) -> Holds:
    # A missing cell is None and fulfils no comparison.
    if sign == "<":
        return lambda row: (cell := row[at]) is not None and cell < limit
    if sign == "<=":
        return lambda row: (cell := row[at]) is not None and cell <= limit
    if sign == ">":
        return lambda row: (cell := row[at]) is not None and cell > limit
    return lambda row: (cell := row[at]) is not None and cell >= limit


def outside(signature: Signature, columns: Columns) -> Mask | None:
    """Which rows are outside, shape (n,), of rows in the columns form; None for a model without a population."""
    stated = signature.population
    if stated is None:
        return None
    inside: Mask = np.logical_and.reduce([_mask(condition, columns) for condition in stated.conditions])
    return ~inside


def refuse_outside(signature: Signature, columns: Columns) -> None:
    """Raises OutsidePopulation for the first row outside, where such rows are refused."""
    stated = signature.population
    if stated is None or stated.outside != "refuse":
        return
    masks = np.stack([_mask(condition, columns) for condition in stated.conditions])
    wrong = np.flatnonzero(~masks.all(axis=0))
    if len(wrong):
        raise OutsidePopulation(int(wrong[0]), stated.said[int(np.argmin(masks[:, wrong[0]]))])


def _mask(condition: Condition, columns: Columns) -> Mask:
    if condition.sign in JOINING:
        parts = [_mask(part, columns) for part in condition.parts]
        if condition.sign == "not":
            return ~parts[0]
        joined: Mask = np.logical_and.reduce(parts) if condition.sign == "and" else np.logical_or.reduce(parts)
        return joined
    cells = columns[condition.column]
    if isinstance(cells, Coded):
        told = np.fromiter((_one(condition, cell) for cell in cells.cells), dtype=bool, count=len(cells.cells))
        return np.asarray(told[cells.codes])
    if cells.dtype == object:
        return np.fromiter((_one(condition, cell) for cell in cells), dtype=bool, count=len(cells))
    if condition.sign == "missing":
        return np.asarray(np.isnan(cells))
    if condition.sign == "=":
        return np.isin(cells, np.array(condition.values, dtype=np.float64))
    compare = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}[condition.sign]
    with np.errstate(invalid="ignore"):
        return np.asarray(compare(cells, float(condition.values[0])))


def _one(condition: Condition, cell: Any) -> bool:
    gone = cell is None or cell != cell
    return gone if condition.sign == "missing" else not gone and cell in condition.values
