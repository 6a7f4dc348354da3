"""What is live, since when, why, how healthy, and what it waits for."""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.contract.incidents import Incident
from fairlead.ops.flow.infrastructure import machine_of
from fairlead.ops.flow.leading import leader_of
from fairlead.ops.flow.outdated import outdated
from fairlead.ops.flow.streams import told_streams
from fairlead.ops.flow.undoing import told
from fairlead.ops.flow.waiting import awaited
from fairlead.ops.flow.workspace import Workspace

MOST_INCIDENTS = 50


def told_incident(incident: Incident) -> dict[str, Any]:
    """An incident with every key, whether or not it has anything to say."""
    return {name: msgspec.to_builtins(getattr(incident, name)) for name in incident.__struct_fields__}


def status_of(ws: Workspace) -> dict[str, Any]:
    """The answer of `fairlead status` for this project's model; reads only."""
    from fairlead.runtime.serve import live_workers
    from fairlead.runtime.serve.observing.errors import error_groups

    intent = ws.state.intent(ws.model)
    windows = ws.state.windows(ws.model, last=12)
    workers = live_workers(ws.home.root)
    findings = ws.state.findings(ws.model, open_only=True)
    incidents = ws.state.incidents(ws.model, last=MOST_INCIDENTS)
    decisions = ws.state.decisions(ws.model, last=10)
    errors = [group for group in error_groups(ws.home.root / "run") if group.model in {ws.model, ""}]
    waiting = awaited(ws, intent)
    scored = [w for w in windows if w.state == "scored"]
    return {
        "models": [
            {
                "model": ws.model,
                "deployed": intent is not None and bool(intent.variants),
                "since": intent.since if intent else None,
                "why": intent.why if intent else "nothing is deployed yet: `fairlead up` or `fairlead deploy`",
                "decided_by": intent.decided_by if intent else None,
                "hold": intent.hold if intent else "",
                "rollout": msgspec.to_builtins(intent.rollout) if intent and intent.rollout else None,
                "waits_for": waiting[0].why,
                "awaited": [msgspec.to_builtins(one) for one in waiting],
                "windows": [msgspec.to_builtins(w) for w in windows],
                "metrics": scored[-1].metrics if scored else {},
            }
        ],
        "variants": [msgspec.to_builtins(v) for v in intent.variants] if intent else [],
        "workers": [{**msgspec.to_builtins(w), "url": w.url} for w in workers],
        "streams": told_streams(ws),
        "leader": leader_of(ws),
        "outdated": outdated(ws),
        "machine": machine_of(ws),
        "errors": [msgspec.to_builtins(group) for group in errors],
        "incidents": [told_incident(one) for one in incidents],
        "findings": [msgspec.to_builtins(f) for f in findings],
        "decisions": [told(d) for d in decisions],
    }
