"""Inputs and scores of a window against the reference: one finding a column that left its everyday variation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from fairlead.contract.events import Finding
from fairlead.contract.profile import ColumnProfile, Profile, Reference
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.statistic import Judged, bin_groups
from fairlead.ops.monitor.statistics import LEAST_ROWS, distances_on
from fairlead.ops.monitor.thresholds import Limit, Thresholds

# Columns that carry less than this share of the model's importance inform, they do not warn.
UNIMPORTANT = 0.01
DRAWS = 100


def check_drift(
    profile: Profile,
    reference: Reference,
    thresholds: Thresholds,
    importance: Mapping[str, float] | None = None,
    *,
    model: str = "",
    window: int = 0,
) -> list[Finding]:
    """Columns and scores of a whole window beyond limits that are known already; empty while calibrating.

    profile: of the window, counted in the reference's bins. importance: any measure of how much the model uses each
    column. A window of fewer rows than those calibrated on may lie further away, as its noise does; under 30 rows
    nothing is judged. What looks at windows of any length and at open ones is `drift_findings`.
    """
    if thresholds.calibrating or profile.rows < LEAST_ROWS:
        return []
    judged: dict[str, dict[str, Judged]] = {"drift": {}, "scores": {}}
    for check, kind, limits in (("drift", "columns", thresholds.columns), ("scores", "scores", thresholds.scores)):
        known = {c.bins.name: c for c in getattr(reference.profile, kind)}
        for live in getattr(profile, kind):
            name = live.bins.name
            if name in limits and name in known:
                one = _by_limit(known[name], live, limits[name])
                if one is not None:
                    judged[check][name] = one
    return drift_findings(judged, profile, reference, importance, model=model, window=window)


def drift_findings(
    judged: Mapping[str, Mapping[str, Judged]],
    profile: Profile,
    reference: Reference,
    importance: Mapping[str, float] | None = None,
    *,
    model: str = "",
    window: int = 0,
) -> list[Finding]:
    """One finding a column or output whose distance is beyond its limit, the furthest first.

    judged: of the statistics "drift" and "scores". size: Jensen-Shannon distance with its 95 % interval; `since` is
    the window's start, which `carry` replaces by the first window of the same trouble.
    """
    total = sum(abs(v) for v in importance.values()) if importance else 0.0
    found: list[Finding] = []
    for check, kind in (("drift", "columns"), ("scores", "scores")):
        known = {c.bins.name: c for c in getattr(reference.profile, kind)}
        for live in getattr(profile, kind):
            name = live.bins.name
            one = judged.get(check, {}).get(name)
            if one is None or not one.speaks or name not in known:
                continue
            share = abs(importance.get(name, 0.0)) / total if importance and total > 0 and kind == "columns" else 1.0
            severity = "info" if share < UNIMPORTANT else one.severity
            found.append(_finding(known[name], live, one, check, severity, model, window, profile.start))
    return sorted(found, key=lambda f: -f.size / f.evidence["limit"])


def _by_limit(before: ColumnProfile, live: ColumnProfile, limit: Limit) -> Judged | None:
    p, q = np.asarray(before.counts, dtype=np.float64), np.asarray(live.counts, dtype=np.float64)
    if q.sum() < LEAST_ROWS or p.sum() <= 0 or p.shape != q.shape:
        return None
    size = float(distances_on(p, q[None, :], bin_groups(before))[0])
    # Noise of a distance falls with the root of the rows.
    allowed = float(limit.limit * max(1.0, np.sqrt(limit.rows / q.sum())))
    return Judged(size, allowed, limit.centre, size >= allowed, False, float("nan"), "")


def _finding(
    before: ColumnProfile,
    live: ColumnProfile,
    judged: Judged,
    check: str,
    severity: Literal["info", "warning"],
    model: str,
    window: int,
    since: float,
) -> Finding:
    p, q = np.asarray(before.counts, dtype=np.float64), np.asarray(live.counts, dtype=np.float64)
    low, high = _interval(p, q, bin_groups(before), judged.value)
    name = live.bins.name
    evidence = {k: v for k, v in judged.evidence.items() if np.isfinite(v)} | _details(before, live, p, q)
    what = f"{name} moved" if check == "drift" else f"the scores ({name}) moved"
    told = f"{what}: {evidence['total_variation']:.0%} of rows lie elsewhere than in {judged.against}"
    distance = f" (distance {judged.value:.3f}, usual {judged.usual:.3f}, alarm from {judged.limit:.3f})"
    return Finding(
        id=finding_id(model, check, (name,), since),
        model=model,
        area="data_drift" if check == "drift" else "score_drift",
        check=check,
        window=window,
        since=since,
        size=judged.value,
        low=low,
        high=high,
        unit="Jensen-Shannon distance",
        message=told + _direction(before, live) + distance,
        columns=(name,),
        severity=severity,
        evidence=evidence,
    )


def _interval(p: np.ndarray, q: np.ndarray, groups: np.ndarray | None, size: float) -> tuple[float, float]:
    """Basic bootstrap interval over the window's rows, seeded, so that a repeated pass says the same."""
    rng = np.random.default_rng(0)
    draws = rng.multinomial(int(q.sum()), q / q.sum(), size=DRAWS).astype(np.float64)
    low, high = np.quantile(distances_on(p, draws, groups), [0.025, 0.975])
    # Resampling adds noise to a distance, which is bounded below: the basic interval takes that bias out again.
    return float(np.clip(2 * size - high, 0.0, size)), float(np.clip(2 * size - low, size, 1.0))


def _details(before: ColumnProfile, live: ColumnProfile, p: np.ndarray, q: np.ndarray) -> dict[str, float]:
    from fairlead.lab.stats import distances

    found = {"psi": distances.population_stability_index(p, q), "total_variation": distances.total_variation(p, q)}
    if before.bins.kind in ("category", "text"):
        return {**found, "cramers_v": distances.cramers_v(p, q)}
    found["kolmogorov_smirnov"] = distances.kolmogorov_smirnov(p, q)
    return {**found, "shift": _shift(before, live)}


def _shift(before: ColumnProfile, live: ColumnProfile) -> float:
    """Change of the mean, in the reference's standard deviations."""
    return live.z / max(live.rows - live.missing, 1) - before.z / max(before.rows - before.missing, 1)


def _direction(before: ColumnProfile, live: ColumnProfile) -> str:
    """How the mean moved, in the column's own unit."""
    if before.bins.kind in ("category", "text"):
        return ""
    shift = _shift(before, live)
    was = before.bins.shift + before.bins.scale * before.z / max(before.rows - before.missing, 1)
    now = was + before.bins.scale * shift
    return f"; its mean went from {was:.4g} to {now:.4g}, by {shift:+.2f} standard deviations"
