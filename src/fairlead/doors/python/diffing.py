"""The verb `diff`."""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.ops.flow import Workspace

Answer = dict[str, Any]


def diff(ws: Workspace, old: str | int, new: str | int) -> Answer:
    """See `Project.diff`."""
    from fairlead.ops.flow.diffing import as_markdown
    from fairlead.ops.flow.diffing import diff as compare

    found = compare(ws, str(old), str(new))
    answer: Answer = msgspec.json.decode(msgspec.json.encode(found))
    return {**answer, "markdown": as_markdown(found)}
