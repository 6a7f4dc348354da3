"""What would have to differ for another answer: few changes, to values that training rows had, within rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract.errors import UsageError
from fairlead.lab.evaluate.explaining.nearness import nearness
from fairlead.lab.evaluate.explaining.steps import Rules, Step, bins_of, cost_of, fitting, steps_of

if TYPE_CHECKING:
    from fairlead.runtime.bundle import Model

BEAM, FOUND, HALVINGS = 40, 3, 8
"""Half-way rows that are gone on from, counterfactuals that are told, and halvings of each number's change."""


@dataclass(frozen=True)
class Goal:
    """label: the decision that is wanted; or at_least, at_most: of a number."""

    label: str | None = None
    at_least: float | None = None
    at_most: float | None = None

    def says(self) -> str:
        """In words."""
        if self.label is not None:
            return self.label
        return f"at least {self.at_least:g}" if self.at_least is not None else f"at most {self.at_most:g}"


class Change(msgspec.Struct, frozen=True):
    """One column that differs."""

    column: str
    before: Any
    after: Any


class Counterfactual(msgspec.Struct, frozen=True):
    """A row with the wanted answer. cost: sum over its changes, see `steps.steps_of`. nearest: mean difference to the
    nearest of the rows it was compared with; typical: share of those rows that are at least as far from all others
    (small: there is hardly any row like this); None without rows.
    """

    changes: tuple[Change, ...]
    answer: Any
    cost: float
    nearest: float | None = None
    typical: float | None = None


class Counterfactuals(msgspec.Struct, frozen=True):
    """found: fewest changes first, then least cost. tried: rows that the model was asked. why: why there are none.

    typical: of the row itself, to compare those of the found ones with.
    """

    goal: str
    found: tuple[Counterfactual, ...]
    tried: int
    why: str = ""
    typical: float | None = None


def goal_of(model: Model, scores: np.ndarray, wanted: str) -> Goal:
    """The goal that `wanted` names: a label, `>=3`, `<=3`; empty: another label, the likeliest. Raises UsageError."""
    signature = model.signature
    if signature.task == "regression":
        if wanted[:2] not in (">=", "<="):
            raise UsageError("which number? Say --goal '>=120' or --goal '<=80'.")
        try:
            number = float(wanted[2:])
        except ValueError:
            raise UsageError(f"--goal: {wanted[2:].strip()!r} is no number") from None
        return Goal(at_least=number) if wanted[0] == ">" else Goal(at_most=number)
    if signature.task != "classification":
        raise UsageError(f"counterfactuals are made for classification and regression, not for {signature.task}")
    now = model.decide(scores)[0]
    if not wanted:
        others = [at for at, name in enumerate(signature.classes) if name != now]
        return Goal(label=signature.classes[max(others, key=lambda at: scores[0, at])])
    if wanted not in signature.classes:
        raise UsageError(f"--goal: no answer {wanted!r}. There are: {', '.join(signature.classes)}.")
    return Goal(label=wanted)


def counterfactuals(
    model: Model,
    row: Mapping[str, Any],
    wanted: str = "",
    rules: Rules | None = None,
    most_changes: int = 3,
    rows: Mapping[str, Any] | None = None,
) -> Counterfactuals:
    """Up to three rows like `row` (a cell a column) that get the wanted answer, with as few changes as there are.

    A beam search: all single changes; where none suffices, the 40 that come nearest go on to pairs, and so forth. Then
    each number goes back towards where it was by halving, as far as the answer allows. Deterministic; none found means
    none within `most_changes` by this search. rows: real rows in the columns form, for how typical the found ones are.
    Source: Wachter, Mittelstadt and Russell, Counterfactual explanations without opening the black box (2018); sparse,
    plausible and actionable: Karimi et al., A survey of algorithmic recourse (2022). Raises UsageError.
    """
    rules = rules or Rules()
    rules.check(model.signature)
    found = _Search(model, dict(row), wanted, rules).run(most_changes, rows)
    if rows is None:
        return found
    return msgspec.structs.replace(found, typical=nearness(model.signature, model.reference.profile, row, rows)[1])


class _Search:
    def __init__(self, model: Model, row: dict[str, Any], wanted: str, rules: Rules) -> None:
        self.model, self.row, self.rules = model, row, rules
        self.tried = 0
        scores = self.scores([()])
        self.goal = goal_of(model, scores, wanted)
        self.there = bool(self.reached(scores)[0])
        profile = model.reference.profile
        self.steps = steps_of(model.signature, profile, row, rules)
        self.known = {column.name: column for column in model.signature.columns}
        self.counted = {column.bins.name: column for column in profile.columns if column.rows}

    def scores(self, changed: list[tuple[Step, ...]]) -> np.ndarray:
        """Scores of the row with each set of changes."""
        columns: dict[str, Any] = {}
        for column in self.model.signature.columns:
            kind: Any = np.float64 if column.numeric else object
            cell = self.row[column.name]
            if column.kind == "tensor":
                columns[column.name] = np.repeat(np.asarray(cell)[None], len(changed), axis=0)
                continue
            columns[column.name] = np.full(len(changed), cell, dtype=kind)
        for at, steps in enumerate(changed):
            for step in steps:
                columns[step.column][at] = step.value
        self.tried += len(changed)
        return np.asarray(self.model.score_columns(columns), dtype=np.float64)

    def reached(self, scores: np.ndarray) -> np.ndarray:
        if self.goal.label is not None:
            return np.array([label == self.goal.label for label in self.model.decide(scores)])
        if self.goal.at_least is not None:
            return np.asarray(scores[:, 0] >= self.goal.at_least)
        return np.asarray(scores[:, 0] <= self.goal.at_most)

    def nearness(self, scores: np.ndarray) -> np.ndarray:
        """Larger is nearer to the goal."""
        if self.goal.label is None:
            return scores[:, 0] if self.goal.at_least is not None else -scores[:, 0]
        at = self.model.signature.classes.index(self.goal.label)
        others = np.delete(scores, at, axis=1).max(axis=1)
        return np.asarray(scores[:, at] - others)

    def run(self, most_changes: int, rows: Mapping[str, Any] | None) -> Counterfactuals:
        said = self.goal.says()
        if self.there:
            return Counterfactuals(said, (), self.tried, "the row has this answer already")
        if not self.steps:
            return Counterfactuals(said, (), self.tried, "no column may change to another plausible value")
        beam: list[tuple[Step, ...]] = [()]
        for _ in range(most_changes):
            tried = self._further(beam)
            if not tried:
                break
            scores = self.scores(tried)
            reached = self.reached(scores)
            if reached.any():
                return Counterfactuals(
                    said, self._told([tried[at] for at in np.flatnonzero(reached)], rows), self.tried
                )
            beam = self._nearest(tried, self.nearness(scores))
        few = f"{most_changes} change{'s' if most_changes > 1 else ''}"
        why = f"no row with up to {few} to plausible values within the rules was found that gets this answer"
        return Counterfactuals(said, (), self.tried, why)

    def _further(self, beam: list[tuple[Step, ...]]) -> list[tuple[Step, ...]]:
        """Each of the beam with one more column changed, none twice."""
        found: dict[frozenset[tuple[str, Any]], tuple[Step, ...]] = {}
        for steps in beam:
            changed = {step.column for step in steps}
            for step in self.steps:
                if step.column not in changed:
                    more = (*steps, step)
                    found.setdefault(frozenset((s.column, s.value) for s in more), more)
        return list(found.values())

    def _nearest(self, tried: list[tuple[Step, ...]], nearness: np.ndarray) -> list[tuple[Step, ...]]:
        """The nearest, at most three of the same columns, so that the beam does not hold one idea alone."""
        kept: list[tuple[Step, ...]] = []
        used: dict[frozenset[str], int] = {}
        for at in np.argsort(-nearness, kind="stable"):
            columns = frozenset(step.column for step in tried[at])
            if used.get(columns, 0) < 3:
                used[columns] = used.get(columns, 0) + 1
                kept.append(tried[at])
            if len(kept) == BEAM:
                break
        return kept

    def _told(self, reached: list[tuple[Step, ...]], rows: Mapping[str, Any] | None) -> tuple[Counterfactual, ...]:
        best: dict[frozenset[str], tuple[Step, ...]] = {}
        for steps in sorted(reached, key=_cost):
            best.setdefault(frozenset(step.column for step in steps), steps)
        shorter = sorted((self._shortened(steps) for steps in list(best.values())[: 2 * FOUND]), key=_cost)[:FOUND]
        return tuple(self._one(steps, rows) for steps in shorter)

    def _shortened(self, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        """With each number as near to where it was as the answer allows."""
        for place, step in enumerate(steps):
            column, before = self.known[step.column], self.row[step.column]
            if not column.numeric or before != before:
                continue
            edges, counts = bins_of(column, self.counted.get(column.name))
            bad, good = float(before), step.value
            for _ in range(HALVINGS):
                middle = fitting(column, (bad + good) / 2)
                if middle in (bad, good, before):
                    break
                other = Step(column.name, middle, cost_of(edges, counts, float(before), middle))
                changed = (*steps[:place], other, *steps[place + 1 :])
                if self.reached(self.scores([changed]))[0]:
                    good, steps = middle, changed
                else:
                    bad = middle
        return steps

    def _one(self, steps: tuple[Step, ...], rows: Mapping[str, Any] | None) -> Counterfactual:
        answer = self.model.answers(self.scores([steps]))[0]
        changes = tuple(Change(s.column, _cell(self.row[s.column]), s.value) for s in steps)
        near, typical = None, None
        if rows is not None:
            moved = {**self.row, **{step.column: step.value for step in steps}}
            near, typical = nearness(self.model.signature, self.model.reference.profile, moved, rows)
        return Counterfactual(changes, answer, round(_cost(steps), 6), near, typical)


def _cost(steps: tuple[Step, ...]) -> float:
    return sum(step.cost for step in steps)


def _cell(cell: Any) -> Any:
    return None if cell is None or cell != cell else cell.item() if hasattr(cell, "item") else cell
