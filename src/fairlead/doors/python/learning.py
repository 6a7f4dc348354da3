"""The verb that learns label by label: learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from fairlead.ops.flow import Workspace

Answer = dict[str, Any]


def learn(
    ws: Workspace, progress: Callable[..., None] | None, *, anew: bool = False, stop: Callable[[], bool] = lambda: False
) -> Answer:
    """See `Project.learn`. Collects first, so that one call takes all that was told."""
    from fairlead.ops.flow import online
    from fairlead.ops.flow.leading import leading
    from fairlead.ops.flow.retrain import try_out
    from fairlead.runtime.capture import collect

    collect(ws.home.root)
    with leading(ws):
        done = online.follow(ws, anew=anew, stop=stop, say=progress or (lambda *_args, **_more: None))
        newest, waits = online.untried(ws), ""
        if newest is not None and newest.version is not None:
            waits = try_out(ws, newest.version, f"learned label by label from {newest.rows:,} rows")
            online.taken_up(ws)
    return {**msgspec.to_builtins(done), "waits_for": waits}
