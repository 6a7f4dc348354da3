"""The machine attended to while a pass of the watcher goes on: a pass that retrains takes minutes, a full disk none."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fairlead.contract.beats import BEAT_S
from fairlead.contract.errors import FairleadError
from fairlead.contract.events import Finding
from fairlead.ops.flow.infrastructure import look_at_machine
from fairlead.ops.flow.workspace import RULE, Workspace

BUSY_S = 30.0


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


class Attendant:
    """One look a beat, in a thread of its own. told: called with a line where something was found or failed."""

    def __init__(self, ws: Workspace, told: Callable[[str], None], every_s: float = BEAT_S) -> None:
        # A database connection and an outbox of its own: a pass holds its for minutes.
        self._ws = Workspace(ws.project, clock=ws.clock, actor=RULE)
        self._told, self._every_s = told, every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fairlead-attendant", daemon=True)

    def __enter__(self) -> Attendant:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(BUSY_S)

    def _run(self) -> None:
        said = ""
        while not self._over.wait(self._every_s):
            try:
                for finding in attend(self._ws):
                    self._told(f"found: {finding.message}")
                said = ""
            except Exception as fault:
                # Whatever it is, the next minute is looked at all the same.
                kind = "" if isinstance(fault, FairleadError) else f"{type(fault).__name__}: "
                if repr(fault) != said:
                    said = repr(fault)
                    self._told(f"the machine could not be looked at, going on: {kind}{fault}")
