"""Whether the rows of a window are fit to be judged at all: missing, new, out of range, too few, repeated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, Protocol

import msgspec
import numpy as np

from fairlead.contract.events import Area, Finding
from fairlead.contract.profile import ColumnProfile, Profile, Reference
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.statistic import Judged
from fairlead.ops.monitor.thresholds import SHARE_FLOOR, Shares, Thresholds

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


def quality_findings(
    judged: Mapping[str, Mapping[str, Judged]],
    profile: Profile,
    reference: Reference,
    thresholds: Thresholds,
    *,
    model: str = "",
    window: int = 0,
    rows: CellsInTime | None = None,
) -> list[Finding]:
    """Findings about cells, of a window of any length, an open one, too: what the joint calibration says of shares,
    and ranges by limits of their own. While it calibrates, only what also lies beyond every limit that thresholds
    know warns. rows: tells when each began.
    """
    if profile.rows < LEAST_ROWS:
        return []
    about = _Subject(model, window, profile.start)
    known = {c.bins.name: c for c in reference.profile.columns}
    found: list[Finding] = []
    for live in profile.columns:
        before = known.get(live.bins.name)
        if before is not None:
            found += _shares(about, before, live, judged, thresholds)
            if live.bins.name in thresholds.shares:
                found += _ranged(about, before, live, thresholds.shares[live.bins.name])
    one = judged.get("imputed", {}).get("")
    if one is not None and one.speaks:
        cells, filled = sum(c.rows for c in profile.columns), sum(c.missing for c in profile.columns)
        share = filled / max(cells, 1)
        told = f"{share:.1%} of all cells were missing and filled in, usually {max(share - one.value, 0.0):.1%}"
        doubt = wilson(filled, cells)
        sure = one.severity
        found.append(about.finding("imputed", share, doubt, "share of cells", told, limit=one.limit, severity=sure))
    return found if rows is None else [begun(finding, rows, known) for finding in found]


def _shares(
    about: _Subject,
    before: ColumnProfile,
    live: ColumnProfile,
    judged: Mapping[str, Mapping[str, Judged]],
    thresholds: Thresholds,
) -> Iterator[Finding]:
    name, present = live.bins.name, live.rows - live.missing
    limits = thresholds.shares.get(name)
    one = judged.get("missing", {}).get(name)
    if one is not None and one.speaks:
        share, usual = live.missing / live.rows, before.missing / max(before.rows, 1)
        told = f"{name}: {share:.1%} of cells are missing, usually {usual:.1%}"
        sure = _severity(one, share, limits.missing if limits else 1.0)
        doubt = wilson(live.missing, live.rows)
        yield about.finding("missing", share, doubt, "share of cells", told, (name,), limit=one.limit, severity=sure)
    one = judged.get("new_category", {}).get(name)
    if one is not None and one.speaks and present:
        share, usual = live.counts[-1] / present, before.counts[-1] / max(before.rows - before.missing, 1)
        told = f"{name}: {share:.1%} of cells hold a category that training did not list"
        if usual:
            listed = len(before.bins.categories)
            told = f"{name}: {share:.1%} of cells hold another category than the {listed} listed, usually {usual:.1%}"
        sure = _severity(one, share, limits.other if limits else 1.0)
        doubt = wilson(live.counts[-1], present)
        yield about.finding("new_category", share, doubt, "share of cells", told, (name,), limit=one.limit,
                            severity=sure)  # fmt: skip


def _severity(one: Judged, share: float, limit: float) -> Literal["info", "warning"]:
    """A share beyond every window of the reference, by a limit with its noise, needs no whole calibration."""
    return "warning" if share > limit else one.severity


class CellsInTime(Protocol):
    """Columns in arrival order and their event times, see `seen.Rows`."""

    @property
    def columns(self) -> Mapping[str, np.ndarray]: ...

    @property
    def times(self) -> np.ndarray: ...


def begun(finding: Finding, rows: CellsInTime, known: Mapping[str, ColumnProfile]) -> Finding:
    """With the time of the first row that shows it, where single rows do."""
    name = finding.columns[0] if finding.columns else ""
    cells = rows.columns.get(name)
    if cells is None or name not in known or len(cells) != len(rows.times) or not len(cells):
        return finding
    bins, before = known[name].bins, known[name]
    if finding.check == "missing":
        shows = _gone(cells)
    elif finding.check == "new_category":
        listed = frozenset((*bins.categories, None))
        shows = np.fromiter((cell not in listed for cell in cells), dtype=bool, count=len(cells))
    elif finding.check == "out_of_range" and before.low is not None and before.high is not None:
        shows = (cells < before.low) | (cells > before.high)
    else:
        return finding
    if finding.check != "out_of_range":
        shows = _clustered(
            shows, rows.times, before.missing / max(before.rows, 1) if finding.check == "missing" else 0.0
        )
    return msgspec.structs.replace(finding, first=float(rows.times[shows].min())) if shows.any() else finding


def _gone(cells: np.ndarray) -> np.ndarray:
    if cells.dtype == object:
        return np.fromiter((cell is None or cell != cell for cell in cells), dtype=bool, count=len(cells))
    return np.asarray(np.isnan(cells))


def _clustered(shows: np.ndarray, times: np.ndarray, usual: float) -> np.ndarray:
    """The rows that show it from where they came to be more than usual: a few always do.

    The start is where the sum of (shows - usual) in order of time is least: the maximum-likelihood change point of a
    share that rises. Source: Page (Biometrika, 1954).
    """
    places = np.argsort(times, kind="stable")
    ordered = shows[places].astype(np.float64)
    middle = 0.5 * (usual + ordered.mean())
    walk = np.concatenate([[0.0], np.cumsum(ordered - middle)])
    start = int(np.argmin(walk[:-1])) if len(walk) > 1 else 0
    kept = np.zeros(len(shows), dtype=bool)
    kept[places[start:]] = shows[places[start:]]
    return kept


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
    return found + _ranged(about, before, live, limits)


def _ranged(about: _Subject, before: ColumnProfile, live: ColumnProfile, limits: Shares) -> list[Finding]:
    beyond = _beyond(before, live)
    if beyond <= limits.beyond:
        return []
    told = f"{live.bins.name}: values lie up to {beyond:.1f} standard deviations outside the range seen in training"
    unit = "standard deviations outside the range"
    exact = (beyond, beyond)
    return [about.finding("out_of_range", beyond, exact, unit, told, (live.bins.name,), limit=limits.beyond)]


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
