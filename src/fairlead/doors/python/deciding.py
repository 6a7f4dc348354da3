"""What was decided, and taking it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from fairlead.ops.flow import Workspace

Answer = dict[str, Any]


def decisions(ws: Workspace, last: int) -> Answer:
    """See `Project.decisions`."""
    from fairlead.ops.flow.undoing import told

    return {"model": ws.model, "decisions": [told(row) for row in ws.state.decisions(ws.model, last=last)]}


def undo(ws: Workspace, decision: str, why: str) -> Answer:
    """See `Project.undo`."""
    from fairlead.ops.flow.undoing import undo as take_back

    return {"model": ws.model, **msgspec.to_builtins(take_back(ws, decision, why=why))}
