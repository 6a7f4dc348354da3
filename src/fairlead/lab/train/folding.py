"""How rows are split to judge a way of learning: stratified folds, or rolling origins where there is time."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from fairlead.contract.errors import InputInvalid
from fairlead.lab.stats.measures import Floats, Ints
from fairlead.lab.train.material import Material, strata

DAY_S = 86_400.0
FEWEST_ROWS = 20


@dataclass(frozen=True)
class Fold:
    """Learn from `fit`, judge on `judge`: row positions, both ascending, without a row in common."""

    fit: Ints
    judge: Ints


def folds_of(material: Material, count: int, seed: int) -> tuple[Fold, ...]:
    """`count` folds. Raises InputInvalid when there are too few rows.

    Where there is time, rows are cut into count + 1 equal runs; each run but the first is judged by what was
    learned from all runs before it, so nothing is ever judged by its own future. Else every class (or tenth of
    the target's range) is dealt evenly.
    """
    n = material.rows
    if n < max(FEWEST_ROWS, 2 * (count + 1)):
        raise InputInvalid(f"{n} rows to learn from are too few: {count} folds need {max(FEWEST_ROWS, 2 * count + 2)}")
    if material.times is not None:
        cuts = _cuts(material.times, count + 1)
        if len(cuts) < 3:
            raise InputInvalid("all rows carry the same time: no fold can come after another")
        return tuple(
            Fold(np.arange(start), np.arange(start, stop)) for start, stop in zip(cuts[1:-1], cuts[2:], strict=True)
        )
    random = np.random.default_rng([seed, 2])
    dealt = np.empty(n, dtype=np.int64)
    group = strata(material)
    first = 0
    for g in np.unique(group):
        members = random.permutation(np.flatnonzero(group == g))
        dealt[members] = (np.arange(len(members)) + first) % count
        first += len(members)
    return tuple(Fold(np.flatnonzero(dealt != f), np.flatnonzero(dealt == f)) for f in range(count))


def _cuts(times: Floats, parts: int) -> list[int]:
    """Boundaries of runs of about equal size that never part rows of one instant; first 0, last n."""
    wanted = np.linspace(0, len(times), parts + 1).round().astype(int)
    inner = [int(np.searchsorted(times, times[c], side="left")) for c in wanted[1:-1]]
    return sorted({0, *inner, len(times)})


@dataclass(frozen=True)
class Span:
    """One window of rows [first, last) that covers [start, end) of event time; both 0 without time."""

    first: int
    last: int
    start: float
    end: float


def window_rows_or_seconds(window: str, timed: bool) -> tuple[int, float]:
    """(rows, 0) or (0, seconds) of the project's window: as `monitor.window` says, else 7 days or 500 rows.

    A window given as a time makes blocks of 500 rows of a table that has no time.
    """
    text = window.strip() or ("7d" if timed else "500rows")
    counted = re.fullmatch(r"(\d+)\s*rows?", text)
    if counted:
        return max(int(counted[1]), 1), 0.0
    units = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY_S, "w": 7 * DAY_S}
    return (0, float(text[:-1]) * units[text[-1]]) if timed else (500, 0.0)


def spans_of(material: Material, window: str) -> list[Span]:
    """Consecutive whole windows, oldest first, ending with the newest row; an incomplete first one is left out."""
    rows, seconds = window_rows_or_seconds(window, material.times is not None)
    n, times = material.rows, material.times
    if rows:
        count = n // rows
        firsts = [n - (count - i) * rows for i in range(count)] or [0]
        lasts = [*firsts[1:], n]
        return [Span(a, b, *_covered(times, a, b)) for a, b in zip(firsts, lasts, strict=True)]
    assert times is not None
    end = float(np.nextafter(times[-1], np.inf))
    count = max(int((end - times[0]) // seconds), 1)
    edges = end - seconds * np.arange(count, -1, -1)
    places = np.searchsorted(times, edges, side="left")
    return [
        Span(int(a), int(b), float(s), float(e))
        for a, b, s, e in zip(places[:-1], places[1:], edges[:-1], edges[1:], strict=True)
        if b > a
    ]


def _covered(times: Floats | None, first: int, last: int) -> tuple[float, float]:
    if times is None:
        return 0.0, 0.0
    return float(times[first]), float(np.nextafter(times[last - 1], np.inf))
