"""The verb `compress`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from fairlead.ops.flow import Workspace


def compress(
    ws: Workspace,
    reference: str | None,
    max_loss: float,
    seconds: float,
    only: Sequence[str],
    data: Any,
    progress: Callable[..., None] | None,
) -> dict[str, Any]:
    """See `Project.compress`."""
    from fairlead.ops.flow.compressing import compress as made

    found = made(ws, reference, max_loss=max_loss, seconds=seconds, only=only, source=data, progress=progress)
    return {**msgspec.to_builtins(found), "bundle": found.smaller}
