"""Expectations tried on a sealed model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.errors import CellInvalid, ConfigInvalid
from fairlead.contract.signature import Signature
from fairlead.lab.evaluate.behaviour.expectations import Behaviour, Direction, Expectation, Invariance, Minimum, Moved
from fairlead.lab.evaluate.behaviour.inputs import (
    DRAWN_PER_ROW,
    Columns,
    described,
    filled,
    fitting,
    length,
    simulated,
    taken,
)
from fairlead.lab.evaluate.behaviour.results import Result
from fairlead.runtime.bundle.cells import columns_of_rows, rows_from

if TYPE_CHECKING:
    from fairlead.runtime.bundle import Model

TOLERANCE = 0.01
FILE = "tests/behaviour.toml"


def try_behaviour(
    model: Model, expected: Behaviour, judged: Mapping[str, np.ndarray] | None = None, *, seed: int = 0
) -> tuple[Result, ...]:
    """Every expectation tried, in the order of the file: minimum cases, invariance, direction.

    judged: rows in the columns form for expectations that take judged rows; without them those are inconclusive.
    Deterministic for a seed. Raises ConfigInvalid for cells that their columns cannot hold.
    """
    trials = _Trials(model, expected, None if judged is None else dict(judged), seed)
    return (
        *(trials.minimum(one) for one in expected.minimum),
        *(trials.invariance(one) for one in expected.invariance),
        *(trials.direction(one) for one in expected.direction),
    )


class _Trials:
    def __init__(self, model: Model, expected: Behaviour, judged: Columns | None, seed: int) -> None:
        self.model, self.expected, self.judged, self.seed = model, expected, judged, seed
        self.signature: Signature = model.signature

    def minimum(self, one: Minimum) -> Result:
        """Each of its rows against what must be answered."""
        stated = [{**self.expected.base, **row} for row in one.rows]
        try:
            rows = rows_from([self.whole(row) for row in stated], self.signature)
        except CellInvalid as wrong:
            unsaid = wrong.column not in stated[wrong.row]
            raise _misfit(one, wrong, "State it there or in [base]." if unsaid else "") from None
        columns = columns_of_rows(rows, self.signature)
        table = self.table(columns)
        scores = self.scored(table, one)
        missed = np.zeros(len(rows))
        broken = np.zeros(len(rows), dtype=bool)
        if one.above is not None:
            missed = np.maximum(missed, one.above - scores)
            broken |= ~(scores > one.above)
        if one.below is not None:
            missed = np.maximum(missed, scores - one.below)
            broken |= ~(scores < one.below)
        if one.label is not None:
            broken |= np.asarray([label != one.label for label in self.model.decide(table)])
        return self.result(one, "minimum", broken, missed, "row", None)

    def whole(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row with every column of the model, those that nobody states missing."""
        return {name: row.get(name) for name in self.signature.names}

    def invariance(self, one: Invariance) -> Result:
        """The score before and after every change; a row breaks it by its worst change."""
        columns, numbers = self.inputs(one)
        rows = length(columns)
        if not rows:
            return self.none(one, "invariance")
        before = self.table(columns)
        score, decided = self.scored(before, one), self.decided(before) if one.decision else None
        tolerance = self.tolerance(one)
        worst, broken = np.zeros(rows), np.zeros(rows, dtype=bool)
        for change in self.changes(one):
            table = self.table(self.changed(columns, change, one))
            moved = np.abs(self.scored(table, one) - score)
            worst = np.maximum(worst, moved)
            broken |= ~(moved <= tolerance)
            if decided is not None:
                broken |= np.asarray(self.decided(table) != decided)
        return self.result(one, "invariance", broken, worst, numbers, columns)

    def direction(self, one: Direction) -> Result:
        """The score before and after one change, against the way it must go."""
        columns, numbers = self.inputs(one)
        if not length(columns):
            return self.none(one, "direction")
        if one.by is not None:
            first, second = columns, {**columns, one.column: columns[one.column] + one.by}
        else:
            first = self.changed(columns, {one.column: one.before}, one)
            second = self.changed(columns, {one.column: one.after}, one)
        moved = self.scored(self.table(second), one) - self.scored(self.table(first), one)
        wrong = -moved if one.goes == "up" else moved
        # A missing number plus something is missing: such rows say nothing.
        return self.result(one, "direction", ~(wrong <= one.tolerance), wrong, numbers, first)

    def inputs(self, one: Moved) -> tuple[Columns, str | np.ndarray]:
        """Rows to change, and their numbers among the judged rows (`simulated` for those of nobody)."""
        random = np.random.default_rng([self.seed, 13])
        if one.inputs == "simulated":
            many = one.rows * (DRAWN_PER_ROW if one.where else 1)
            drawn = simulated(self.model, many, self.seed)
            return taken(drawn, self.fit(drawn, one)[: one.rows]), "simulated"
        if self.judged is None:
            return {name: np.zeros(0) for name in self.signature.names}, "judged"
        fits = self.fit(self.judged, one)
        chosen = np.sort(random.permutation(fits)[: one.rows])
        return taken(self.judged, chosen), chosen

    def fit(self, columns: Columns, one: Moved) -> np.ndarray:
        """Rows that can be used: those of `where`, and those with a number where one is added to."""
        try:
            found = fitting(columns, one.where, self.signature)
        except CellInvalid as wrong:
            raise _misfit(one, wrong) from None
        if isinstance(one, Direction) and one.by is not None:
            found = found[~np.isnan(columns[one.column][found])]
        return found

    def changes(self, one: Invariance) -> Sequence[dict[str, Any]]:
        """What is set: the stated changes, or each column to each of its values."""
        if one.changes:
            return one.changes
        found: list[dict[str, Any]] = []
        for column in self.signature.columns:
            if column.name in one.columns:
                values: Sequence[Any] = column.categories if not column.numeric else (False, True)
                found += [{column.name: _told(value, column)} for value in values]
        return found

    def changed(self, columns: Columns, change: Mapping[str, Any], one: Expectation) -> Columns:
        """The rows with these cells in all of them."""
        named = {column.name: column for column in self.signature.columns}
        try:
            return columns | {name: filled(value, named[name], length(columns)) for name, value in change.items()}
        except CellInvalid as wrong:
            raise _misfit(one, wrong) from None

    def table(self, columns: Columns) -> np.ndarray:
        """Scores, shape (n, outputs)."""
        return np.asarray(self.model.score_columns(columns), dtype=np.float64)

    def scored(self, table: np.ndarray, one: Expectation) -> np.ndarray:
        """The score that counts, shape (n,)."""
        outputs = self.signature.outputs
        if one.of is not None:
            return table[:, outputs.index(one.of)]
        return table[:, outputs.index(self.signature.positive) if self.signature.positive in outputs else -1]

    def decided(self, table: np.ndarray) -> np.ndarray:
        """What is decided for each row."""
        return np.asarray(self.model.decide(table), dtype=object)

    def tolerance(self, one: Invariance) -> float:
        """As stated, else a hundredth of what counts as wholly wrong."""
        return one.tolerance if one.tolerance is not None else TOLERANCE * self.model.reference.loss_clip

    def none(self, one: Expectation, kind: str) -> Result:
        """Nothing could be tried."""
        why = "no rows to judge on were given" if self.judged is None else "no row fits it"
        return Result(one.name, kind, "inconclusive", 0, 0, None, why)

    def result(
        self, one: Expectation, kind: str, broken: np.ndarray, worst: np.ndarray, numbers: Any, columns: Columns | None
    ) -> Result:
        """Counts in words. numbers: of the judged rows, or what the rows are called."""
        tried, count = len(broken), int(broken.sum())
        held = count <= one.allowed * tried
        finite = np.where(np.isfinite(worst), worst, np.inf)
        at = int(np.argmax(np.where(broken, finite, -np.inf))) if count else int(np.argmax(finite))
        what = {"minimum": "misses", "invariance": "moves the score by", "direction": "goes the wrong way by"}[kind]
        why = f"{count:,} of {tried:,} rows break it" if count else f"holds on all {tried:,} rows"
        if count and one.allowed:
            why += f", {one.allowed:.0%} may"
        if count:
            why += f"; the worst {what} {finite[at]:.4g}" if finite[at] > 0 else "; what is decided differs"
        example = ""
        if count:
            if isinstance(numbers, str):
                example = f"row {at + 1}" if columns is None else described(columns, at, self.signature)
            else:
                example = f"judged row {int(numbers[at]) + 1}"
        value = float(finite[at]) if np.isfinite(finite[at]) else None
        return Result(one.name, kind, "pass" if held else "fail", tried, count, value, why, example)


def _told(value: Any, column: Any) -> Any:
    """A category as its column takes it from outside."""
    if column.coded == "integer":
        return int(value)
    return value == "true" if column.coded == "boolean" else value


def _misfit(one: Expectation, wrong: CellInvalid, cure: str = "") -> ConfigInvalid:
    what = f"a cell does not fit its column: {wrong}{'.' if cure else ''}"
    return ConfigInvalid(what, file=FILE, key=repr(one.name), cure=cure)
