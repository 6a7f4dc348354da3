"""The verb `reproduce`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from fairlead.ops.flow import Workspace

Answer = dict[str, Any]


def reproduce(ws: Workspace, version: str | int | None, data: Any, progress: Callable[..., None] | None) -> Answer:
    """See `Project.reproduce`."""
    from fairlead.ops.flow.reproducing import reproduce as make_again

    reference = None if version is None else str(version)
    found = make_again(ws, reference, source=data, progress=progress)
    answer: Answer = msgspec.json.decode(msgspec.json.encode(found))
    return answer
