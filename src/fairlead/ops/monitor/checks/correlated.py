"""Whether columns moved against each other: correlations of a window against those of what was learned from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fairlead.contract.events import Finding
from fairlead.contract.profile import ColumnProfile
from fairlead.contract.signature import NUMERIC
from fairlead.lab.stats.correlations import Sums, added, correlations
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.learnt import Stretches, Usual, remembered, stretches_of, usual_of
from fairlead.ops.monitor.seen import Moment, Seen

FLOOR = 0.15
"""Least change of a correlation that matters."""

MOST_COLUMNS = 30
MOST_TOLD = 5


class Correlated:
    """Every pair of numeric columns; one limit for the largest change of all, by stretches as long as the window."""

    name = "correlated"
    family: Family = "inputs"
    moment: Moment = "inputs"
    early = False

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """A finding for each of the five pairs that changed most, beyond what stretches show; else silence."""
        known = [c for c in seen.reference.profile.columns if c.bins.kind in NUMERIC][:MOST_COLUMNS]
        if len(known) < 2:
            return []
        made = stretches_of(seen, [c.bins.name for c in known])
        if made is None:
            return []
        known = [c for c in known if c.bins.name in made.columns]
        pairs = changes(made, known)
        if pairs is None:
            return []
        largest = pairs.away.max(axis=1)
        usual = usual_of(largest[:-1], seen, allowed)
        apart = pairs.now - pairs.before
        speaking = np.flatnonzero((pairs.away[-1] > usual.limit) & (np.abs(apart) >= FLOOR))
        seen.keep(remembered(seen, float(largest[-1]), not len(speaking)))
        order = speaking[np.argsort(-pairs.away[-1][speaking], kind="stable")][:MOST_TOLD]
        return [_finding(seen, pairs, int(at), usual) for at in order]


class Changes(NamedTuple):
    """names: of each pair; before, now: correlations, (pairs,); away: change of each stretch and last of the window, in
    its own standard deviations, (stretches + 1, pairs); spread: of a change of a correlation, (pairs,).
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
    moved = np.arctanh(np.clip(here[:, told], -0.999, 0.999)) - np.arctanh(np.clip(there[:, told], -0.999, 0.999))
    moved = np.where(np.isfinite(moved), moved, 0.0)
    # What is usual of few stretches is itself uncertain; chance alone is the least that windows vary by.
    chance = 1.0 / np.sqrt(np.maximum(np.median(sums.rows[:-1]) - 3.0, 1.0))
    spread = np.maximum(np.sqrt((moved[:-1] ** 2).mean(axis=0)), chance)
    names = [(known[upper[0][i]].bins.name, known[upper[1][i]].bins.name) for i in told]
    return Changes(
        names, there[-1, told], here[-1, told], np.abs(moved) / spread, spread * (1.0 - there[-1, told] ** 2)
    )


def sums_in(made: Stretches, known: list[ColumnProfile]) -> Sums:
    """Mergeable sums of every stretch and, last, of the window."""
    z = np.column_stack([
        (np.asarray(made.columns[c.bins.name], dtype=np.float64) - c.bins.shift) / c.bins.scale for c in known
    ])  # fmt: skip
    there = np.isfinite(z)
    filled = np.where(there, z, 0.0)
    m, total = z.shape[1], made.stretches + 1
    gram, sums, squares, present, rows = (
        np.zeros((total, m, m)), np.zeros((total, m)), np.zeros((total, m)), np.zeros((total, m)), np.zeros(total)
    )  # fmt: skip
    for at in range(total):
        own = filled[made.stretch == at]
        gram[at], sums[at], squares[at] = own.T @ own, own.sum(axis=0), (own * own).sum(axis=0)
        present[at], rows[at] = there[made.stretch == at].sum(axis=0), len(own)
    return Sums(gram, sums, squares, present, rows)


def _finding(seen: Seen, pairs: Changes, at: int, usual: Usual) -> Finding:
    window, (one, two) = seen.window, pairs.names[at]
    before, now, reach = float(pairs.before[at]), float(pairs.now[at]), 1.96 * float(pairs.spread[at])
    apart = now - before
    message = f"{one} and {two} go together differently: correlation {now:+.2f}, was {before:+.2f}; {usual.why}"
    return Finding(
        id=finding_id(window.model, "correlation", (one, two), window.start), model=window.model, area="data_drift",
        check="correlation", window=window.index, since=window.start, size=apart, low=max(apart - reach, -2.0),
        high=min(apart + reach, 2.0), unit="change of correlation", message=message, columns=(one, two),
        severity="info" if usual.provisional else "warning",
        evidence={
            "limit": usual.limit, "usual": usual.centre, "deviations": float(pairs.away[-1, at]),
            "p": usual.p(float(pairs.away[-1].max())), "before": before, "now": now,
        },
    )  # fmt: skip
