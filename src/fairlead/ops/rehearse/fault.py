"""What may happen to rows: the port of faults that are put into a history to see whether they are found."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from fairlead.contract.plugins import names, variant
from fairlead.contract.signature import Column, Signature
from fairlead.ops.monitor.seen import Moment, Rows


class Scene(NamedTuple):
    """Where a fault happens. begin: event time from which rows are touched. window_s: seconds of event time a window
    takes, for what takes its time. random: every choice is drawn from it, so that a seed makes a fault again.
    """

    signature: Signature
    begin: float
    window_s: float
    random: np.random.Generator


class Fault(Protocol):
    """Port `fault`: rows -> rows, pure. Rows of before the beginning stay as they are, and those that came in are
    never changed themselves.

    name: of the kind. said: what happens, with its size, in words. moment: when it can be seen first.
    """

    name: str
    said: str
    moment: Moment

    def can(self, rows: Rows, signature: Signature) -> bool:
        """Whether rows like these can suffer it."""
        ...

    def happen(self, rows: Rows, scene: Scene) -> Rows:
        """The rows after it happened, as many and in the same order. Their `scores` are those of before: whoever
        changes columns has to answer again. Only for rows that `can`."""
        ...


def known_faults() -> tuple[str, ...]:
    """The kinds, ours first."""
    return names("fault")


def fault_of(name: str) -> Fault:
    """The fault of that name. Raises UnknownPlugin."""
    made: Fault = variant("fault", name)()
    return made


def touched(rows: Rows, scene: Scene) -> np.ndarray:
    """Positions of the rows from the beginning on."""
    return np.flatnonzero(rows.times >= scene.begin)


def features(rows: Rows, signature: Signature, *kinds: str) -> list[Column]:
    """Columns of these kinds that are at hand."""
    return [c for c in signature.columns if c.kind in kinds and c.name in rows.columns]


def with_column(rows: Rows, name: str, cells: np.ndarray) -> Rows:
    """The rows with other cells in one column."""
    return replace(rows, columns={**rows.columns, name: cells})


def with_labels(rows: Rows, labels: np.ndarray) -> Rows:
    """The rows with another truth."""
    return replace(rows, labels=labels)


def one_of(columns: list[Column], scene: Scene) -> Column:
    """A column drawn by the scene."""
    return columns[int(scene.random.integers(len(columns)))]


def another_class(labels: np.ndarray, at: np.ndarray, classes: tuple[str, ...], scene: Scene) -> np.ndarray:
    """Labels of which those at positions `at` name another class, each of the others as likely."""
    from fairlead.lab.stats import class_codes

    changed = labels.copy()
    codes = class_codes(labels[at], classes)
    other = (codes + scene.random.integers(1, len(classes), len(at))) % len(classes)
    told = np.empty(len(at), dtype=object)
    known = dict(zip(class_codes(labels, classes).tolist(), labels.tolist(), strict=True))
    # As the table writes its classes, where it has them all.
    told[:] = [known.get(int(i), classes[int(i)]) for i in other]
    changed[at] = told
    return changed


def subgroup(rows: Rows, scene: Scene, share: float) -> np.ndarray:
    """Whether each row belongs to a part of the world that holds about `share` of the rows, (n,): those at one end of
    a numeric column, or some values of another one."""
    numeric = features(rows, scene.signature, "number", "integer")
    if numeric:
        cells = np.asarray(rows.columns[one_of(numeric, scene).name], dtype=np.float64)
        known = np.isfinite(cells)
        if known.any() and np.ptp(cells[known]) > 0:
            upper = bool(scene.random.integers(2))
            edge = float(np.quantile(cells[known], 1.0 - share if upper else share))
            chosen = known & ((cells >= edge) if upper else (cells <= edge))
            if 0.25 * share <= chosen.mean() <= 2.5 * share:
                return chosen
    # No column has such an end: any rows, each as likely.
    return scene.random.random(len(rows.times)) < share
