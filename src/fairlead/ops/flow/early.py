"""Looks into a window that is still open: once a day (or as its length asks), within the budget of the window.

A sensor that breaks on Monday is told on Tuesday, not when the week is over. What an early look finds begins then and
goes on to the closed window; it ends nothing, since a day knows less than the week before it did.
"""

from __future__ import annotations

import numpy as np

from fairlead.contract.events import Finding, Window
from fairlead.ops.flow.tracker import Tracker, write_tracker
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.monitor import AREAS, carry, look, window_spec
from fairlead.ops.monitor.windows import DAY


def due_early(ws: Workspace, tracker: Tracker, horizon: float) -> Window | None:
    """The open window up to the newest whole day of it that was not looked at yet; None where there is none.

    At most one look a pass: of days that passed unseen, the newest shows what the others did.
    """
    spec = window_spec(ws.settings)
    if tracker.start is None or not spec.timed or spec.seconds <= DAY:
        return None
    end = spec.bounds(spec.index(tracker.start))[1]
    until = tracker.start + np.floor((horizon - tracker.start) / DAY + 1e-9) * DAY
    if until <= max(tracker.start, tracker.looked) or until >= end:
        return None
    return Window(model=ws.model, index=tracker.index, start=tracker.start, end=float(until), state="open")


def look_early(ws: Workspace, tracker: Tracker, window: Window) -> list[Finding]:
    """Look at it; returns what began."""
    from fairlead.ops.flow import closing
    from fairlead.ops.flow.reasons import reasoned
    from fairlead.ops.flow.seeing import memories_of, pace_of, remember, seen_of
    from fairlead.ops.flow.telling import tell

    view = closing.view_of(ws, tracker.champion, window.start, window.end)
    profile = closing.profile_of(ws, tracker.champion, view, window)
    opened = Window(window.model, window.index, window.start, window.end, rows=view.rows, bundle=tracker.champion)
    seen = seen_of(ws, tracker, opened, profile, view)
    found = look("inputs", seen, memories_of(ws), pace_of(ws, tracker), closing.troubled(ws))
    with ws.state.transaction():
        before = [f for f in ws.state.findings(ws.model) if f.area in AREAS["inputs"]]
        carried = carry(before, reasoned(ws, tracker.champion, found.findings, seen))
        for finding in (*carried.started, *carried.continuing):
            ws.state.put_finding(finding)
        remember(ws, found.memories)
        tell(ws, opened, found)
        tracker.looked = window.end
        write_tracker(ws, tracker)
    return carried.started
