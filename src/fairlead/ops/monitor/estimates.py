"""Performance of rows whose labels are not known: each metric with an interval, and how it compares with held-out rows.

An interval has to cover the metric that labels will show. Two things part it from the estimate: the chance of those
labels, which the estimate knows, and whatever else windows differ in, which the held-out windows show - each was
estimated by what the others taught, and missed by something. What they missed beyond chance is added.
Assumed: a row like those held out is still answered as well as they were. A shift of the inputs is followed; a change
of what the inputs mean for the target (concept drift) cannot be seen before labels tell it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fairlead.contract.estimation import Foretold
from fairlead.contract.evidence import Interval
from fairlead.contract.profile import Profile, Reference
from fairlead.contract.signature import Signature

if TYPE_CHECKING:
    from fairlead.lab.stats.alike import Counted

BLIND = "this cannot see a change of what the inputs mean (concept drift)"
FEWEST_WINDOWS = 4
"""Held-out windows from which an interval can be given."""
FEWEST_ROWS = 30
LEVEL = 0.95
LEAST_OVERLAP = 0.5
"""Share of rows, column by column, that must lie where the reference's rows do, for intervals to be promised."""


class Estimate(NamedTuple):
    """A metric before its labels come. usual: what the held-out windows let expect of themselves, (windows,) each.

    chance: deviation by the labels' chance; beyond: further deviation, as held-out windows show it.
    """

    interval: Interval
    usual: tuple[float, ...]
    chance: float
    beyond: float


def estimates(
    reference: Reference, signature: Signature, columns: Mapping[str, np.ndarray], scores: np.ndarray | None
) -> dict[str, Estimate]:
    """Every metric that can be estimated for these rows; empty where the reference cannot teach it, or of under 30
    rows with finite scores. columns: columns form, (n,) each; scores: (n, outputs) of the model.
    """
    from fairlead.lab.stats.estimating import MOST_NOW, expectation, thinned

    taught = reference.estimation
    if taught is None or scores is None or len(taught.windows) < FEWEST_WINDOWS:
        return {}
    rows = np.flatnonzero(np.isfinite(scores).all(axis=1))
    if len(rows) < FEWEST_ROWS:
        return {}
    rows = rows[thinned(len(rows), MOST_NOW)]
    counted = counted_of(reference, columns, scores, rows)
    found: dict[str, Estimate] = {}
    for name, (value, chance) in sorted(expectation(taught, signature, counted, scores[rows]).items()):
        told = [w[name] for w in taught.windows if name in w]
        if len(told) >= FEWEST_WINDOWS:
            beyond = beyond_chance(told)
            found[name] = Estimate(
                _interval(name, value, float(np.hypot(chance, beyond)), len(told)),
                tuple(t.expected for t in told), chance, beyond,
            )  # fmt: skip
    return found


def counted_of(
    reference: Reference, columns: Mapping[str, np.ndarray], scores: np.ndarray, rows: np.ndarray
) -> Counted:
    """Rows as numbers of the reference's bins, of the columns that its estimation asks for."""
    from fairlead.lab.stats.alike import counted_cells

    used = set(reference.estimation.tree.columns) if reference.estimation is not None else set()
    bins = [c.bins for c in reference.profile.columns if c.bins.name in used]
    score_bins = [c.bins for c in reference.profile.scores]
    chosen = {b.name: columns[b.name][rows] for b in bins if b.name in columns}
    return counted_cells(chosen, bins, scores[rows], score_bins)


def beyond_chance(told: Sequence[Foretold]) -> float:
    """The deviation of held-out windows from their estimates that chance does not explain, by moments.

    Source: DerSimonian and Laird, Meta-analysis in clinical trials (1986).
    """
    missed = np.asarray([t.realised - t.expected for t in told])
    chance = np.asarray([t.chance for t in told])
    return float(np.sqrt(max(float((missed**2).mean() - (chance**2).mean()), 0.0)))


def _interval(name: str, value: float, deviation: float, windows: int) -> Interval:
    from fairlead.lab.stats.quantiles import student

    half = student(1.0 - (1.0 - LEVEL) / 2.0, max(windows - 1, 1)) * deviation
    bounded = name not in ("mae", "mse", "rmse", "pinball", "log_loss")
    high = min(value + half, 1.0) if bounded else value + half
    return Interval(value, max(value - half, 0.0), max(high, value))


def overlap(profile: Profile, reference: Reference) -> tuple[float, str]:
    """Share of a window's rows that lie where the reference's rows do, by what estimates go by: of the scores and of
    the columns that tell errors apart the one that shares least, and its name.

    1 where the histograms are the same, 0 where no bin is used by both. An estimate says nothing sure about rows whose
    like was never held out; of a column that it does not go by, new values are drift and no harm to it.
    """
    least, which = 1.0, ""
    used = set(reference.estimation.tree.columns) if reference.estimation is not None else set()
    known = {c.bins.name: c for c in reference.profile.columns if c.bins.name in used}
    outputs = {c.bins.name: c for c in reference.profile.scores}
    pairs = [(c, known.get(c.bins.name)) for c in profile.columns]
    pairs += [(c, outputs.get(c.bins.name)) for c in profile.scores]
    for now, before in pairs:
        if before is None or len(before.counts) != len(now.counts):
            continue
        p = np.asarray([*before.counts, before.missing], dtype=np.float64)
        q = np.asarray([*now.counts, now.missing], dtype=np.float64)
        if p.sum() > 0 and q.sum() > 0:
            shared = float(np.minimum(p / p.sum(), q / q.sum()).sum())
            least, which = min((least, which), (shared, now.bins.name))
    return least, which
