"""Reports of windows and incidents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from fairlead.ops.flow import Workspace

Answer = dict[str, Any]


def report(ws: Workspace, window: int | None, incident: str | None, out: str | Path | None) -> Answer:
    """See `Project.report`."""
    from fairlead.contract.errors import UsageError
    from fairlead.ops.flow.reporting import folder_of, incident_report, window_of, window_report
    from fairlead.ops.reports import IncidentReport, WindowReport, write

    if window is not None and incident is not None:
        raise UsageError("a report is about a window or about an incident: choose one.")
    made: WindowReport | IncidentReport
    if incident is not None:
        made = incident_report(ws, incident)
        name = f"incident-{made.view.incident.number:05d}"
    else:
        found = window_of(ws, window)
        made, name = window_report(ws, found), f"window-{found.index:06d}"
    stem = folder_of(ws) / name if out is None else Path(out).with_suffix("")
    page = write(made, stem)
    answer: Answer = json.loads(msgspec.json.encode(made))
    return {**answer, "report": str(page)}
