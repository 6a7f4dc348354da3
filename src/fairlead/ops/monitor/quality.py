"""Whether the rows of a window are fit to be judged at all: missing, new, out of range, too few, repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np

from fairlead.contract.events import Area, Finding
from fairlead.contract.profile import ColumnProfile, Profile, Reference
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.thresholds import SHARE_FLOOR, Thresholds

EARLIER_NEEDED = 8
DUPLICATES = 0.05
LEAST_ROWS = 30


class Traffic(msgspec.Struct, frozen=True):
    """What a profile does not know about a window.

    earlier: rows of the windows before it, newest last; volume is judged from 8 on. duplicates: rows that repeat
    another of the window exactly; None when not counted. newest: event time of the newest record, None without any.
    """

    earlier: tuple[int, ...] = ()
    duplicates: int | None = None
    newest: float | None = None


def check_quality(
    profile: Profile,
    reference: Reference,
    thresholds: Thresholds,
    traffic: Traffic | None = None,
    *,
    model: str = "",
    window: int = 0,
) -> list[Finding]:
    """Findings about the rows themselves: shares with 95 % Wilson intervals, against limits calibrated in blocks."""
    found: list[Finding] = []
    about = _Subject(model, window, profile.start)
    if profile.rows >= LEAST_ROWS:
        known = {c.bins.name: c for c in reference.profile.columns}
        for live in profile.columns:
            before = known.get(live.bins.name)
            if before is not None and live.bins.name in thresholds.shares:
                found += _column(about, before, live, thresholds)
        found += _imputed(about, profile, reference)
    if traffic is not None:
        found += _traffic(about, profile, traffic, thresholds.alarm_rate)
    return found


class _Subject(msgspec.Struct, frozen=True):
    model: str
    window: int
    since: float

    def finding(
        self,
        check: str,
        size: float,
        interval: tuple[float, float],
        unit: str,
        message: str,
        columns: tuple[str, ...] = (),
        *,
        area: Area = "quality",
        severity: Literal["info", "warning", "critical"] = "warning",
        limit: float = 0.0,
    ) -> Finding:
        return Finding(
            id=finding_id(self.model, check, columns, self.since),
            model=self.model,
            area=area,
            check=check,
            window=self.window,
            since=self.since,
            size=size,
            low=interval[0],
            high=interval[1],
            unit=unit,
            message=message,
            columns=columns,
            severity=severity,
            evidence={"limit": limit},
        )


def _column(about: _Subject, before: ColumnProfile, live: ColumnProfile, thresholds: Thresholds) -> list[Finding]:
    limits = thresholds.shares[live.bins.name]
    name, found = live.bins.name, []
    seen = live.rows - live.missing
    missing = live.missing / live.rows
    usual, doubt = before.missing / max(before.rows, 1), wilson(live.missing, live.rows)
    # The limit is that of usual windows: in one of few rows chance alone may pass it.
    if missing > limits.missing and doubt[0] > usual:
        told = f"{name}: {missing:.1%} of cells are missing, usually {usual:.1%}"
        found.append(about.finding("missing", missing, doubt, "share of cells", told, (name,), limit=limits.missing))
    other = live.counts[-1] / seen if live.bins.categories and seen else 0.0
    usual = before.counts[-1] / max(before.rows - before.missing, 1) if before.bins.categories else 0.0
    doubt = wilson(live.counts[-1], seen) if seen else (0.0, 1.0)
    if other > limits.other and doubt[0] > usual:
        told = f"{name}: {other:.1%} of cells hold a category that training did not list"
        if usual:
            listed = len(before.bins.categories)
            told = f"{name}: {other:.1%} of cells hold another category than the {listed} listed, usually {usual:.1%}"
        found.append(about.finding("new_category", other, doubt, "share of cells", told, (name,), limit=limits.other))
    beyond = _beyond(before, live)
    if beyond > limits.beyond:
        told = f"{name}: values lie up to {beyond:.1f} standard deviations outside the range seen in training"
        exact = (beyond, beyond)
        unit = "standard deviations outside the range"
        found.append(about.finding("out_of_range", beyond, exact, unit, told, (name,), limit=limits.beyond))
    return found


def _beyond(before: ColumnProfile, live: ColumnProfile) -> float:
    if None in (before.low, before.high, live.low, live.high) or live.bins.categories:
        return 0.0
    over = max(before.low - live.low, live.high - before.high)  # type: ignore[operator]
    return max(over / before.bins.scale, 0.0)


def _imputed(about: _Subject, profile: Profile, reference: Reference) -> list[Finding]:
    """Share of all cells that the front filled in: many small gaps that no column alone shows."""
    cells = sum(c.rows for c in profile.columns)
    filled = sum(c.missing for c in profile.columns)
    before = sum(c.missing for c in reference.profile.columns) / max(sum(c.rows for c in reference.profile.columns), 1)
    windows = [sum(c.missing for c in b.columns) / max(sum(c.rows for c in b.columns), 1) for b in reference.blocks]
    limit = max([before, *windows]) + SHARE_FLOOR
    doubt = wilson(filled, cells) if cells else (0.0, 1.0)
    if not cells or filled / cells <= limit or doubt[0] <= before:
        return []
    share = filled / cells
    told = f"{share:.1%} of all cells were missing and filled in, usually {before:.1%}"
    return [about.finding("imputed", share, doubt, "share of cells", told, limit=limit)]


def _traffic(about: _Subject, profile: Profile, traffic: Traffic, rate: float) -> list[Finding]:
    found = []
    if traffic.duplicates is not None and profile.rows >= LEAST_ROWS:
        share = traffic.duplicates / profile.rows
        if share > DUPLICATES:
            told = f"{share:.1%} of rows repeat another row of the window exactly"
            doubt = wilson(traffic.duplicates, profile.rows)
            found.append(about.finding("duplicates", share, doubt, "share of rows", told, limit=DUPLICATES))
    return found + _volume(about, profile.rows, traffic.earlier, rate)


def _volume(about: _Subject, rows: int, earlier: Sequence[int], rate: float) -> list[Finding]:
    if len(earlier) < EARLIER_NEEDED:
        return []
    logs = np.log1p(np.asarray(earlier[-52:], dtype=np.float64))
    usual = float(np.median(logs))
    if rows == 0 and usual > 0:
        told = f"no rows at all; usually {np.expm1(usual):.0f}"
        return [about.finding("fresh", 0.0, (0.0, 0.0), "rows", told, area="traffic", severity="critical")]
    from fairlead.lab.stats.quantiles import student

    spread = max(float(logs.std(ddof=1)), 0.05)
    height = student(1.0 - rate / 8.0, len(logs) - 1) * np.sqrt(1.0 + 1.0 / len(logs))
    limit = max(height * spread, np.log(1.5))
    off = float(np.log1p(rows)) - usual
    if abs(off) <= limit:
        return []
    told = f"{rows} rows, usually {np.expm1(usual):.0f}"
    factor = float(np.exp(off))
    band = (float(np.exp(off - 1.96 * spread)), float(np.exp(off + 1.96 * spread)))
    return [about.finding("volume", factor, band, "times the usual", told, area="traffic", limit=float(np.exp(limit)))]


def wilson(count: int, total: int) -> tuple[float, float]:
    """95 % interval of a share. Source: Wilson (Journal of the American Statistical Association, 1927)."""
    if total <= 0:
        return 0.0, 1.0
    z, share = 1.959964, count / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z * np.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return max(float(middle - half), 0.0), min(float(middle + half), 1.0)
