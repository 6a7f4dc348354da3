"""The verb `release` where Git says what answers."""

from __future__ import annotations

from typing import Any

from fairlead.ops.flow import Workspace


def release_from_git(ws: Workspace, tag: str | None, despite: str) -> dict[str, Any]:
    """See `Project.release_from_git`."""
    from fairlead.ops.flow import releasing

    done = releasing.release_from_git(ws, tag, despite=despite)
    return {
        "model": ws.model,
        "champion": done.said.version,
        "bundle": done.said.bundle,
        "previous": done.previous,
        "changed": done.changed,
        "tag": done.said.tag or None,
        "commit": done.said.commit,
        "signer": done.said.signer or None,
        "generation": done.generation,
        "confirmed": done.confirmed,
    }
