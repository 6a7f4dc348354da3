"""The verb about channels of alerts."""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.ops.flow import Workspace

MOST_MESSAGES = 20


def alerts(ws: Workspace, test: bool = False) -> dict[str, Any]:
    """See `Project.alerts`."""
    from fairlead.ops.flow.alerting import states_of, try_channels

    tried = [msgspec.to_builtins(one) for one in try_channels(ws)] if test else []
    newest = ws.state.messages(last=MOST_MESSAGES)
    told = [{"at": m.created_at, "kind": m.kind, "state": m.state, "title": m.title} for m in newest]
    return {"channels": [msgspec.to_builtins(one) for one in states_of(ws)], "messages": told, "tried": tried}
