"""Whether a category is gone: none of the rows hold it, and by chance and everyday variation some would."""

from __future__ import annotations

import math

import numpy as np

from fairlead.contract.events import Finding
from fairlead.contract.profile import ColumnProfile
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.grouped import Grouped, GroupedColumn, grouped_of
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.quality import LEAST_ROWS, wilson
from fairlead.ops.monitor.seen import Moment, Seen
from fairlead.ops.monitor.statistic import Judged

NEEDED = 8
"""Windows of the reference from which a finding may warn."""

SHARE = 0.02
"""Usual share of rows below which a category is not missed: the effect floor."""


class Vanished:
    """Categories that usual windows always hold and this one lacks.

    Shares of a category vary from window to window by a beta distribution, matched to windows of the reference; the
    chance that none of n rows holds it is that of a beta-binomial. Source: Skellam (Journal of the Royal Statistical
    Society B, 1948).
    """

    name = "vanished"
    family: Family = "inputs"
    moment: Moment = "inputs"
    early = True

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """A finding a column: all its categories share `allowed` with those of the others."""
        reference = seen.reference.profile
        places = {c.bins.name: i for i, c in enumerate(reference.columns) if c.bins.categories}
        live = [c for c in seen.profile.columns if c.bins.name in places and c.rows - c.missing >= LEAST_ROWS]
        asked = sum(len(_listed(reference.columns[places[c.bins.name]])) for c in live)
        if not asked or not seen.reference.blocks:
            return []
        found: list[Finding] = []
        for column in live:
            at = places[column.bins.name]
            absent = [i for i in _listed(reference.columns[at]) if not column.counts[i]]
            if not absent:
                continue
            # A look at an open window is one of several: each has a part, as if they were apart.
            expected = allowed / asked / (8.0 if seen.window.state == "open" else 1.0)
            finding = _column(seen, reference.columns[at], column, absent, _alike(seen).column(at), expected)
            if finding is not None:
                found.append(finding)
        return found


def _listed(column: ColumnProfile) -> list[int]:
    """Places of the categories that would be missed."""
    present = max(column.rows - column.missing, 1)
    return [i for i in range(len(column.bins.categories)) if column.counts[i] / present >= SHARE]


def _alike(seen: Seen) -> Grouped:
    """Windows of the reference, or its blocks where what is looked at is shorter than one."""
    windows = grouped_of(seen.reference, seen.settings)
    if len(windows) and seen.profile.rows >= 0.9 * float(np.median(windows.rows)):
        return windows
    return grouped_of(seen.reference, seen.settings, single=True)


def _column(
    seen: Seen, before: ColumnProfile, live: ColumnProfile, absent: list[int], windows: GroupedColumn, expected: float
) -> Finding | None:
    name, present = live.bins.name, live.rows - live.missing
    there = windows.present > 0
    rows = windows.present[there]
    gone: list[tuple[float, str]] = []
    least = 1.0
    for i in absent:
        chance = chance_of_none(windows.counts[there, i], rows, present)
        least = min(least, chance)
        if chance <= expected:
            gone.append((before.counts[i] / max(before.rows - before.missing, 1), before.bins.categories[i]))
    if least < 1.0:
        provisional = len(rows) < NEEDED
        why = f"chance of a window without a category: {least:.2g}, spoken of from {expected:.2g}"
        judged = Judged(
            -math.log10(max(least, 1e-300)), -math.log10(expected), 0.0, bool(gone), provisional, least, why
        )
        seen.tell("vanished_category", name, judged, "-log10 of the chance")
    if not gone:
        return None
    gone.sort(reverse=True)
    share = sum(part for part, _ in gone)
    named = ", ".join(repr(category) for _, category in gone[:3]) + (f" and {len(gone) - 3} more" if gone[3:] else "")
    told = f"{name}: no row holds {named}, which usually {share:.1%} of rows do"
    window = seen.window
    # None of so many rows: what the share may still be, at 95 %.
    low = max(share - wilson(0, present)[1], 0.0)
    return Finding(
        id=finding_id(window.model, "vanished_category", (name,), window.start), model=window.model, area="quality",
        check="vanished_category", window=window.index, since=window.start, size=share, low=low, high=share,
        unit="share of cells, usually", message=told, columns=(name,),
        severity="warning" if len(rows) >= NEEDED else "info", evidence={"limit": expected, "p": least},
    )  # fmt: skip


def chance_of_none(counts: np.ndarray, rows: np.ndarray, n: int) -> float:
    """Chance that none of n rows holds a category of which windows had `counts` of `rows`, (windows,) each.

    1 where a window of the reference already lacked it: then it is no news.
    """
    if not len(counts) or (counts == 0).any():
        return 1.0
    mean = float(counts.sum() / rows.sum())
    shares = counts / rows
    # What varies beyond the binomial noise of windows of these sizes; a part of it more for how little it is known.
    noise = float(np.mean(mean * (1.0 - mean) / rows))
    between = (float(shares.var(ddof=1)) if len(shares) > 1 else mean * mean) - noise
    between *= 1.0 + 2.0 / math.sqrt(max(len(shares) - 1, 1))
    if between <= 1e-12:
        return float((1.0 - mean) ** n)
    size = max(mean * (1.0 - mean) / between - 1.0, 1e-3)
    a, b = mean * size, (1.0 - mean) * size
    return math.exp(math.lgamma(a + b) + math.lgamma(b + n) - math.lgamma(b) - math.lgamma(a + b + n))
