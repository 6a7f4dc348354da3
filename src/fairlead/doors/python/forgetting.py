"""The verb `forget`."""

from __future__ import annotations

from typing import Any

from fairlead.ops.flow import Workspace

Answer = dict[str, Any]


def forget(ws: Workspace, key: str, column: str | None, request: bool, every_model: bool, wait_s: float) -> Answer:
    """See `Project.forget`."""
    from fairlead.ops.flow.forgetting import forget as erase
    from fairlead.ops.keep.taking import let_go

    let_go(ws.home.root)
    return erase(ws, key, column=column, request=request, every_model=every_model, wait_s=wait_s)
