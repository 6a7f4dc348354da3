"""Slices of the rows that are watched by themselves, and how far each has moved, by stretches as long as the window.

Slices: those of `[monitor] slices`, every level of the sensitive columns that are features, and every level of one
category column more, the most important one. A slice whose absence would take most of a column's drift away is what
moved that column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
LEAST_ROWS = 15
"""Of a slice in a stretch: what so few rows vary by is known of the other stretches."""
FARTHEST = 4.0
"""Standard deviations that one cell counts as at most, so that a single one moves no mean of a slice."""

EXPLAINED = 0.5
"""Part of a column's drift that a slice must carry to be told as its cause."""


class Slice(NamedTuple):
    """rule: in the language of `[evaluate] slices`. rows: places of its rows in a `Stretches`, ascending."""

    rule: str
    rows: np.ndarray


class Drifts(NamedTuple):
    """Of each slice and column: distance of every stretch, and last of the window, from all others, (slices, columns,
    stretches + 1), NaN of under 15 rows; without: of the window with the slice's rows left out, (slices, columns);
    whole: of all rows, (columns, stretches + 1); shares: of the slice among the rows of each, (slices, stretches + 1).
    shift: by how many of its standard deviations a number's mean lies from that of all others, beyond what all rows
    moved by, which is `whole_shift`; as `distance` and `whole` are shaped, NaN of words.
    """

    columns: tuple[str, ...]
    distance: np.ndarray
    without: np.ndarray
    whole: np.ndarray
    shares: np.ndarray
    shift: np.ndarray
    whole_shift: np.ndarray


def slices_of(seen: Seen, made: Stretches) -> list[Slice]:
    """The slices that can be told in these rows, at most 24."""
    live = {name: cells[made.rows :] for name, cells in made.columns.items()}
    found: dict[str, np.ndarray] = {}

    def both(rule: str, rows: Callable[[Mapping[str, np.ndarray]], np.ndarray | None]) -> None:
        before = made.once(("slice", rule), lambda: _places(rows(_learnt(made))))
        own = None if before is None else _places(rows(live))
        if own is not None:
            found.setdefault(rule, np.concatenate([before, own + made.rows]))

    for rule in seen.settings.monitor.slices:
        both(rule, lambda columns, rule=rule: _rows_of(rule, columns))  # type: ignore[misc]
    for name in _levelled(seen, made):
        for level in _levels(seen, name):
            both(_written(name, level), lambda columns, of=(name, level): np.asarray(columns[of[0]] == of[1]))  # type: ignore[misc]
    return [Slice(rule, rows) for rule, rows in list(found.items())[:MOST_SLICES]]


def _learnt(made: Stretches) -> dict[str, np.ndarray]:
    return {name: cells[: made.rows] for name, cells in made.columns.items()}


def _places(rows: np.ndarray | None) -> np.ndarray | None:
    return None if rows is None else np.flatnonzero(rows)


def _rows_of(rule: str, columns: Mapping[str, np.ndarray]) -> np.ndarray | None:
    import pandas as pd

    from fairlead.contract.errors import ConfigInvalid
    from fairlead.lab.evaluate.expressions import columns_in, read_rule, rows_of

    try:
        names = columns_in(read_rule(rule))
        if not set(names) <= set(columns):
            return None
        return np.asarray(rows_of(rule, pd.DataFrame({n: columns[n] for n in names})))
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
    distance, without = np.full((len(slices), len(known), total), np.nan), np.zeros((len(slices), len(known)))
    whole, shares = np.zeros((len(known), total)), np.zeros((len(slices), total))
    shift, whole_shift = np.full_like(distance, np.nan), np.full((len(known), total), np.nan)
    place = np.where(made.stretch >= 0, made.stretch, total)
    sizes = np.maximum(np.bincount(place, minlength=total + 1)[:total], 1)
    for i, one in enumerate(slices):
        shares[i] = np.bincount(place[one.rows], minlength=total + 1)[:total] / sizes
    for j, column in enumerate(known):
        (every, every_sum), *inside = _counted(made, slices, column, place)
        whole[j] = _apart(every)
        whole_shift[j] = _shift(every, every_sum, column)
        for i, (own, own_sum) in enumerate(inside):
            enough = own[:-1].sum(axis=1) >= LEAST_ROWS
            distance[i, j] = np.where(enough, _apart(own), np.nan)
            shift[i, j] = np.where(enough, _shift(own, own_sum, column) - whole_shift[j], np.nan)
            without[i, j] = _apart((every - own)[-2:], learnt=(every - own).sum(axis=0) - (every - own)[-2])[0]
    return Drifts(tuple(c.bins.name for c in known), distance, without, whole, shares, shift, whole_shift)


Tally = tuple[np.ndarray, np.ndarray]
"""Counts in a column's bins, (stretches + 2, bins), see `_apart`, and sums of its numbers, (stretches + 2,)."""


def _counted(made: Stretches, slices: list[Slice], column: ColumnProfile, place: np.ndarray) -> list[Tally]:
    """Of all rows, and of each slice."""
    cells, total = made.columns[column.bins.name], made.stretches + 1

    def of(first: int, last: int) -> list[Tally]:
        codes, bins = _codes(cells[first:last], column)
        numbers, here = _numbers(cells[first:last], column), place[first:last]

        def tally(rows: np.ndarray | slice) -> Tally:
            sums = np.bincount(here[rows], numbers[rows], total + 1)
            return _counts(here[rows], codes[rows], bins, total), sums

        found = [tally(slice(None))]
        for one in slices:
            lower, upper = np.searchsorted(one.rows, [first, last])
            found.append(tally(one.rows[lower:upper] - first))
        return found

    rules = tuple(one.rule for one in slices)
    learnt = made.once(("counts", column, rules), lambda: of(0, made.rows))
    live = of(made.rows, len(place))
    return [(a + b, s + t) for (a, s), (b, t) in zip(learnt, live, strict=True)]


def _numbers(cells: np.ndarray, column: ColumnProfile) -> np.ndarray:
    """A number in its standard deviations, 0 where it is missing and of words; far ones are held back."""
    if column.bins.kind not in NUMERIC:
        return np.zeros(len(cells))
    z = (np.asarray(cells, dtype=np.float64) - column.bins.shift) / column.bins.scale
    return np.where(np.isnan(z), 0.0, np.clip(z, -FARTHEST, FARTHEST))


def _shift(counts: np.ndarray, sums: np.ndarray, column: ColumnProfile) -> np.ndarray:
    """By how much the mean of each stretch, and of the window, lies from that of all others, (stretches + 1,)."""
    if column.bins.kind not in NUMERIC:
        return np.full(len(counts) - 1, np.nan)
    present = counts[:, :-1].sum(axis=1)
    rows, all_sums = present.sum() - present[-2], sums.sum() - sums[-2]
    rest, rest_sums = rows - present[:-1], all_sums - sums[:-1]
    rest[-1], rest_sums[-1] = rows, all_sums
    with np.errstate(invalid="ignore", divide="ignore"):
        found: np.ndarray = sums[:-1] / present[:-1] - rest_sums / rest
    return found


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


def _apart(counts: np.ndarray, learnt: np.ndarray | None = None) -> np.ndarray:
    """Distance of each stretch from all other rows that were learned from, and of the window from all of them.

    counts: (stretches + 2, bins): stretches, the window, and rows in no stretch. learnt: of all rows learned from,
    where it is not the sum of these.
    """
    from fairlead.lab.stats.distances import jensen_shannon_rows

    learnt = counts.sum(axis=0) - counts[-2] if learnt is None else learnt
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
    whole, name = float(found.whole[at, -1]), found.columns[at]
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
