"""What is found of faults, and when, by every check that ships, as the watcher runs them; `alarm_table` writes it.

A fault begins four quiet weeks after the reference. What labels show can be told two weeks later at the earliest: when
the week is over, and the week after it, in which labels come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from benchmarks.alarm_checks import MONDAY, lived
from benchmarks.alarm_streams import DAY
from benchmarks.alarm_world import SIGNATURES, WEEK, answers, truth
from fairlead.contract.signature import Task
from fairlead.ops.monitor import Rows
from fairlead.ops.rehearse.fault import Scene, another_class, fault_of, with_labels

DAYS, QUIET, AFTER = 210, 4, 6
"""Of the reference; weeks before the fault and with it."""
BEGIN = (MONDAY + DAYS + QUIET * WEEK) * DAY
BLOCK = 25
Happens = Callable[[Rows, np.random.Generator], Rows]


class Told(NamedTuple):
    """Of many worlds. within: parts in which something was told within so many weeks; days: median until then (never:
    infinite), by anything; by: check -> part of the worlds in which it spoke, and median days until it did."""

    within: dict[int, float]
    days: float
    by: dict[str, tuple[float, float]]


def errors(task: Task, more: float) -> Happens:
    """Concept: so many more answers are wrong (as a part of all); of numbers, errors grow by four times that part."""

    def happen(rows: Rows, rng: np.random.Generator) -> Rows:
        at, labels = rows.times >= BEGIN, np.asarray(rows.labels)
        said = np.asarray(rows.scores)
        if task == "regression":
            wrong = said[:, 0] + (1.0 + 4.0 * more) * (labels - said[:, 0])
            return with_labels(rows, np.where(at, wrong, labels))
        right = (labels == "yes") == (said[:, 1] > 0.5)
        turned = at & right & (rng.random(len(labels)) < more / right.mean())
        return with_labels(rows, np.where(turned, np.where(labels == "yes", "no", "yes"), labels).astype(object))

    return happen


def poisoned(task: Task, share: float) -> Happens:
    """Labels are wrong in blocks of labels that came one after the other; numbers by two standard deviations."""

    def happen(rows: Rows, rng: np.random.Generator) -> Rows:
        at, labels = np.flatnonzero(rows.times >= BEGIN), np.asarray(rows.labels)
        at = at[np.argsort(np.asarray(rows.arrived)[at], kind="stable")]
        chosen = at[(rng.random(len(at) // BLOCK + 1) < share)[np.arange(len(at)) // BLOCK]]
        if task == "regression":
            moved = labels.astype(np.float64)
            moved[chosen] += 2.0 * labels.astype(np.float64).std()
            return with_labels(rows, moved)
        scene = Scene(SIGNATURES[task], BEGIN, WEEK * DAY, rng)
        return with_labels(rows, another_class(labels, chosen, SIGNATURES[task].classes, scene))

    return happen


def shifted(task: Task, moved: float, spread: float) -> Happens:
    """Income moves and spreads, and what it means stays: the model answers as it always did, less well."""

    def happen(rows: Rows, rng: np.random.Generator) -> Rows:
        at = rows.times >= BEGIN
        income = rows.columns["income"]
        columns = {**rows.columns, "income": np.where(at, moved + spread * income, income)}
        labels = np.where(at, truth(rng, task, columns), np.asarray(rows.labels))
        return replace(rows, columns=columns, scores=answers(task, columns), labels=labels)

    return happen


def planted(task: Task, kind: str) -> Happens:
    """A fault that a rehearsal puts in."""

    def happen(rows: Rows, rng: np.random.Generator) -> Rows:
        changed = fault_of(kind).happen(rows, Scene(SIGNATURES[task], BEGIN, WEEK * DAY, rng))
        return replace(changed, scores=answers(task, dict(changed.columns)))

    return happen


FAULTS: dict[str, tuple[tuple[Task, ...], Callable[[Task], Happens | None]]] = {
    "none": (("classification", "regression"), lambda task: None),
    "concept: 5 points more are wrong": (("classification",), lambda task: errors(task, 0.05)),
    "concept: 10 points more are wrong": (("classification",), lambda task: errors(task, 0.10)),
    "concept: errors are 20 % larger": (("regression",), lambda task: errors(task, 0.05)),
    "concept: errors are 40 % larger": (("regression",), lambda task: errors(task, 0.10)),
    "concept: another rule for 30 % of the rows": (
        ("classification", "regression"), lambda task: planted(task, "sudden_concept")
    ),
    "the same over four weeks": (("classification", "regression"), lambda task: planted(task, "gradual_concept")),
    "10 % of labels poisoned": (("classification", "regression"), lambda task: poisoned(task, 0.1)),
    "20 % of labels poisoned": (("classification", "regression"), lambda task: poisoned(task, 0.2)),
    "80 % of labels four weeks late": (("classification", "regression"), lambda task: planted(task, "label_delay")),
    "labels of another definition": (
        ("classification", "regression"), lambda task: planted(task, "definition_change")
    ),
    "inputs that are harder: spread halved": (("classification",), lambda task: shifted(task, 0.0, 0.5)),
    "inputs that are harder: moved by 0.5 sd": (("regression",), lambda task: shifted(task, 0.5, 1.0)),
    "inputs that are harder: moved by 1 sd": (("regression",), lambda task: shifted(task, 1.0, 1.0)),
    "a column in another unit": (("classification", "regression"), lambda task: planted(task, "unit_change")),
    "a column that is missing": (("classification", "regression"), lambda task: planted(task, "missing_column")),
    "a new category": (("classification", "regression"), lambda task: planted(task, "new_category")),
}  # fmt: skip
"""What happens, to models of which tasks."""


def found(task: Task, fault: str, worlds: int, rows: int = 60, seed: int = 500) -> Told:
    """What is told of a fault in so many worlds, each with a reference of its own."""
    firsts, by = [], dict[str, list[float]]()
    for i in range(worlds):
        one = lived(seed + i, QUIET + AFTER, rows, DAYS, task=task, happens=FAULTS[fault][1](task))
        since = [(alarm.days - QUIET * WEEK, alarm.name) for alarm in one.told if alarm.days > QUIET * WEEK]
        firsts.append(min((days for days, _ in since), default=np.inf))
        for name in {name for _, name in since}:
            by.setdefault(name, []).append(min(days for days, other in since if other == name))
    return Told(
        {weeks: float(np.mean(np.asarray(firsts) <= weeks * WEEK)) for weeks in (1, 2, 4)}, float(np.median(firsts)),
        {name: (len(days) / worlds, float(np.median(days))) for name, days in by.items()},
    )  # fmt: skip


def line_of(task: Task, fault: str, worlds: int, rows: int = 60) -> str:
    """One line of the table."""
    told = found(task, fault, worlds, rows)
    spoke = sorted(told.by.items(), key=lambda item: (-item[1][0], item[1][1]))[:4]
    by = ", ".join(f"{name} {part:.0%} ({days:.0f})" for name, (part, days) in spoke if part >= 0.1)
    after = f"{told.days:.0f} days" if np.isfinite(told.days) else "never"
    within = " | ".join(f"{part:.0%}" for part in told.within.values())
    return f"| {fault} | {task} | {within} | {after} | {by} |"
