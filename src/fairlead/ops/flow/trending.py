"""The figure of an incident over the windows, from before it began: what its small plot shows."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fairlead.contract.events import Finding, Window
from fairlead.contract.incidents import MOST_POINTS, Incident, Trend
from fairlead.contract.profile import ColumnProfile, Profile
from fairlead.ops.alerts.belonging import leading, trend_of
from fairlead.ops.flow.workspace import Workspace

WINDOWS = 26
MOST_INCIDENTS = 20
_MISSING = frozenset({"missing", "imputed", "nulls", "missing_block"})


def follow(ws: Workspace, event: float) -> None:
    """Bring the trends of incidents that last up to date, in the caller's transaction or one of its own.

    event: event time up to which windows have been looked at, for figures that no window has.
    """
    with ws.state.transaction():
        lasting = [i for i in ws.state.incidents(ws.model, last=MOST_INCIDENTS) if i.open]
        windows = ws.state.windows(ws.model, last=WINDOWS) if lasting else []
        for incident in lasting:
            trend = _trend(ws, incident, windows, event)
            if trend != incident.trend:
                ws.state.put_incident(msgspec.structs.replace(incident, trend=trend))


def _trend(ws: Workspace, incident: Incident, windows: Sequence[Window], event: float) -> Trend | None:
    findings = [row.finding for row in ws.state.incident_findings(incident.id) if row.closed_at is None]
    if not findings:
        return incident.trend
    lead = leading(findings)
    if lead.area in ("performance", "concept_drift"):
        points = [(w.end, w.metrics["loss"]) for w in windows if "loss" in w.metrics]
        return Trend("mean loss", "", tuple(points[-MOST_POINTS:]), usual=lead.evidence.get("promised"))
    if lead.area == "code":
        # What a version did is told once; it has no course.
        return incident.trend
    if lead.area == "traffic":
        return Trend("rows", "a window", tuple((w.end, float(w.rows)) for w in windows))
    if lead.check == "stuck":
        return trend_of(incident, lead, event)
    column = next((f.columns[0] for f in (lead, *findings) if f.columns and f.window >= 0), "")
    about = next((f for f in (lead, *findings) if column in f.columns), lead)
    found = _column(ws, about, column, windows) if column else None
    return found if found is not None else trend_of(incident, lead, event)


def _column(ws: Workspace, finding: Finding, name: str, windows: Sequence[Window]) -> Trend | None:
    """The share of missing cells, or the mean, of a column; None for one that no profile tells so."""
    from fairlead.lab.stats import decode_profile

    share = finding.check in _MISSING
    points = []
    for window in windows:
        kept = ws.state.window_profile(ws.model, window.index)
        value = figure(decode_profile(kept), name, share) if kept is not None and window.rows else None
        if value is not None:
            points.append((window.end, value))
    if not points:
        return None
    reference = ws.load(windows[-1].bundle).reference.profile if windows[-1].bundle else None
    usual = figure(reference, name, share) if reference is not None else None
    if share:
        limit = finding.evidence.get("limit") if finding.check == "missing" else None
        return Trend(f"missing cells of {name}", "share", tuple(points), limit, usual)
    return Trend(f"mean of {name}", "", tuple(points), None, usual)


def figure(profile: Profile, name: str, share: bool) -> float | None:
    """One column of one profile as a number: the share of its missing cells, or its mean."""
    column: ColumnProfile | None = next((c for c in (*profile.columns, *profile.scores) if c.bins.name == name), None)
    if column is None or not column.rows:
        return None
    if share:
        return column.missing / column.rows
    present = column.rows - column.missing
    if not present or column.bins.categories or column.bins.kind in ("category", "text"):
        return None
    return column.bins.shift + column.bins.scale * column.z / present
