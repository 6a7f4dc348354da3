"""Whether a column came to be told in another unit: the same values times a constant, or by another scale.

This asks about columns that left their everyday variation or their range already, so for these it makes no false alarm
of its own: it says what kind of move it was. And about those whose scale jumped beside the windows just before, with a
limit of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from fairlead.contract.events import Finding
from fairlead.contract.profile import ColumnProfile
from fairlead.contract.signature import NUMERIC
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.grouped import grouped_of
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.quality import LEAST_ROWS
from fairlead.ops.monitor.seen import Moment, Seen
from fairlead.ops.monitor.sequences import places_of
from fairlead.ops.monitor.statistic import bin_groups
from fairlead.ops.monitor.statistics import distances_on

FACTORS = (
    1000.0, 100.0, 10.0, 1e6, 60.0, 3600.0, 24.0, 7.0, 12.0, 2.54, 25.4, 0.3048, 1.609344, 0.45359237, 28.349523,
    3.6, 1.852, 4.184, 3.785411784, 6.894757, 57.29577951,
)  # fmt: skip
"""Between units that people mix up; each the other way, too."""

SHIFTED = ((1.8, 32.0), (1.0 / 1.8, -32.0 / 1.8), (1.0, 273.15), (1.0, -273.15))
"""Degrees: Celsius, Fahrenheit, Kelvin."""

LEAST_FACTOR = 1.25
FARTHEST = 0.25
"""Largest distance from the reference that may be left once the change is taken back, where its windows are nearer."""

NEAREST = 0.3
"""Least distance from the reference before it is: below, values look like what they were."""

GAINED = 0.2
"""Least distance that taking it back has to bring."""

LEVELS = np.linspace(0.1, 0.9, 9)
MOST_COLUMNS = 500
REFINED = 3
NEWEST = 4
STEPS = 16
"""Windows of the reference from which it is known how far the scale of a column goes from one to the next."""

JUMP = 2.0
"""Times that the scale changes at least, where nothing else is beyond a limit: the effect floor."""


class Change(NamedTuple):
    """value -> factor * value + offset, since row `start` in order of time. fitted, low, high: the factor as the rows
    have it, with a 95 % interval. left: distance from the reference once it is taken back; was: before."""

    factor: float
    offset: float
    start: int
    fitted: float
    low: float
    high: float
    left: float
    was: float


class Usual(NamedTuple):
    """deciles: (9,) of what is usual now. spread: of the logarithm of windows' scale about it."""

    deciles: np.ndarray
    spread: float


class Units:
    """A factor (and an offset) that takes a moved column back to what it was."""

    name = "units"
    family: Family = "inputs"
    moment: Moment = "inputs"
    early = True

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """One finding a column whose values are as before once the factor is taken back."""
        rows = seen.rows
        if rows is None or len(rows.times) < LEAST_ROWS:
            return []
        places = places_of(rows)
        columns = seen.reference.profile.columns
        known = {c.bins.name: i for i, c in enumerate(columns) if c.bins.kind in NUMERIC and c.bins.kind != "boolean"}
        newest: dict[str, list[list[float]]] = dict((seen.memory or {}).get("deciles", {}))
        found = []
        for live in seen.profile.columns:
            name = live.bins.name
            if name not in known or name not in rows.columns or rows.columns[name].dtype == object:
                continue
            cells = rows.columns[name][places]
            kept = np.flatnonzero(~np.isnan(cells))
            before, lately = columns[known[name]], newest.get(name, [])
            means = window_means(seen, known[name])
            deciles = deciles_of(cells[kept]) if len(kept) >= LEAST_ROWS else None
            severity = moved(seen, live, before)
            if severity is None and deciles is not None and jumped(deciles, lately, means, allowed / len(known)):
                severity = "warning"
            if severity is None:
                if deciles is not None and (name in newest or len(newest) < MOST_COLUMNS):
                    newest[name] = [*lately, deciles.tolist()][-NEWEST:]
                continue
            usual = usual_of(before, lately, means)
            judged = seen.judged.get("drift", {}).get(name)
            farthest = max(FARTHEST, judged.limit if judged is not None else 0.0)
            change = change_of(before, cells[kept], usual, farthest) if usual is not None else None
            if change is not None:
                since = float(rows.times[places[kept[change.start]]])
                found.append(_finding(seen, name, change, since, severity))
        seen.keep({"deciles": newest})
        return found


def moved(seen: Seen, live: ColumnProfile, before: ColumnProfile | None) -> Literal["info", "warning"] | None:
    """Whether a column is beyond a limit already, and what it may be told as; None where it is not."""
    if before is None:
        return None
    limits = seen.thresholds.shares.get(live.bins.name)
    if limits is not None and None not in (before.low, before.high, live.low, live.high):
        over = max(before.low - live.low, live.high - before.high) / before.bins.scale  # type: ignore[operator]
        if over > limits.beyond:
            return "warning"
    judged = seen.judged.get("drift", {}).get(live.bins.name)
    return judged.severity if judged is not None and judged.speaks else None


def change_of(before: ColumnProfile, cells: np.ndarray, usual: Usual, farthest: float = FARTHEST) -> Change | None:
    """What takes cells back, in order of time, (n,) without missing ones; None where nothing does.

    farthest: distance from the reference at which windows of it are still usual.
    """
    if len(cells) < LEAST_ROWS:
        return None
    best: Change | None = None
    for start in sorted({0, change_point(before, cells)}):
        best = _better(before, cells, start, usual, farthest, best)
    for _ in range(REFINED):
        if best is None:
            return None
        start = begun(before, cells, best)
        if start == best.start or len(cells) - start < LEAST_ROWS:
            break
        again = _better(before, cells, start, usual, farthest, None)
        if again is None:
            break
        best = again
    return best


def _better(
    before: ColumnProfile, cells: np.ndarray, start: int, usual: Usual, farthest: float, best: Change | None
) -> Change | None:
    """`best`, or what takes the cells from `start` on back clearly better."""
    part, rest = cells[start:], cells[:start]
    was = distance(before, part) if len(part) >= LEAST_ROWS else 0.0
    # What came before the change has to look as usual, or nothing was changed there.
    if was < NEAREST or (len(rest) >= LEAST_ROWS and distance(before, rest) > max(farthest, 0.9 * was)):
        return best
    for change in _tried(before, part, start, usual, was):
        back = change.left <= farthest and change.left <= was - GAINED
        # A known factor is tried before the fitted one, and the whole window before a part of it.
        if back and (best is None or change.left < best.left - 0.03):
            best = change
    return best


def begun(before: ColumnProfile, cells: np.ndarray, change: Change) -> int:
    """Row from which on the cells are likelier under the change than without: the largest sum of the logarithms of
    the ratio from there to the end. Source: Page (Biometrika, 1954)."""
    back = (cells - change.offset) / change.factor
    ratio = density(before, back) - np.log(abs(change.factor)) - density(before, cells)
    # One strange row must not outweigh all others.
    ratio = np.clip(ratio, -5.0, 5.0)
    after = np.cumsum(ratio[::-1])[::-1]
    return int(np.argmax(after))


def density(before: ColumnProfile, cells: np.ndarray) -> np.ndarray:
    """Logarithm of the density of the reference at cells, (n,), by its bins; outside its range a small one."""
    assert before.low is not None
    assert before.high is not None
    counts = np.asarray(before.counts, dtype=np.float64) + 0.5
    edges = np.concatenate([[before.low], before.bins.edges, [before.high]])
    widths = np.maximum(np.diff(np.maximum.accumulate(edges)), 1e-3 * (before.high - before.low))
    at = np.searchsorted(before.bins.edges, cells, side="right")
    found: np.ndarray = np.log(counts[at] / counts.sum() / widths[at])
    beyond = (cells < before.low) | (cells > before.high)
    return np.where(beyond, np.log(1e-6 / (before.high - before.low)), found)


def _tried(before: ColumnProfile, part: np.ndarray, start: int, usual: Usual, was: float) -> Iterator[Change]:
    """Changes that the rows could have gone through: known factors within the interval of the fitted one, powers of
    ten first; degrees; a turned sign; the fitted one."""
    fitted, low, high = factor_interval(usual, part, 0.0)
    known = sorted({one for factor in FACTORS for one in (factor, 1.0 / factor)}, key=lambda f: _apart(f, fitted))
    within = [f for f in known if low <= f <= high]
    tens = [f for f in within if abs(np.log10(f) - round(np.log10(f))) < 1e-9]
    asked = [(factor, 0.0, fitted, low, high) for factor in (tens or (within if len(within) == 1 else []))[:1]]
    for factor, offset in SHIFTED:
        interval = factor_interval(usual, part, offset)
        if interval[1] <= factor <= interval[2]:
            asked.append((factor, offset, *interval))
    if np.median(part) * usual.deciles[4] < 0:
        asked.append((-1.0, 0.0, -1.0, -1.0, -1.0))
    elif not asked and (high < 1.0 / LEAST_FACTOR or low > LEAST_FACTOR):
        # Several known ones or none: what the rows say is all that can be said.
        asked.append((fitted, 0.0, fitted, low, high))
    for factor, offset, value, least, most in asked:
        left = distance(before, (part - offset) / factor)
        yield Change(factor, offset, start, value, least, most, left, was)


def _apart(factor: float, fitted: float) -> float:
    return abs(float(np.log(factor / fitted))) if fitted > 0 else np.inf


def quantiles_of(before: ColumnProfile) -> np.ndarray | None:
    """Deciles of the reference, by its bins; None where it has no spread."""
    counts = np.asarray(before.counts, dtype=np.float64)
    if not counts.sum() or before.low is None or before.high is None or before.low == before.high:
        return None
    edges = np.concatenate([[before.low], np.clip(before.bins.edges, before.low, before.high), [before.high]])
    shares = np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])
    found: np.ndarray = np.interp(LEVELS, shares, edges)
    return found


def distance(before: ColumnProfile, cells: np.ndarray) -> float:
    """Jensen-Shannon distance of cells from the reference."""
    counts = np.bincount(np.searchsorted(before.bins.edges, cells, side="right"), minlength=len(before.counts))
    reference = np.asarray(before.counts, dtype=np.float64)
    return float(distances_on(reference, counts[None, :].astype(np.float64), bin_groups(before))[0])


def change_point(before: ColumnProfile, cells: np.ndarray) -> int:
    """Row at which the values' places among the reference's changed most: the largest cumulative sum of them less
    their mean. Source: Page (Biometrika, 1955)."""
    counts = np.asarray(before.counts, dtype=np.float64)
    middle = (np.cumsum(counts) - 0.5 * counts) / counts.sum()
    ranks = middle[np.searchsorted(before.bins.edges, cells, side="right")]
    walk = np.abs(np.cumsum(ranks - ranks.mean()))
    return int(np.argmax(walk)) + 1 if len(walk) else 0


def factor_interval(usual: Usual, cells: np.ndarray, offset: float) -> tuple[float, float, float]:
    """Factor by least squares over deciles, with a 95 % interval: how it varies over parts of the rows in order of
    time, which depend on each other as neighbours do, and how windows vary of themselves."""
    from fairlead.lab.stats.quantiles import student

    def fitted(part: np.ndarray) -> float:
        return float((deciles_of(part) - offset) @ usual.deciles / (usual.deciles @ usual.deciles))

    value = fitted(cells)
    parts = int(min(10, len(cells) // 10))
    each = np.array([fitted(part) for part in np.array_split(cells, max(parts, 2))])
    if value <= 0 or (each <= 0).any():
        return value, value, value
    error = float(np.log(each).std(ddof=1)) / np.sqrt(len(each))
    half = float(np.hypot(student(0.975, len(each) - 1) * error, 1.96 * usual.spread))
    return value, float(value * np.exp(-half)), float(value * np.exp(half))


def usual_of(before: ColumnProfile, newest: list[list[float]], means: np.ndarray) -> Usual | None:
    """Deciles of the newest quiet windows, else of the reference, and how far the scale of a window goes from them.

    newest: deciles of up to 4 windows. means: of windows of the reference, in order: how far each of them went from
    the mean of the 4 before it (from that of all) is how far one goes that is not changed.
    """
    sealed = quantiles_of(before)
    if sealed is None or not (sealed @ sealed) > 0:
        return None
    lately = len(newest) >= NEWEST
    steps = steps_of(means)
    spread = 0.3
    if len(steps) >= NEWEST and lately:
        spread = float(np.sqrt(np.mean(steps**2)))
    elif len(steps) >= NEWEST:
        spread = float(np.log(means / means.mean()).std(ddof=1))
    return Usual(np.asarray(newest).mean(axis=0) if lately else sealed, max(spread, 0.01))


def steps_of(means: np.ndarray) -> np.ndarray:
    """How far each window of the reference went from the 4 before it, as a logarithm of its scale; none, where some
    are of another sign than others, so that a scale means nothing."""
    if len(means) <= NEWEST or not ((means > 0).all() or (means < 0).all()):
        return np.zeros(0)
    before_it = np.convolve(means, np.full(NEWEST, 1.0 / NEWEST), mode="valid")[:-1]
    found: np.ndarray = np.log(means[NEWEST:] / before_it)
    return found


def deciles_of(cells: np.ndarray) -> np.ndarray:
    """The nine deciles of cells without missing ones, (9,), as `np.quantile` has them: every column of every window
    is asked for its own, and one sort of few rows costs a fifth of that."""
    inner = np.sort(cells)
    at = LEVELS * (len(inner) - 1)
    low = at.astype(np.int64)
    found: np.ndarray = inner[low] + (inner[np.minimum(low + 1, len(inner) - 1)] - inner[low]) * (at - low)
    return found


def jumped(deciles: np.ndarray, newest: list[list[float]], means: np.ndarray, expected: float) -> bool:
    """Whether the scale went further from the newest windows than windows of the reference ever go: by the tail of
    how far those went, `expected` windows pass the limit. A seasonal column has a wide everyday variation, in which
    a thousandth of it may hide; beside its neighbours in time it cannot.
    """
    from fairlead.lab.stats.extremes import once_in

    if len(newest) < NEWEST:
        return False
    middle = np.asarray(newest).mean(axis=0)
    scale = float(deciles @ middle / max(middle @ middle, 1e-300))
    if scale <= 0 or abs(np.log(scale)) <= np.log(JUMP):
        return False
    steps = np.abs(steps_of(means))
    return len(steps) >= STEPS and abs(float(np.log(scale))) > once_in(steps, expected)


def window_means(seen: Seen, at: int) -> np.ndarray:
    """Means of a column over windows of the reference (blocks, where there are few), (n,)."""
    windows = grouped_of(seen.reference, seen.settings)
    if len(windows) < NEWEST:
        windows = grouped_of(seen.reference, seen.settings, single=True)
    known, bins = windows.column(at), seen.reference.profile.columns[at].bins
    there = known.present > 0
    found: np.ndarray = bins.shift + bins.scale * known.z[there] / known.present[there]
    return found


def _finding(seen: Seen, name: str, change: Change, since: float, severity: Literal["info", "warning"]) -> Finding:
    window = seen.window
    how = f"{change.factor:.4g} times" + (f" plus {change.offset:.4g}" if change.offset else "")
    told = f"{name}: values are {how} what they were (fitted {change.fitted:.3g}, 95 % {change.low:.3g} to "
    told += f"{change.high:.3g}), as if they came in another unit"
    evidence = {"factor": change.factor, "offset": change.offset, "distance": change.was, "left": change.left}
    return Finding(
        id=finding_id(window.model, "unit", (name,), window.start), model=window.model, area="quality", check="unit",
        window=window.index, since=window.start, size=change.fitted, low=change.low, high=change.high,
        unit="times what it was", message=told, columns=(name,), severity=severity, evidence=evidence, first=since,
    )  # fmt: skip
