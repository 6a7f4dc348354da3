"""Reports of windows and incidents, from what is recorded: made when a window is judged, and when somebody asks."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np

from fairlead.contract.errors import FairleadError, NotFound
from fairlead.contract.events import Finding, Window
from fairlead.contract.evidence import Interval
from fairlead.contract.incidents import Incident
from fairlead.ops.alerts.advice import advice
from fairlead.ops.alerts.belonging import leading
from fairlead.ops.alerts.wording import sentence, span
from fairlead.ops.flow.incidents import view as view_of_incident
from fairlead.ops.flow.performing import Reached, reached
from fairlead.ops.flow.telling import Line, told_of
from fairlead.ops.flow.tracker import read_tracker
from fairlead.ops.flow.undoing import reversal
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.reports import (
    ColumnView,
    Decided,
    IncidentReport,
    MetricView,
    Point,
    Spoken,
    WindowReport,
    columns_of,
    write,
)

KEPT = 400
"""Windows whose pages are kept."""

UNWRITTEN = (OSError, FairleadError, ArithmeticError, ValueError)
"""What keeps a page from being written: a full disk, a figure that is no longer there or that no calendar knows."""

TREND = 64
MOST_FINDINGS = 100
MOST_DECISIONS = 50
MOST_SPOKEN = 60


def folder_of(ws: Workspace) -> Path:
    """Where pages of this model's windows and incidents lie."""
    return ws.home.reports / "watch" / ws.model


def write_window(ws: Workspace, window: Window) -> Path | None:
    """The page of a window that was just judged; None where it cannot be made or the disk does not take it, which stops
    no watcher."""
    with contextlib.suppress(*UNWRITTEN):
        page = write(window_report(ws, window), folder_of(ws) / f"window-{window.index:06d}")
        pages = sorted(page.parent.glob("window-*.html"))
        for old in pages[: max(len(pages) - KEPT, 0)]:
            old.unlink(missing_ok=True)
            old.with_suffix(".json").unlink(missing_ok=True)
        return page
    return None


def write_incidents(ws: Workspace) -> None:
    """The pages of incidents that changed since theirs was written; at most 20 a call."""
    written = 0
    for incident in ws.state.incidents(ws.model, standing=False, last=50):
        page = folder_of(ws) / f"incident-{incident.number:05d}.html"
        with contextlib.suppress(*UNWRITTEN):
            if written < 20 and (not page.exists() or page.stat().st_mtime < incident.changed_at):
                write(incident_report(ws, str(incident.number)), page.with_suffix(""))
                written += 1


def window_of(ws: Workspace, index: int | None) -> Window:
    """A window that was judged, the newest without a number. Raises NotFound."""
    newest, first = ws.state.windows(ws.model, last=1), ws.state.first_window(ws.model)
    if not newest or first is None:
        raise NotFound("no window has been judged yet: `fairlead status` says what is waited for.")
    found = ws.state.windows_until(ws.model, index, 1)
    if not found or (index is not None and found[0].index != index):
        raise NotFound(f"window {index} has not been judged: there are {first.index} to {newest[0].index}.")
    return found[0]


def window_report(ws: Workspace, window: Window) -> WindowReport:
    """Everything known of a window now."""
    told = next((one for one in told_of(ws) if one.index == window.index), None)
    spoken = tuple(_spoken(line) for line in told.lines) if told is not None else ()
    findings = findings_in(ws, window)
    performance = reached(ws, window.index)
    promise = read_tracker(ws).promise
    scored = window.state == "scored" and promise is not None and not promise.calibrating
    return WindowReport(
        model=ws.model,
        window=window,
        version=_version(ws, window.bundle),
        made_at=ws.clock(),
        zone=ws.settings.model.timezone,
        headline=headline(window, findings),
        calibration=told.calibration if told is not None else "",
        findings=findings,
        spoken=spoken[:MOST_SPOKEN],
        silent=max(len(spoken) - MOST_SPOKEN, 0) + (told.left_out if told is not None else 0),
        columns=_columns(ws, window, findings, spoken),
        metrics=_metrics(ws, window, performance),
        evidence=min(promise.evidence, 1e300) if scored and promise is not None else None,
        threshold=promise.limit if scored and promise is not None else None,
        promised=promise.loss if scored and promise is not None else None,
        labels=performance.why if performance is not None and window.state == "scored" else "",
        trend=_trend(ws, window.index),
        decisions=_decisions(ws, window.start),
        incidents=tuple((i.number, i.severity, i.title) for i in ws.state.incidents(ws.model) if i.lasts)[:20],
    )


def incident_report(ws: Workspace, reference: str) -> IncidentReport:
    """Everything known of an incident now. Raises NotFound."""
    view = view_of_incident(ws, reference)
    incident = view.incident
    columns: tuple[ColumnView, ...] = ()
    with contextlib.suppress(NotFound):
        window = window_of(ws, incident.last_window if incident.last_window >= 0 else None)
        columns = tuple(c for c in _columns(ws, window, view.findings, ()) if c.name in incident.columns)
    return IncidentReport(
        view=view,
        made_at=ws.clock(),
        zone=ws.settings.model.timezone,
        headline=_incident_headline(incident, view.findings),
        columns=columns,
        trend=_trend(ws, None),
        decisions=_decisions(ws, incident.since),
    )


def headline(window: Window, findings: tuple[Finding, ...]) -> str:
    """A window in a sentence, for whoever reads nothing else."""
    loud = [f for f in findings if f.severity != "info"]
    if not window.rows:
        return "Nobody asked anything." if not loud else f"Nobody asked anything, and {len(loud)} findings stand."
    if not loud:
        more = " and answers were as good as promised" if window.state == "scored" and window.labelled else ""
        return f"Nothing left its usual range{more}."
    first = loud[0].message[:1].upper() + loud[0].message[1:]
    return f"{first}." if len(loud) == 1 else f"{first}; {len(loud) - 1} more left their usual range."


def _incident_headline(incident: Incident, findings: tuple[Finding, ...]) -> str:
    """What it is, what more belongs to it, and what to do or how it ended."""
    alarms = [f for f in findings if f.severity != "info"] or list(findings)
    going = [f for f in alarms if f.id in incident.open] or alarms
    if not going:
        return "It is over." if not incident.lasts else "It lasts."
    lead = leading(going)
    first = sentence(lead.message[:1].upper() + lead.message[1:])
    more = len(findings) - 1
    things = f" {'One more finding belongs' if more == 1 else f'{more} more findings belong'} to it." if more else ""
    if not incident.lasts:
        ended = incident.ended if incident.ended is not None else incident.changed_at
        return f"{first}{things} It is over after {span(max(0.0, ended - (incident.first or incident.since)))}."
    return f"{first}{things} {advice(incident, [lead])}".rstrip()


def findings_in(ws: Workspace, window: Window) -> tuple[Finding, ...]:
    """Findings that stood in a window, the gravest first."""
    order = {"critical": 0, "warning": 1, "info": 2}
    found: list[Finding] = []
    for finding in ws.state.findings(ws.model, open_only=False, last=MOST_FINDINGS):
        if finding.since >= window.end:
            continue
        row = ws.state.finding(finding.id)
        lasted = row is not None and (row.closed_at is None or row.closed_at > window.end)
        if finding.window == window.index or lasted:
            found.append(finding)
    return tuple(sorted(found, key=lambda f: (order[f.severity], -f.since)))


def _spoken(line: Line) -> Spoken:
    return Spoken(
        line.check, line.key, line.value, line.limit, line.usual, line.speaks, line.why, line.unit, line.against,
        line.p, line.provisional,
    )  # fmt: skip


def _columns(
    ws: Workspace, window: Window, findings: tuple[Finding, ...], spoken: tuple[Spoken, ...]
) -> tuple[ColumnView, ...]:
    from fairlead.lab.stats import decode_profile

    kept = ws.state.window_profile(ws.model, window.index)
    if kept is None or not window.bundle or not window.rows:
        return ()
    kinds = {"drift": "columns", "scores": "scores"}
    judged = {(kinds[s.check], s.key): (s.value, s.limit) for s in spoken if s.check in kinds}
    return columns_of(ws.load(window.bundle).reference.profile, decode_profile(kept), findings, judged)


def _metrics(ws: Workspace, window: Window, performance: Reached | None) -> tuple[MetricView, ...]:
    from fairlead.lab.stats.further import LOWER_IS_BETTER

    if performance is None:
        return ()
    held_out = ws.load(window.bundle).reference.held_out if window.bundle else ()
    usual: dict[str, list[float]] = {}
    for one in held_out:
        for name, value in one.metrics.items():
            if np.isfinite(value):
                usual.setdefault(name, []).append(value)

    def view(name: str, value: Interval, estimated: bool) -> MetricView:
        before = float(np.mean(usual[name])) if name in usual else None
        unsure = estimated and performance.unsure
        return MetricView(name, value, before, estimated, name not in LOWER_IS_BETTER and name != "loss", unsure)

    found = [view(name, value, False) for name, value in performance.newest.items()]
    return (*found, *(view(name, value, True) for name, value in performance.estimated.items()))


def _trend(ws: Workspace, index: int | None) -> tuple[Point, ...]:
    windows = ws.state.windows_until(ws.model, index, TREND)
    return tuple(
        Point(
            w.index, w.start, w.end, w.rows, w.labelled,
            {name: value for name, value in w.metrics.items() if np.isfinite(value)},
        )
        for w in windows
    )  # fmt: skip


def _decisions(ws: Workspace, since: float) -> tuple[Decided, ...]:
    rows = [row for row in ws.state.decisions(ws.model, last=200) if row.decision.at >= since]
    made = [row for row in rows if row.decision.action != "alert"][-MOST_DECISIONS:]
    return tuple(
        Decided(r.decision.id, r.decision.action, r.decision.at, r.decision.why, r.outcome or r.state, reversal(r))
        for r in made
    )


def _version(ws: Workspace, bundle: str) -> int:
    found = ws.state.find_bundle(bundle) if bundle else None
    return found.number if found is not None else 0
