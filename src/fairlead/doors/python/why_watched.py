"""Why each check of the newest windows spoke or was silent, as `fairlead watch --explain` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from fairlead.ops.flow import Workspace

Answer = dict[str, Any]


def why_watched(ws: Workspace, last: int) -> Answer:
    """See `Project.watch_explained`."""
    from fairlead.ops.flow.telling import spent, told_of
    from fairlead.ops.monitor import window_spec
    from fairlead.ops.monitor.windows import DAY, MONTH_DAYS

    windows = told_of(ws)[-last:]
    used = spent(ws, max((window.end for window in windows), default=ws.clock()))
    spec = window_spec(ws.settings)
    return {
        "model": ws.model,
        "window": ws.settings.monitor.window or (f"{spec.rows}rows" if spec.rows else f"{spec.seconds / DAY:g}d"),
        "budget": {
            "false_alarms_per_month": used.a_month,
            "alarms_in_30_days": used.alarms,
            "days": MONTH_DAYS,
            "parts": used.parts,
        },
        "windows": [msgspec.to_builtins(window) for window in reversed(windows)],
    }
