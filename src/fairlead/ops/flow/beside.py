"""What is looked at every so often in a thread beside the watcher, whose passes may take minutes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from fairlead.contract.errors import FairleadError
from fairlead.ops.flow.workspace import RULE, Workspace

BUSY_S = 30.0
"""A look that goes on when all is to end is waited for so long."""


class Beside:
    """One look every `every_s` seconds, until it is left. Whatever fails, the next look is made all the same.

    look: what came of it, a line each; told: called with those lines, and once with what failed, headed by `failed`.
    """

    def __init__(
        self,
        ws: Workspace,
        look: Callable[[Workspace], Iterable[str]],
        told: Callable[[str], None],
        every_s: float,
        failed: str,
    ) -> None:
        # A database connection of its own: passes of the watcher hold theirs for minutes.
        self._ws = Workspace(ws.project, clock=ws.clock, actor=RULE, leader=ws.leader)
        self._look, self._told, self._every_s, self._failed = look, told, every_s, failed
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fairlead-beside", daemon=True)

    def __enter__(self) -> Beside:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(BUSY_S)

    def _run(self) -> None:
        said = ""
        while not self._over.wait(self._every_s):
            if self._ws.leader is not None and not self._ws.leader.leads:
                continue
            try:
                for line in self._look(self._ws):
                    self._told(line)
                said = ""
            except Exception as fault:
                kind = "" if isinstance(fault, FairleadError) else f"{type(fault).__name__}: "
                if repr(fault) != said:
                    said = repr(fault)
                    self._told(f"{self._failed}, going on: {kind}{fault}")
