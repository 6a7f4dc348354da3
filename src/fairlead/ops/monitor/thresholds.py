"""How far windows of the reference itself lie from the rest of it, and where alarms begin.

Rows of real tables depend on their neighbours: tests that take them as
independent alarm in every window. So the yardstick is windows made of
consecutive blocks of the reference, each compared with all others; alarms begin
where the largest of all columns together would go once in the run length that
the budget allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import msgspec
import numpy as np

from fairlead.contract.profile import ColumnProfile, Profile, Reference
from fairlead.contract.settings import Settings
from fairlead.ops.monitor.windows import run_length, window_spec

NEEDED = 8
"""Windows that the blocks must fill before drift may be judged."""

EFFECT_FLOOR = 0.1
"""Least Jensen-Shannon distance that matters, about a stability index of 0.06, however certain it is."""

NOISE_DRAWS = 200

SHARE_FLOOR = 0.02
"""Least rise of a share (missing cells, new categories) that matters."""

BEYOND_FLOOR = 1.5
"""Deviations outside the known range that are no news: the extremes of a sample grow with it."""

# Inputs alarm at most once in 60 windows, a quarter of it for quality; a tighter budget of the project is split in
# two, one half for performance, which has its own detector.
INPUT_BUDGET = 1.0 / 60.0
QUALITY_PART = 0.25


class Limit(msgspec.Struct, frozen=True):
    """One column. centre, scale: distances of reference windows; limit: where an alarm begins, for `rows` rows."""

    centre: float
    scale: float
    limit: float
    rows: float


class Shares(msgspec.Struct, frozen=True):
    """Largest share expected of missing cells and other categories; beyond: deviations outside the known range."""

    missing: float
    other: float
    beyond: float


class Thresholds(msgspec.Struct, frozen=True):
    """columns, scores: drift limits by name, empty while calibrating. shares: quality limits by column name.

    windows: reference windows that were compared. calibrating: too few of them; `why` says so. alarm_rate: alarms
    a window that were allowed for, drift and quality together.
    """

    columns: dict[str, Limit]
    scores: dict[str, Limit]
    shares: dict[str, Shares]
    windows: int
    calibrating: bool
    why: str
    alarm_rate: float


def calibrate(reference: Reference, settings: Settings) -> Thresholds:
    """Where alarms of drift and quality begin, within the project's budget. Pure.

    With fewer than 8 windows' worth of blocks, drift is "calibrating" and has no limits; quality has them always.
    """
    groups = windows_of(reference, settings)
    rate = min(INPUT_BUDGET, 0.5 / max(run_length(settings, _pace(reference)), 1e-9))
    shares = _share_limits(reference.profile, groups, rate * QUALITY_PART)
    if len(groups) < NEEDED:
        why = f"calibrating: the reference fills {len(groups)} windows, {NEEDED} are needed to know everyday variation"
        return Thresholds({}, {}, shares, len(groups), True, why, rate)
    columns, scores = _drift_limits(reference.profile, groups, rate * (1.0 - QUALITY_PART))
    why = f"calibrated on {len(groups)} windows of the reference"
    return Thresholds(columns, scores, shares, len(groups), False, why, rate)


def windows_of(reference: Reference, settings: Settings) -> list[tuple[Profile, ...]]:
    """The reference's blocks in runs as long as a window, oldest first; what does not fill one is left out."""
    spec = window_spec(settings)
    groups: list[tuple[Profile, ...]] = []
    held: list[Profile] = []
    for block in reference.blocks:
        held.append(block)
        if spec.timed:
            # Within a block's length of a window is a window: blocks of a day rarely end on the second.
            full = held[-1].end - held[0].start >= spec.seconds - 0.5 * (block.end - block.start) - 1e-6
        else:
            full = sum(b.rows for b in held) >= spec.rows
        if full:
            groups.append(tuple(held))
            held = []
    return groups


def distances_on(reference: np.ndarray, live: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Jensen-Shannon distances of count vectors after merging neighbouring bins by `groups` (None: as they are), (n,).

    reference: (bins,) or (n, bins); live: (n, bins).
    """
    from fairlead.lab.stats.distances import jensen_shannon_rows

    if groups is not None:
        merging = np.equal.outer(groups, np.arange(int(groups.max()) + 1)).astype(np.float64)
        reference, live = reference @ merging, live @ merging
    return jensen_shannon_rows(reference, live)


def bin_groups(column: ColumnProfile) -> np.ndarray | None:
    """How a column's bins are merged for comparison: numeric ones into ten, categories not at all."""
    from fairlead.lab.stats.distances import coarsen

    if column.bins.categories or column.bins.kind in ("category", "text"):
        return None
    return coarsen(np.asarray(column.counts))


def _pace(reference: Reference) -> float:
    profile = reference.profile
    return (profile.end - profile.start) / profile.rows if profile.rows and profile.end > profile.start else 0.0


def _counts(group: Sequence[Profile], index: int, kind: str) -> np.ndarray:
    counts: np.ndarray = np.asarray([getattr(b, kind)[index].counts for b in group], dtype=np.float64).sum(axis=0)
    return counts


def _drift_limits(
    profile: Profile, groups: list[tuple[Profile, ...]], rate: float
) -> tuple[dict[str, Limit], dict[str, Limit]]:
    rows = float(np.median([sum(b.rows for b in g) for g in groups]))
    found: list[tuple[str, str, np.ndarray]] = []
    for kind in ("columns", "scores"):
        if any(len(getattr(b, kind)) != len(getattr(profile, kind)) for g in groups for b in g):
            continue
        for index, column in enumerate(getattr(profile, kind)):
            merged = bin_groups(column)
            windows = [_counts(g, index, kind) for g in groups]
            whole = np.maximum(np.asarray(column.counts, dtype=np.float64), np.sum(windows, axis=0))
            live = np.asarray(windows)
            found.append((kind, column.bins.name, distances_on(whole - live, live, merged)))
    columns: dict[str, Limit] = {}
    scores: dict[str, Limit] = {}
    if not found:
        return columns, scores
    spans = {(k, n): _centre_and_scale(d) for k, n, d in found}
    largest = np.max([(d - spans[k, n][0]) / spans[k, n][1] for k, n, d in found], axis=0)
    height = _once_in(largest, rate)
    shares = {(k, c.bins.name): c for k in ("columns", "scores") for c in getattr(profile, k)}
    for kind, name, _ in found:
        centre, scale = spans[kind, name]
        noise = _noise_limit(shares[kind, name], int(rows), rate / len(found))
        limit = Limit(centre, scale, max(centre + height * scale, noise, EFFECT_FLOOR), rows)
        (columns if kind == "columns" else scores)[name] = limit
    return columns, scores


def _noise_limit(column: ColumnProfile, rows: int, rate: float) -> float:
    """Distance that windows of independent rows exceed with probability `rate`: the least any window varies.

    Few reference windows know little of how far a rare category can go by chance. Squared distances of drawn windows
    are matched by a gamma distribution, as they are about a scaled chi-squared one.
    """
    from fairlead.lab.stats.quantiles import gamma

    counts = np.asarray(column.counts, dtype=np.float64)
    if counts.sum() <= 0 or rows <= 0:
        return 0.0
    merged = bin_groups(column)
    drawn = np.random.default_rng(0).multinomial(rows, counts / counts.sum(), size=NOISE_DRAWS).astype(np.float64)
    squares = distances_on(counts, drawn, merged) ** 2
    mean, variance = float(squares.mean()), float(squares.var(ddof=1))
    if variance <= 0:
        return float(np.sqrt(mean))
    return float(np.sqrt(gamma(1.0 - rate, mean * mean / variance, variance / mean)))


def _centre_and_scale(distances: np.ndarray) -> tuple[float, float]:
    centre = float(np.median(distances))
    return centre, max(float(distances.std(ddof=1)), 0.15 * centre, 1e-3)


def _once_in(largest: np.ndarray, rate: float) -> float:
    """Height that the largest of all columns exceeds with probability `rate`: Gumbel by moments, at least the largest
    seen, since few windows cannot show what is rare. Source: Gumbel, Statistics of Extremes (1958)."""
    beta = float(largest.std(ddof=1)) * np.sqrt(6.0) / np.pi
    mode = float(largest.mean()) - np.euler_gamma * beta
    # The moments of few windows are themselves uncertain: one standard error of the quantile is added.
    quantile = mode - beta * np.log(-np.log1p(-rate))
    doubt = beta * np.sqrt((1.11 + 0.52 * (-np.log(rate)) + 0.61 * np.log(rate) ** 2) / largest.size)
    return max(float(quantile + doubt), float(largest.max()))


def _share_limits(profile: Profile, groups: list[tuple[Profile, ...]], rate: float) -> dict[str, Shares]:
    checks = max(2 * len(profile.columns), 1)
    z = NormalDist().inv_cdf(1.0 - min(rate / checks, 0.25))
    limits: dict[str, Shares] = {}
    for index, column in enumerate(profile.columns):
        parts = [[b.columns[index] for b in g] for g in groups]
        missing = [(sum(c.missing for c in p), sum(c.rows for c in p)) for p in parts]
        seen = column.rows - column.missing
        others = column.counts[-1] if column.bins.categories else 0
        other = [(sum(c.counts[-1] for c in p), sum(c.rows - c.missing for c in p)) for p in parts]
        beyond = _beyond_limit(column, parts)
        limits[column.bins.name] = Shares(
            _share_limit(column.missing, column.rows, missing, z),
            _share_limit(others, seen, other, z) if column.bins.categories else 1.0,
            beyond,
        )
    return limits


def _share_limit(count: int, rows: int, windows: list[tuple[int, int]], z: float) -> float:
    share = (count + 1.0) / (rows + 2.0)
    sizes = [n for _, n in windows if n > 0]
    noise = z * np.sqrt(share * (1.0 - share) / (np.median(sizes) if sizes else 100.0))
    largest = max((c / n for c, n in windows if n > 0), default=share)
    return float(min(max(largest + noise, share + SHARE_FLOOR), 1.0))


def _beyond_limit(column: ColumnProfile, parts: list[list[ColumnProfile]]) -> float:
    """Deviations outside the range of all other windows that a window of the reference went, doubled."""
    lows = [min((c.low for c in p if c.low is not None), default=np.inf) for p in parts]
    highs = [max((c.high for c in p if c.high is not None), default=-np.inf) for p in parts]
    largest = 0.0
    for i in range(len(parts)):
        low = min((v for j, v in enumerate(lows) if j != i), default=np.inf)
        high = max((v for j, v in enumerate(highs) if j != i), default=-np.inf)
        if np.isfinite([low, high, lows[i], highs[i]]).all():
            largest = max(largest, (low - lows[i]) / column.bins.scale, (highs[i] - high) / column.bins.scale)
    return max(2.0 * largest, BEYOND_FLOOR)
