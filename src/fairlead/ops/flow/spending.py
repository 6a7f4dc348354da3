"""What retrainings cost: a ledger of the processor's time, by which a budget is kept."""

from __future__ import annotations

import resource
import time
from types import TracebackType

import msgspec

from fairlead.ops.flow.situation import Spent
from fairlead.ops.flow.workspace import Workspace

MONTH_S = 30 * 86_400.0
MOST = 500
"""Retrainings that are remembered."""


class Entry(msgspec.Struct, frozen=True):
    """One retraining. at: event time of its decision; cpu_s, seconds: of this process and its children."""

    at: float
    cpu_s: float
    seconds: float


class Stopwatch:
    """Processor and wall seconds of a block, its child processes included once they have ended."""

    cpu_s = 0.0
    seconds = 0.0

    def __enter__(self) -> Stopwatch:
        self._cpu, self._wall = _cpu(), time.monotonic()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.cpu_s, self.seconds = _cpu() - self._cpu, time.monotonic() - self._wall


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def entries(ws: Workspace) -> list[Entry]:
    """Every retraining that is remembered, oldest first."""
    kept = ws.state.get(f"retrainings:{ws.model}")
    return [] if kept is None else msgspec.json.decode(kept, type=list[Entry])


def enter(ws: Workspace, entry: Entry) -> None:
    """Remember one, in the caller's transaction."""
    ws.state.put(f"retrainings:{ws.model}", msgspec.json.encode([*entries(ws), entry][-MOST:]))


def spent(ws: Workspace, now: float) -> Spent:
    """Of the last 30 days before event time `now`."""
    every = entries(ws)
    lately = [one for one in every if now - MONTH_S < one.at <= now]
    newest = every[-1].cpu_s if every else 0.0
    return Spent(len(lately), sum(one.cpu_s for one in lately), newest)
