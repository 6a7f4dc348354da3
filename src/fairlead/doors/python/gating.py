"""Verbs by which people answer for a bundle: waive, approve."""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.ops.flow import Workspace

Answer = dict[str, Any]


def waive(ws: Workspace, reference: str | None, check: str, *, by: str, reason: str, until: str) -> Answer:
    """See `Project.waive`."""
    from fairlead.ops.flow import making, recording, waiving

    bundle = making.resolve_bundle(ws, reference)
    made = waiving.waive(ws, bundle, check, by=by, reason=reason, until=until)
    recording.renew(ws, bundle)
    now = waiving.standing(ws, bundle)
    return {
        "bundle": bundle,
        "check": made.check,
        "by": made.by,
        "reason": made.reason,
        "until": waiving.day_of(made.until),
        "waived": msgspec.to_builtins(made.was),
        "verdict": now.outcome,
        "held_back_by": [c.name for c in now.held],
    }


def approve(ws: Workspace, reference: str | None, *, by: str, reason: str = "") -> Answer:
    """See `Project.approve`."""
    from fairlead.ops.flow import approving, making, recording, waiving

    bundle = making.resolve_bundle(ws, reference)
    made = approving.approve(ws, bundle, by=by, reason=reason)
    recording.renew(ws, bundle)
    return {
        "bundle": bundle,
        "by": made.by,
        "reason": made.reason,
        "approvals": [msgspec.to_builtins(one) for one in approving.approvals(ws, bundle)],
        "missing": list(approving.missing(ws, bundle)),
        "verdict": waiving.standing(ws, bundle).outcome,
    }
