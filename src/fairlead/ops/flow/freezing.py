"""Spans of the calendar in which nothing that answers is changed, but to protect it."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from fairlead.contract.errors import Frozen
from fairlead.ops.flow.decide import frozen_words
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.project.calendar import held_until


def frozen(ws: Workspace) -> tuple[float, str] | None:
    """Until when nothing may be changed, by the clock on the wall, and the span that says so."""
    spans = ws.settings.rollout.freeze
    return held_until(spans, ws.clock(), ZoneInfo(ws.settings.model.timezone)) if spans else None


def require_thawed(ws: Workspace, despite: str | None = None) -> None:
    """Raises Frozen in such a span. despite: why a person goes on all the same, for the audit log."""
    found = frozen(ws)
    if found is None:
        return
    said = frozen_words(found, ws.settings)
    reason = (despite or "").strip()
    if not reason:
        raise Frozen(f'{said}. Where it cannot wait: --despite-freeze "WHY". `fairlead rollback` works at any time.')
    ws.audit.record(ws.actor, "despite freeze", ws.model, reason, {"freeze": found[1], "until": found[0]})
