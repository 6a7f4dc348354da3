"""Slices of the rows that are watched by themselves, and how far each has moved, by stretches as long as the window.

Slices: those of `[monitor] slices`, every level of the sensitive columns that are features, and every level of one
category column more, the most important one. A slice whose absence would take most of a column's drift away is what
moved that column.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fairlead.contract.events import Cause
from fairlead.contract.profile import ColumnProfile
from fairlead.contract.signature import NUMERIC
from fairlead.ops.monitor.learnt import Stretches, stretches_of
from fairlead.ops.monitor.seen import Seen

MOST_SLICES = 24
MOST_COLUMNS = 20
MOST_LEVELS = 10
LEAST_ROWS = 30
EXPLAINED = 0.5
"""Part of a column's drift that a slice must carry to be told as its cause."""


class Slice(NamedTuple):
    """rule: in the language of `[evaluate] slices`. rows: (n,) bool of a `Stretches`."""

    rule: str
    rows: np.ndarray


class Drifts(NamedTuple):
    """Of each slice and column: distance of every stretch, and last of the window, from all others, (slices, columns,
    stretches + 1), NaN of under 30 rows; without: of the window with the slice's rows left out, (slices, columns);
    whole: of all rows, (columns,); shares: of the slice among the rows of each, (slices, stretches + 1).
    """

    columns: tuple[str, ...]
    distance: np.ndarray
    without: np.ndarray
    whole: np.ndarray
    shares: np.ndarray


def slices_of(seen: Seen, made: Stretches) -> list[Slice]:
    """The slices that can be told in these rows, at most 24."""
    found: dict[str, np.ndarray] = {}
    for rule in seen.settings.monitor.slices:
        rows = _rows_of(rule, made)
        if rows is not None:
            found[rule] = rows
    for name in _levelled(seen, made):
        for level in _levels(seen, name):
            found.setdefault(_written(name, level), np.asarray(made.columns[name] == level))
    return [Slice(rule, rows) for rule, rows in list(found.items())[:MOST_SLICES]]


def unreadable(seen: Seen, made: Stretches) -> list[str]:
    """Rules of the project that these rows cannot answer."""
    return [rule for rule in seen.settings.monitor.slices if _rows_of(rule, made) is None]


def _rows_of(rule: str, made: Stretches) -> np.ndarray | None:
    import pandas as pd

    from fairlead.contract.errors import ConfigInvalid
    from fairlead.lab.evaluate.expressions import columns_in, read_rule, rows_of

    try:
        names = columns_in(read_rule(rule))
        if not set(names) <= set(made.columns):
            return None
        return np.asarray(rows_of(rule, pd.DataFrame({n: made.columns[n] for n in names})))
    except ConfigInvalid:
        return None


def _levelled(seen: Seen, made: Stretches) -> list[str]:
    """Columns whose every level is a slice: the sensitive ones, and the most important category beside them."""
    words = [c.bins.name for c in seen.reference.profile.columns if c.bins.kind == "category"]
    words = [n for n in words if n in made.columns and len(_levels(seen, n)) >= 2]
    sensitive = [n for n in seen.settings.model.sensitive if n in words]
    others = sorted((n for n in words if n not in sensitive), key=lambda n: -abs(seen.importance.get(n, 0.0)))
    return [*sensitive, *others[:1]]


def _levels(seen: Seen, name: str) -> list[str]:
    """The most frequent levels of a category."""
    column = next(c for c in seen.reference.profile.columns if c.bins.name == name)
    order = np.argsort(-np.asarray(column.counts[:-1]), kind="stable")[:MOST_LEVELS]
    return [column.bins.categories[i] for i in order if column.counts[i]]


def _written(name: str, level: str) -> str:
    from fairlead.lab.evaluate.expressions import written_column, written_text

    return f"{written_column(name)} = {written_text(level)}"


def watched_columns(seen: Seen, made: Stretches) -> list[ColumnProfile]:
    """The columns that are looked at within slices: the most important ones."""
    known = [c for c in seen.reference.profile.columns if c.bins.name in made.columns]
    return sorted(known, key=lambda c: -abs(seen.importance.get(c.bins.name, 0.0)))[:MOST_COLUMNS]


def drifts(made: Stretches, slices: list[Slice], known: list[ColumnProfile]) -> Drifts:
    """Every slice and column at once, by counting rows of stretches in bins."""
    total = made.stretches + 1
    shape = (len(slices), len(known))
    distance, without = np.full((*shape, total), np.nan), np.zeros(shape)
    whole = np.zeros(len(known))
    place = np.where(made.stretch >= 0, made.stretch, total)
    sizes = np.maximum(np.bincount(place, minlength=total + 1)[:total], 1)
    shares = np.zeros((len(slices), total))
    for at, one in enumerate(slices):
        shares[at] = np.bincount(place[one.rows], minlength=total + 1)[:total] / sizes
    for j, column in enumerate(known):
        codes, bins = _codes(made.columns[column.bins.name], column)
        every = _counts(place, codes, bins, total)
        whole[j] = _apart(every)[-1]
        for i, one in enumerate(slices):
            inside = _counts(place[one.rows], codes[one.rows], bins, total)
            enough = inside[:-1].sum(axis=1) >= LEAST_ROWS
            distance[i, j] = np.where(enough, _apart(inside), np.nan)
            without[i, j] = _apart(every - inside)[-1]
    return Drifts(tuple(c.bins.name for c in known), distance, without, whole, shares)


def _codes(cells: np.ndarray, column: ColumnProfile) -> tuple[np.ndarray, int]:
    """Which bin each cell falls in, missing cells in one of their own, and how many bins there are."""
    from fairlead.lab.stats.distances import coarsen

    if column.bins.kind in NUMERIC:
        groups = coarsen(np.asarray(column.counts))
        values = np.asarray(cells, dtype=np.float64)
        found = groups[np.searchsorted(column.bins.edges, values, side="right")]
        bins = int(groups.max(initial=0)) + 1
        return np.where(np.isnan(values), bins, found), bins + 1
    place = {name: i for i, name in enumerate(column.bins.categories)}
    other = len(place)
    return np.asarray([other + 1 if c is None else place.get(c, other) for c in cells], dtype=np.int64), other + 2


def _counts(place: np.ndarray, codes: np.ndarray, bins: int, total: int) -> np.ndarray:
    found = np.bincount(place * bins + codes, minlength=(total + 1) * bins).reshape(-1, bins)
    return np.asarray(found[: total + 1], dtype=np.float64)


def _apart(counts: np.ndarray) -> np.ndarray:
    """Distance of each stretch from all other rows that were learned from, and of the window from all of them.

    counts: (stretches + 2, bins): stretches, the window, and rows in no stretch.
    """
    from fairlead.lab.stats.distances import jensen_shannon_rows

    learnt = counts.sum(axis=0) - counts[-2]
    rest = learnt - counts[:-1]
    rest[-1] = learnt
    return jensen_shannon_rows(rest, counts[:-1])


def slice_causes(seen: Seen, column: str) -> list[Cause]:
    """The slices whose rows moved a column: without them most of its drift is gone. Most of it first, at most 3."""
    made = stretches_of(seen)
    if made is None:
        return []
    known = [c for c in seen.reference.profile.columns if c.bins.name == column and column in made.columns]
    slices = slices_of(seen, made) if known else []
    return causes_in(slices, drifts(made, slices, known), 0) if slices else []


def causes_in(slices: list[Slice], found: Drifts, at: int) -> list[Cause]:
    """As `slice_causes`, of what was counted already. at: the column's place."""
    whole, name = float(found.whole[at]), found.columns[at]
    usual = float(np.nanmedian(found.distance[:, at, :-1])) if found.distance[:, at, :-1].size else 0.0
    if whole <= max(usual, 1e-9):
        return []
    causes = []
    for i, one in enumerate(slices):
        share = float(found.shares[i, -1])
        # A slice that is nearly everything explains everything; that is no news. One of the column's own levels
        # explains it by being counted.
        part = 1.0 - float(found.without[i, at]) / whole
        if part >= EXPLAINED and share < 0.8 and not one.rule.startswith((f"{name} =", f"`{name}` =")):
            why = f"without these rows ({share:.0%} of the window) {part:.0%} of the drift of {name} is gone"
            causes.append(Cause("slice", one.rule, round(min(part, 1.0), 3), why))
    return sorted(causes, key=lambda c: -c.weight)[:3]
