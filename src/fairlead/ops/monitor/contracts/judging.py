"""Rows against a data contract: every rule that they break, with how many rows and since when. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from fairlead.contract.expectations import LONGEST_MATCHED, ColumnTerms, DataContract, RelationTerms
from fairlead.ops.monitor.contracts.reading import RELATION
from fairlead.ops.monitor.quality import wilson
from fairlead.ops.project.durations import parse_duration

HOUR, DAY = 3600.0, 86_400.0
MOST_BREACHES = 200
COMPARE = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal, "!=": np.not_equal
}  # fmt: skip


class Breach(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rule that rows break. rule: `column.check`. size in [low, high]: how far, in `unit`; limit: what was agreed.

    broken: of `rows` rows that were looked at. first: event time of the first one, first_row: its place.
    """

    rule: str
    columns: tuple[str, ...]
    message: str
    size: float
    low: float
    high: float
    unit: str
    limit: float
    rows: int
    broken: int = 0
    first: float | None = None
    first_row: int | None = None


@dataclass(frozen=True)
class Agreed:
    """Rows to judge. columns: float64 with NaN, or object arrays of str | None, (n,) each. times: (n,) event times.

    whole: whether the columns are all that there are, as of a table; of a window, columns that were not recorded are
    not asked for. misfits: of columns whose cells could not be read as their kind, which rows, (n,) bool. start, end:
    the span of event time that is over; None where there is none.
    """

    columns: Mapping[str, np.ndarray]
    times: np.ndarray | None = None
    whole: bool = False
    misfits: Mapping[str, np.ndarray] = field(default_factory=dict)
    start: float | None = None
    end: float | None = None


def judge(contract: DataContract, rows: Agreed) -> list[Breach]:
    """Every rule that is broken, in the contract's order, at most 200."""
    found: list[Breach] = []
    if rows.whole:
        found += _names(contract, rows)
    for name, terms in contract.columns.items():
        if name in rows.columns and len(rows.columns[name]):
            found += _column(name, terms, rows)
    for relation in contract.relations:
        found += _relation(relation, rows)
    if rows.times is not None:
        found += _pace(contract, rows)
    return found[:MOST_BREACHES]


def _names(contract: DataContract, rows: Agreed) -> Iterator[Breach]:
    lacking = [n for n, terms in contract.columns.items() if terms.required and n not in rows.columns]
    if lacking:
        told = f"columns that must be there are not: {', '.join(lacking[:10])}"
        yield Breach("columns.required", tuple(lacking[:50]), told, len(lacking), len(lacking), len(lacking), "columns",
                     0.0, _count(rows))  # fmt: skip
    more = [n for n in rows.columns if n not in contract.columns]
    if more and contract.other_columns == "break":
        told = f"columns that the contract does not list: {', '.join(more[:10])}"
        yield Breach("columns.others", tuple(more[:50]), told, len(more), len(more), len(more), "columns", 0.0,
                     _count(rows))  # fmt: skip


def _count(rows: Agreed) -> int:
    return max((len(cells) for cells in rows.columns.values()), default=0)


def _column(name: str, terms: ColumnTerms, rows: Agreed) -> Iterator[Breach]:
    cells = rows.columns[name]
    gone = missing_in(cells)
    misfit = rows.misfits.get(name)
    if misfit is not None:
        gone = gone & ~misfit
    if terms.missing is not None:
        yield from _share(rows, f"{name}.missing", (name,), gone, terms.missing, "cells are missing", "share of cells")
    wrong = np.zeros(len(cells), dtype=bool) if misfit is None else misfit.copy()
    if terms.kind == "integer" and cells.dtype != object:
        wrong |= ~gone & (cells != np.floor(cells))
    if terms.kind is not None:
        yield from _share(rows, f"{name}.kind", (name,), wrong, terms.tolerate, f"cells are no {terms.kind}")
    if terms.range is not None and cells.dtype != object:
        low, high = terms.range
        out = np.zeros(len(cells), dtype=bool)
        with np.errstate(invalid="ignore"):
            if low is not None:
                out |= cells < low
            if high is not None:
                out |= cells > high
        said = f"cells lie outside {_between(terms.range)}"
        yield from _share(rows, f"{name}.range", (name,), out, terms.tolerate, said)
    if terms.categories is not None and terms.closed:
        out = ~gone & ~_one_of(cells, terms.categories)
        said = f"cells hold none of the {len(terms.categories)} categories agreed"
        yield from _share(rows, f"{name}.categories", (name,), out, terms.tolerate, said)
    if terms.pattern and cells.dtype == object:
        out = ~gone & ~_fits(cells, terms.pattern)
        yield from _share(rows, f"{name}.pattern", (name,), out, terms.tolerate, "cells do not fit the pattern")
    if terms.unique:
        said = "cells repeat another one"
        yield from _share(rows, f"{name}.unique", (name,), repeats(cells) & ~gone, 0.0, said)
    if cells.dtype != object:
        yield from _moments(name, terms, cells[~np.isnan(cells)])


def missing_in(cells: np.ndarray) -> np.ndarray:
    """Which cells are missing, (n,) bool."""
    if cells.dtype == object:
        return np.fromiter((cell is None or cell != cell for cell in cells), dtype=bool, count=len(cells))
    return np.asarray(np.isnan(cells))


def repeats(cells: np.ndarray) -> np.ndarray:
    """Which cells hold what an earlier one holds, (n,) bool; missing ones do not count."""
    seen = np.zeros(len(cells), dtype=bool)
    present = np.flatnonzero(~missing_in(cells))
    if len(present):
        _, first = np.unique(cells[present].astype(str) if cells.dtype == object else cells[present], return_index=True)
        seen[present] = True
        seen[present[first]] = False
    return seen


def text_of(value: str | float | bool) -> str:
    """A category as a column of text holds it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _one_of(cells: np.ndarray, values: Sequence[str | float | bool]) -> np.ndarray:
    if cells.dtype == object:
        known = frozenset(text_of(value) for value in values)
        return np.fromiter((cell in known for cell in cells), dtype=bool, count=len(cells))
    return np.isin(cells, numbers_in(values))


def numbers_in(values: Sequence[str | float | bool]) -> list[float]:
    """Those of some categories that are numbers."""
    found = []
    for value in values:
        try:
            found.append(float(value))
        except ValueError:
            continue
    return found


def _fits(cells: np.ndarray, pattern: str) -> np.ndarray:
    fits = re.compile(pattern).fullmatch
    told = {cell: len(cell) <= LONGEST_MATCHED and fits(cell) is not None for cell in {c for c in cells if c}}
    return np.fromiter((bool(told.get(c, c is not None and fits("") is not None)) for c in cells), bool, len(cells))


def _between(bounds: tuple[float | None, float | None]) -> str:
    low, high = bounds
    return f"{'any' if low is None else f'{low:g}'} to {'any' if high is None else f'{high:g}'}"


def _share(
    rows: Agreed,
    rule: str,
    columns: tuple[str, ...],
    broken: np.ndarray,
    most: float,
    said: str,
    unit: str = "share of rows",
) -> Iterator[Breach]:
    count, n = int(np.count_nonzero(broken)), len(broken)
    if not count or count / n <= most:
        return
    low, high = wilson(count, n)
    first, at = _first(rows, broken)
    agreed = f"agreed at most {most:.2%}" if most else "none may"
    told = f"{', '.join(columns)}: {count} of {n} {said} ({max(count / n, 1e-4):.2%}), {agreed}"
    yield Breach(rule, columns, told, count / n, low, high, unit, most, n, count, at, first)


def _first(rows: Agreed, broken: np.ndarray) -> tuple[int, float | None]:
    places = np.flatnonzero(broken)
    if rows.times is None:
        return int(places[0]), None
    at = int(places[np.argmin(rows.times[places])])
    return at, float(rows.times[at])


def _moments(name: str, terms: ColumnTerms, cells: np.ndarray) -> Iterator[Breach]:
    if not len(cells):
        return
    if terms.mean is not None:
        mean = float(cells.mean())
        half = 1.959964 * float(cells.std(ddof=1)) / np.sqrt(len(cells)) if len(cells) > 1 else 0.0
        yield from _bounded(name, "mean", terms.mean, mean, (mean - half, mean + half), len(cells))
    ordered = np.sort(cells) if terms.quantiles else cells
    for level, bounds in terms.quantiles.items():
        q, n = float(level), len(cells)
        value = float(np.quantile(ordered, q))
        half = 1.959964 * np.sqrt(n * q * (1.0 - q))
        low = float(ordered[max(int(np.floor(n * q - half)), 0)])
        high = float(ordered[min(int(np.ceil(n * q + half)), n - 1)])
        yield from _bounded(name, f"quantile {level}", bounds, value, (min(low, value), max(high, value)), n)


def _bounded(
    name: str,
    what: str,
    bounds: tuple[float | None, float | None],
    value: float,
    interval: tuple[float, float],
    n: int,
) -> Iterator[Breach]:
    low, high = bounds
    if (low is None or value >= low) and (high is None or value <= high):
        return
    limit = low if low is not None and value < low else high
    told = f"{name}: the {what} is {value:.4g}, agreed {_between(bounds)}"
    yield Breach(f"{name}.{what}", (name,), told, value, *interval, "the column's own unit", float(limit or 0.0), n)


def _relation(terms: RelationTerms, rows: Agreed) -> Iterator[Breach]:
    parts = RELATION.fullmatch(terms.rule)
    if parts is None:
        return
    left, how, right = parts.groups()
    a, b = rows.columns.get(left), rows.columns.get(right)
    if a is None or b is None or a.dtype == object or b.dtype == object or not len(a):
        return
    both = ~(np.isnan(a) | np.isnan(b))
    out = both & ~COMPARE[how](a, b)
    yield from _share(rows, f"{left}.{how}.{right}", (left, right), out, terms.tolerate, f"rows break {terms.rule}")


def _pace(contract: DataContract, rows: Agreed) -> Iterator[Breach]:
    assert rows.times is not None
    times = np.sort(rows.times[np.isfinite(rows.times)])
    if contract.freshness and len(times):
        most = parse_duration(contract.freshness)
        edges = [*([rows.start] if rows.start is not None else []), *times, *([rows.end] if rows.end else [])]
        gaps = np.diff(np.asarray(edges, dtype=np.float64))
        longest = int(np.argmax(gaps)) if len(gaps) else 0
        if len(gaps) and gaps[longest] > most:
            size = float(gaps[longest]) / HOUR
            told = f"nothing came for {size:.1f} hours, agreed at most {contract.freshness}"
            yield Breach("freshness", (), told, size, size, size, "hours", most / HOUR, len(times),
                         int((gaps > most).sum()), float(edges[longest]))  # fmt: skip
    if contract.volume is not None:
        yield from _volume(contract, times, rows)


def _volume(contract: DataContract, times: np.ndarray, rows: Agreed) -> Iterator[Breach]:
    terms = contract.volume
    if terms is None or (not len(times) and rows.start is None):
        return
    step = HOUR if terms.per == "hour" else DAY
    start = rows.start if rows.start is not None else float(times[0])
    end = rows.end if rows.end is not None else float(times[-1])
    # Whole hours and days alone: what is cut at either end has had no chance to fill.
    first, last = int(np.ceil(start / step)), int(np.floor(end / step))
    if last <= first or last - first > 1_000_000:
        return
    counts = np.bincount(np.clip(np.floor(times / step).astype(np.int64) - first + 1, 0, last - first + 1),
                         minlength=last - first + 2)[1:-1]  # fmt: skip
    few = counts < terms.at_least
    many = counts > terms.at_most if terms.at_most is not None else np.zeros(len(counts), dtype=bool)
    for rule, out, limit, word in (
        ("volume.at_least", few, terms.at_least, "fewer"), ("volume.at_most", many, terms.at_most or 0, "more"),
    ):  # fmt: skip
        broken = int(np.count_nonzero(out))
        if broken:
            worst = float(counts[out].min() if word == "fewer" else counts[out].max())
            told = f"{broken} of {len(counts)} whole {terms.per}s have {word} rows than {limit}, as agreed: {worst:.0f}"
            at = float((first + int(np.argmax(out))) * step)
            yield Breach(rule, (), told, worst, worst, worst, f"rows a {terms.per}", limit, len(times), broken, at)
