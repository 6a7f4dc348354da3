"""The machine attended to while a pass of the watcher goes on: a pass that retrains takes minutes, a full disk none."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fairlead.contract.beats import BEAT_S
from fairlead.contract.events import Finding
from fairlead.ops.flow.beside import Beside
from fairlead.ops.flow.infrastructure import look_at_machine
from fairlead.ops.flow.workspace import Workspace


def attend(ws: Workspace) -> list[Finding]:
    """One look: judge the newest minute, tell of what began, and let waiting messages out. Returns what began.

    Only what concerns the machine is told from here: of a window people are told when the pass that judged it has
    decided what to do about it.
    """
    intent = ws.state.intent(ws.model)
    if intent is None or not intent.variants:
        return []
    begun = look_at_machine(ws)
    for finding in begun:
        ws.outbox.notice(finding)
    # What hangs is left to its thread: the next beat is due in seconds.
    ws.outbox.send(ws.clock(), wait_s=0.0)
    return begun


def attended(ws: Workspace, told: Callable[[str], None], every_s: float = BEAT_S) -> Beside:
    """One look a beat beside the watcher. told: called with a line where something was found or failed."""

    def lines(mine: Workspace) -> Iterator[str]:
        for finding in attend(mine):
            yield f"found: {finding.message}"

    return Beside(ws, lines, told, every_s, "the machine could not be looked at")
