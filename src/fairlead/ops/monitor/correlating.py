"""Whether columns moved against each other: correlations of a window against those of what was learned from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fairlead.contract.events import Finding
from fairlead.contract.profile import ColumnProfile
from fairlead.contract.signature import NUMERIC
from fairlead.lab.stats.correlations import Sums, added, correlations
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.learnt import Stretches
from fairlead.ops.monitor.seen import Seen
from fairlead.ops.monitor.standing_out import Limit, Part, by_others

FLOOR = 0.15
"""Least change of a correlation that matters."""

MOST_COLUMNS = 30
MOST_TOLD = 5


def correlated(seen: Seen, made: Stretches) -> Part | None:
    """Every pair of numeric columns, the largest change of all in each stretch and in the window."""
    known = [c for c in seen.reference.profile.columns if c.bins.kind in NUMERIC and c.bins.name in made.columns]
    known = known[:MOST_COLUMNS]
    pairs = changes(made, known) if len(known) >= 2 else None
    if pairs is None:
        return None
    apart = np.abs(pairs.now - pairs.before)

    def tell(limit: Limit) -> list[Finding]:
        speaking = np.flatnonzero((pairs.away[-1] > limit.at) & (apart[-1] >= FLOOR))
        order = speaking[np.argsort(-pairs.away[-1][speaking], kind="stable")][:MOST_TOLD]
        return [_finding(seen, pairs, int(at), limit) for at in order]

    telling = np.where(apart >= FLOOR, pairs.away, -np.inf).max(axis=1)
    return Part("correlated", pairs.away.max(axis=1), telling, tell)


class Changes(NamedTuple):
    """Of each stretch and, last, of the window. names: of each pair; before, now: correlations of all other rows and of
    its own, away: the change in its own standard deviations, (stretches + 1, pairs) each; spread: of a change of the
    window's correlation, (pairs,).
    """

    names: list[tuple[str, str]]
    before: np.ndarray
    now: np.ndarray
    away: np.ndarray
    spread: np.ndarray


def changes(made: Stretches, known: list[ColumnProfile]) -> Changes | None:
    """Correlations of every stretch, and of the window, against all other rows of the reference."""
    sums = sums_in(made, known)
    every = np.ones((1, made.stretches + 1))
    every[0, -1] = 0.0
    own = np.eye(made.stretches + 1)
    rest = np.maximum(every - own, 0.0)
    upper = np.triu_indices(len(known), 1)
    here, there = (correlations(added(sums, w))[:, upper[0], upper[1]] for w in (own, rest))
    told = np.flatnonzero(np.isfinite(here[-1]) & np.isfinite(there[-1]))
    if not len(told):
        return None
    here, there = here[:, told], there[:, told]
    moved = np.arctanh(np.clip(here, -0.999, 0.999)) - np.arctanh(np.clip(there, -0.999, 0.999))
    moved = np.where(np.isfinite(moved), moved, 0.0)
    # What is usual of few stretches is itself uncertain; chance alone is the least that windows vary by.
    chance = 1.0 / np.sqrt(np.maximum(np.median(sums.rows[:-1]) - 3.0, 1.0))
    centre, spread = (a.T for a in by_others(moved.T))
    spread = np.maximum(np.hypot(centre, np.nan_to_num(spread)), chance)
    names = [(known[upper[0][i]].bins.name, known[upper[1][i]].bins.name) for i in told]
    here, there = np.nan_to_num(here), np.nan_to_num(there)
    return Changes(names, there, here, np.abs(moved) / spread, spread[-1] * (1.0 - there[-1] ** 2))


def sums_in(made: Stretches, known: list[ColumnProfile]) -> Sums:
    """Mergeable sums of every stretch and, last, of the window."""
    names = tuple(c.bins.name for c in known)
    learnt: Sums = made.once(
        ("sums", names),
        lambda: _sums(made, known, slice(0, made.rows), made.stretch[: made.rows], made.stretches),
    )
    own = slice(made.rows, None)
    live = _sums(made, known, own, np.zeros(len(made.stretch[own]), dtype=np.int64), 1)
    return Sums(*(np.concatenate(both) for both in zip(learnt, live, strict=True)))


def _sums(made: Stretches, known: list[ColumnProfile], rows: slice, stretch: np.ndarray, total: int) -> Sums:
    z = np.column_stack([
        (np.asarray(made.columns[c.bins.name][rows], dtype=np.float64) - c.bins.shift) / c.bins.scale for c in known
    ])  # fmt: skip
    there = np.isfinite(z)
    filled = np.where(there, z, 0.0)
    m = z.shape[1]
    gram, sums, squares, present, count = (
        np.zeros((total, m, m)), np.zeros((total, m)), np.zeros((total, m)), np.zeros((total, m)), np.zeros(total)
    )  # fmt: skip
    for at in range(total):
        chosen = np.flatnonzero(stretch == at)
        own = filled[chosen]
        gram[at], sums[at], squares[at] = own.T @ own, own.sum(axis=0), (own * own).sum(axis=0)
        present[at], count[at] = there[chosen].sum(axis=0), len(own)
    return Sums(gram, sums, squares, present, count)


def _finding(seen: Seen, pairs: Changes, at: int, limit: Limit) -> Finding:
    window, (one, two) = seen.window, pairs.names[at]
    before, now, reach = float(pairs.before[-1, at]), float(pairs.now[-1, at]), 1.96 * float(pairs.spread[at])
    apart = now - before
    message = f"{one} and {two} go together differently: correlation {now:+.2f}, was {before:+.2f}; {limit.usual.why}"
    return Finding(
        id=finding_id(window.model, "correlation", (one, two), window.start), model=window.model, area="data_drift",
        check="correlation", window=window.index, since=window.start, size=apart, low=max(apart - reach, -2.0),
        high=min(apart + reach, 2.0), unit="change of correlation", message=message, columns=(one, two),
        severity=limit.usual.severity,
        evidence={
            "limit": limit.at, "deviations": float(pairs.away[-1, at]), "p": limit.p(float(pairs.away[-1, at])),
            "before": before, "now": now,
        },
    )  # fmt: skip
