"""Inputs and scores of a window against the reference: one finding a column that left its everyday variation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from fairlead.contract.events import Finding
from fairlead.contract.profile import ColumnProfile, Profile, Reference
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.thresholds import Limit, Thresholds, bin_groups, distances_on

# Columns that carry less than this share of the model's importance inform, they do not warn.
UNIMPORTANT = 0.01
LEAST_ROWS = 30
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
    """Columns and scores whose distance from the reference leaves the limits; empty while calibrating.

    profile: of the window, counted in the reference's bins. importance: any measure of how much the model uses each
    column. size: Jensen-Shannon distance with its 95 % interval; `since` is the window's start, which `carry`
    replaces by the first window of the same trouble. A window of fewer rows than those calibrated on may lie further
    away, as its noise does; under 30 rows nothing is judged.
    """
    if thresholds.calibrating or profile.rows < LEAST_ROWS:
        return []
    known = {c.bins.name: c for c in reference.profile.columns}
    outputs = {c.bins.name: c for c in reference.profile.scores}
    total = sum(abs(v) for v in importance.values()) if importance else 0.0
    found: list[Finding] = []
    for live in profile.columns:
        limit, before = thresholds.columns.get(live.bins.name), known.get(live.bins.name)
        if limit is not None and before is not None:
            share = abs(importance.get(live.bins.name, 0.0)) / total if importance and total > 0 else 1.0
            severity: Literal["info", "warning"] = "info" if share < UNIMPORTANT else "warning"
            found += _compare(before, live, limit, "data_drift", severity, model, window, profile.start)
    for live in profile.scores:
        limit, before = thresholds.scores.get(live.bins.name), outputs.get(live.bins.name)
        if limit is not None and before is not None:
            found += _compare(before, live, limit, "score_drift", "warning", model, window, profile.start)
    return sorted(found, key=lambda f: -f.size / f.evidence["limit"])


def _compare(
    before: ColumnProfile,
    live: ColumnProfile,
    limit: Limit,
    area: Literal["data_drift", "score_drift"],
    severity: Literal["info", "warning"],
    model: str,
    window: int,
    since: float,
) -> list[Finding]:
    p, q = np.asarray(before.counts, dtype=np.float64), np.asarray(live.counts, dtype=np.float64)
    if q.sum() < LEAST_ROWS or p.sum() <= 0 or p.shape != q.shape:
        return []
    groups = bin_groups(before)
    size = float(distances_on(p, q[None, :], groups)[0])
    # Noise of a distance falls with the root of the rows.
    allowed = limit.limit * max(1.0, np.sqrt(limit.rows / q.sum()))
    if size < allowed:
        return []
    low, high = _interval(p, q, groups, size)
    name = live.bins.name
    check = "drift" if area == "data_drift" else "scores"
    evidence = {"limit": float(allowed), "usual": limit.centre, **_details(before, live, p, q)}
    what = f"{name} moved" if area == "data_drift" else f"the scores ({name}) moved"
    told = f"{what}: distance {size:.3f} from the reference, usual {limit.centre:.3f}, alarm from {allowed:.3f}"
    return [
        Finding(
            id=finding_id(model, check, (name,), since),
            model=model,
            area=area,
            check=check,
            window=window,
            since=since,
            size=size,
            low=low,
            high=high,
            unit="Jensen-Shannon distance",
            message=told + _direction(before, live),
            columns=(name,),
            severity=severity,
            evidence=evidence,
        )
    ]


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
    if before.bins.kind in ("category", "text"):
        return ""
    return f"; its mean moved by {_shift(before, live):+.2f} standard deviations"
