"""The verb that replays a project's history: which settings are worth it, and is watching worth it at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from fairlead.ops.flow import Workspace

Answer = dict[str, Any]
POLICIES = ("never", "always", "scheduled", "performance", "project")


class Asked(msgspec.Struct, frozen=True):
    """How to rehearse; see `Project.rehearse`."""

    policies: tuple[str, ...] = ()
    windows: bool = False
    faults: int = 0
    tune: bool = False
    jobs: int = 1
    write: bool = False
    copies: int = 2


def rehearse(ws: Workspace, data: Any, asked: Asked, progress: Callable[..., None] | None) -> Answer:
    """See `Project.rehearse`."""
    from fairlead.ops.rehearse.replayable import require_replayable

    require_replayable(ws.settings)
    # After it, as they take seconds to import and the table longer to read.
    from fairlead.ops.flow import making
    from fairlead.ops.rehearse import rehearse as replay
    from fairlead.ops.rehearse import write_rehearsal

    frame = making.training_frame(ws, data)
    policies = asked.policies or POLICIES
    rehearsal = replay(
        frame, ws.settings, policies=policies, progress=progress, windows=asked.windows, faults=asked.faults,
        tune=asked.tune, jobs=asked.jobs, shuffled=asked.copies, folder=ws.home.root / "cache" / "rehearsal",
    )  # fmt: skip
    page = write_rehearsal(rehearsal, ws.home.reports / "rehearsal")
    return {**rehearsal.answer(), "report": str(page), **proposed(ws, rehearsal, asked.write)}


def proposed(ws: Workspace, rehearsal: Any, write: bool) -> Answer:
    """What the recommendation would change in the project file: `diff`; with `write` it is written, and `backup` names
    the file of before."""
    from fairlead.ops.project.changing import change_file
    from fairlead.ops.rehearse.recommending import settings_of

    told = rehearsal.recommendation
    if told is None or not told.changes:
        return {"diff": "", "backup": None}
    changed = change_file(ws.project.root / "fairlead.toml", settings_of(told), "rehearsal", write=write)
    if changed.backup is not None:
        details = {"changes": settings_of(told), "backup": changed.backup.name}
        ws.audit.record(ws.actor, "configure", ws.model, "; ".join(told.evidence[:1]), details)
    return {"diff": changed.diff, "backup": None if changed.backup is None else str(changed.backup)}
