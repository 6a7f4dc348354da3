"""What was found, less what is expected, with its likely causes: before it is recorded."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.contract.errors import FairleadError
from fairlead.contract.events import Finding
from fairlead.ops.flow.expecting import amendments_of
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.monitor.amendments import unexpected
from fairlead.ops.monitor.causes import explain
from fairlead.ops.monitor.seen import Seen


def reasoned(ws: Workspace, bundle: str, findings: Sequence[Finding], seen: Seen) -> list[Finding]:
    """Findings of a window as they are told: without levels that a person marked as expected, with causes and cost."""
    left = unexpected(findings, amendments_of(ws, bundle), seen.window.end)
    if not left:
        return left
    model = ws.load(bundle)
    # A model that runs its own code in a process answers rows, and is not asked what would be if.
    score = model.score_columns if hasattr(model, "front") else None
    try:
        return explain(left, seen, score)
    except FairleadError:
        return explain(left, seen)
