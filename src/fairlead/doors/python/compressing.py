"""The verb `compress`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from fairlead.ops.flow import Workspace


def compress(
    ws: Workspace,
    reference: str | None,
    max_loss: float,
    seconds: float,
    data: Any,
    progress: Callable[..., None] | None,
) -> dict[str, Any]:
    """See `Project.compress`."""
    from fairlead.ops.flow.compressing import compress as made

    found = made(ws, reference, max_loss=max_loss, seconds=seconds, source=data, progress=progress)
    return {**msgspec.to_builtins(found), "bundle": found.smaller}
