"""Streams of which the truth is known, as counts: nothing changes in them but what their seasons and lots bring.

Rows are never made: a step of a stream (a day, or an hour) has shares of bins, and its counts are drawn. So windows of
a million rows cost what windows of two hundred do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri

from fairlead.contract.profile import Bins, ColumnProfile, Profile, Reference
from fairlead.ops.monitor.statistic import Counted, Folded, bin_groups

DAY = 86_400.0
LOADINGS = (1.0, 0.5, 0.0, 0.0)
"""How much of a stream's level each numeric column carries."""
BINS = 20
EDGES = ndtri(np.arange(1, BINS) / BINS)
CATEGORIES = np.array([0.4, 0.3, 0.2, 0.095])
"""Shares of the listed categories; the rest is none of them."""
MISSING = 0.01


@dataclass(frozen=True)
class Stream:
    """level: of each step from its days since the beginning (a fraction where steps are hours), (steps,).

    busy: rows of a step as a part of the usual. moved: shift in deviations; lost: part of the second category that
    becomes none of those listed; gone: further part of cells that is missing: each of the first column alone.
    """

    name: str
    level: Callable[[np.ndarray, np.random.Generator], np.ndarray]
    busy: Callable[[np.ndarray, np.random.Generator], np.ndarray]
    moved: float = 0.0
    lost: float = 0.0
    gone: float = 0.0


def _even(days: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.ones(len(days))


def _quiet(days: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.zeros(len(days))


def _by_day(days: np.ndarray, values: np.ndarray) -> np.ndarray:
    number = np.floor(days + 1e-9).astype(int)
    return values[number - number[0]]


def everyday(spread: float) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """Days vary, independently of each other."""
    return lambda days, rng: _by_day(days, spread * rng.standard_normal(int(days[-1] - days[0]) + 2))


def autoregressive(phi: float, spread: float) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """Days depend on the day before: AR(1) with this standard deviation."""

    def level(days: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        count = int(days[-1] - days[0]) + 2
        values, now = np.empty(count), rng.standard_normal() * spread
        for day in range(count):
            values[day] = now
            now = phi * now + spread * np.sqrt(1 - phi * phi) * rng.standard_normal()
        return _by_day(days, values)

    return level


def _daily(days: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return 0.8 * np.sin(2 * np.pi * days)


def _daily_busy(days: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return 1.0 + 0.8 * np.sin(2 * np.pi * (days - 0.25))


def _weekend(days: np.ndarray) -> np.ndarray:
    return (np.floor(days + 1e-9) % 7) >= 5


def _weekly(days: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.where(_weekend(days), 0.7, 0.0)


def _weekly_busy(days: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.where(_weekend(days), 0.4, 1.2)


def _yearly(days: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return 0.8 * np.sin(2 * np.pi * days / 365.0)


STREAMS: dict[str, Stream] = {
    s.name: s
    for s in (
        Stream("stationary", _quiet, _even),
        Stream("days vary", everyday(0.15), _even),
        Stream("daily season", _daily, _daily_busy),
        Stream("weekly season", _weekly, _weekly_busy),
        Stream("AR(1) 0.9", autoregressive(0.9, 0.3), _even),
        Stream("unseen yearly season", _yearly, _even),
    )
}


def counts_of(stream: Stream, days: np.ndarray, rows: float, rng: np.random.Generator) -> Folded:
    """Counts of each step. days: (steps,) when each begins; rows: of a usual step."""
    hourly = len(days) > 1 and days[1] - days[0] < 0.99
    level = _averaged(stream, days, rng) if not hourly else [(1.0, stream.level(days, rng))]
    busy = stream.busy(days, rng) if hourly or "weekly" in stream.name else np.ones(len(days))
    sizes = np.maximum(np.round(rows * busy), 0).astype(np.int64)
    columns: dict[str, Counted] = {}
    for place, loading in enumerate(LOADINGS):
        shift = stream.moved if place == 0 else 0.0
        shares = sum(weight * _shares(loading * at + shift) for weight, at in level)
        columns[f"x{place}"] = _drawn(f"x{place}", shares, sizes, MISSING + (stream.gone if place == 0 else 0.0), rng)
    mean = sum(weight * at for weight, at in level)
    columns["kind"] = _categories(mean, sizes, stream.lost, rng)
    scored = sum(weight * _shares(0.7 * at + 0.5 * stream.moved) for weight, at in level)
    scores = {"score": _drawn("score", scored, sizes, 0.0, rng)}
    return Folded(sizes.astype(np.float64), columns, scores)


def _averaged(stream: Stream, days: np.ndarray, rng: np.random.Generator) -> list[tuple[float, np.ndarray]]:
    """Levels of a day's parts, with their weights: a day of a stream with hours is a mixture of them."""
    if stream.level is not _daily:
        return [(1.0, stream.level(days, rng))]
    hours = np.arange(24) / 24.0
    busy = _daily_busy(hours, rng)
    return [(float(b / busy.sum()), np.full(len(days), v)) for b, v in zip(busy, _daily(hours, rng), strict=True)]


def _shares(level: np.ndarray) -> np.ndarray:
    below = ndtr(EDGES[None, :] - np.asarray(level)[:, None])
    edges = np.column_stack([np.zeros(len(below)), below, np.ones(len(below))])
    return np.diff(edges, axis=1)


def _drawn(name: str, shares: np.ndarray, sizes: np.ndarray, missing: float, rng: np.random.Generator) -> Counted:
    cells = np.column_stack([shares * (1.0 - missing), np.full(len(shares), missing)])
    cells[:, -1] = np.clip(1.0 - cells[:, :-1].sum(axis=1), 0.0, 1.0)
    drawn = rng.multinomial(sizes, cells).astype(np.float64)
    middles = ndtri((np.arange(BINS) + 0.5) / BINS)
    counts = drawn[:, :-1]
    bins = Bins(name, "number", edges=tuple(EDGES.tolist()))
    return Counted(bins, sizes.astype(np.float64), drawn[:, -1], counts, counts @ middles, counts @ middles**2)


def _categories(level: np.ndarray, sizes: np.ndarray, lost: float, rng: np.random.Generator) -> Counted:
    tilted = CATEGORIES * np.exp(0.3 * level[:, None] * np.array([1.0, -1.0, 0.0, 0.0]))
    shares = np.column_stack([tilted, np.full(len(level), 1.0 - CATEGORIES.sum())])
    shares /= shares.sum(axis=1, keepdims=True)
    shares[:, -1] += lost * shares[:, 1]
    shares[:, 1] *= 1.0 - lost
    shares[:, -1] = np.clip(1.0 - shares[:, :-1].sum(axis=1), 0.0, 1.0)
    drawn = rng.multinomial(sizes, shares).astype(np.float64)
    bins = Bins("kind", "category", categories=("a", "b", "c", "d"))
    nothing = np.zeros(len(sizes))
    return Counted(bins, sizes.astype(np.float64), nothing, drawn, nothing, nothing)


def profiles_of(counts: Folded, starts: np.ndarray, ends: np.ndarray) -> list[Profile]:
    """One profile a step. starts, ends: event times (steps,), zeros without time."""

    def of(c: Counted, i: int) -> ColumnProfile:
        whole = tuple(c.counts[i].astype(int).tolist())
        return ColumnProfile(c.bins, int(c.rows[i]), int(c.missing[i]), whole, float(c.z[i]), float(c.zz[i]))

    return [
        Profile(
            int(counts.rows[i]), tuple(of(c, i) for c in counts.columns.values()),
            tuple(of(c, i) for c in counts.scores.values()), (), float(starts[i]), float(ends[i]),
        )
        for i in range(len(counts))
    ]  # fmt: skip


def reference_of(counts: Folded, starts: np.ndarray, step_s: float) -> Reference:
    """A reference whose blocks are these steps."""
    from fairlead.lab.stats import total

    blocks = tuple(profiles_of(counts, starts, starts + step_s - 1.0 if step_s else starts))
    return Reference(profile=total(blocks), blocks=blocks)


def with_groups(counts: Folded, reference: Reference) -> Folded:
    """The counts with the reference's groups of bins, as live windows are compared."""

    def of(parts: dict[str, Counted], known: tuple[ColumnProfile, ...]) -> dict[str, Counted]:
        groups = {c.bins.name: bin_groups(c) for c in known}
        return {name: replace(c, groups=groups[name]) for name, c in parts.items()}

    profile = reference.profile
    return Folded(counts.rows, of(dict(counts.columns), profile.columns), of(dict(counts.scores), profile.scores))
