"""Verbs about incidents: list, look, acknowledge, assign, comment, snooze, mark as expected."""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.ops.flow import Workspace
from fairlead.ops.flow.status import told_incident as told

Answer = dict[str, Any]


def incidents(ws: Workspace, every: bool = False, last: int = 100) -> Answer:
    """See `Project.incidents`."""
    from fairlead.ops.flow.incidents import incidents_of

    return {"incidents": [told(one) for one in incidents_of(ws, every=every, last=last)]}


def incident(ws: Workspace, reference: str | int) -> Answer:
    """See `Project.incident`."""
    from fairlead.ops.alerts.advice import advice
    from fairlead.ops.alerts.belonging import leading
    from fairlead.ops.flow.incidents import view

    seen = view(ws, str(reference))
    going = [f for f in seen.findings if f.id in seen.incident.open]
    merged = seen.incident.merged_into
    into = ws.state.incident(merged) if merged else None
    return {
        **told(seen.incident),
        "advice": advice(seen.incident, [leading(going)]) if going else "",
        "merged_number": into.number if into is not None else None,
        "timeline": [msgspec.to_builtins(entry) for entry in seen.timeline],
        "cut": seen.cut,
        "found": [msgspec.to_builtins(finding) for finding in seen.findings],
    }


def ack(ws: Workspace, reference: str | int, why: str = "") -> Answer:
    """See `Project.ack`."""
    from fairlead.ops.flow.incidents import acknowledge

    return told(acknowledge(ws, str(reference), why))


def assign(ws: Workspace, reference: str | int, who: str) -> Answer:
    """See `Project.assign`."""
    from fairlead.ops.flow.incidents import assign as give

    return told(give(ws, str(reference), who))


def comment(ws: Workspace, reference: str | int, text: str) -> Answer:
    """See `Project.comment`."""
    from fairlead.ops.flow.incidents import comment as say

    return told(say(ws, str(reference), text))


def snooze(ws: Workspace, reference: str | int, span: str, why: str = "") -> Answer:
    """See `Project.snooze`."""
    from fairlead.ops.flow.incidents import reopen
    from fairlead.ops.flow.incidents import snooze as silence

    if span in ("0", "off"):
        return told(reopen(ws, str(reference), why))
    return told(silence(ws, str(reference), span, why))


def expected(ws: Workspace, reference: str | int, why: str = "", *, undo: bool = False) -> Answer:
    """See `Project.expected`."""
    from fairlead.ops.flow.expecting import expect, unexpect

    done = unexpect(ws, str(reference), why) if undo else expect(ws, str(reference), why)
    return {**told(done.incident), "columns": list(done.amendment.columns), "levels": done.amendment.levels,
            "stays": list(done.stays), "bundle": done.amendment.bundle, "amendment": done.amendment.id}  # fmt: skip
