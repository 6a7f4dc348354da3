"""Verbs that keep a model healthy: collect, watch, retrain."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from fairlead.ops.flow import Workspace

Answer = dict[str, Any]


def collect(ws: Workspace) -> Answer:
    """See `Project.collect`."""
    from fairlead.runtime.capture import collect as bring_in

    done = bring_in(ws.home.root)
    answer = {"records": done.records, "labels": done.labels, "segments": done.segments}
    from fairlead.ops.flow.keeping import keep, keeps

    return {**answer, "stored": msgspec.to_builtins(keep(ws))} if keeps(ws) else answer


def watch(ws: Workspace) -> Answer:
    """See `Project.watch`. Collects first, so that one call sees all that was answered."""
    from fairlead.ops.flow.loop import Loop
    from fairlead.runtime.capture import collect as bring_in

    bring_in(ws.home.root)
    return answer_of(Loop(ws).once())


def answer_of(seen: Any) -> Answer:
    """A pass as `--json` prints it."""
    return {
        "windows": [msgspec.to_builtins(w) for w in seen.windows],
        "findings": [msgspec.to_builtins(f) for f in seen.findings],
        "decisions": [msgspec.to_builtins(d) for d in seen.decisions],
    }


def follow(ws: Workspace, every_s: float, stop: Callable[[], bool] = lambda: False) -> Iterator[Answer]:
    """See `Project.watching`."""
    from fairlead.ops.flow.loop import Loop

    loop = Loop(ws)
    while not stop():
        started = time.monotonic()
        answer = answer_of(loop.once())
        if answer["windows"] or answer["findings"] or answer["decisions"]:
            yield answer
        ws.outbox.deliver(ws.clock())
        rest = every_s - (time.monotonic() - started)
        while rest > 0 and not stop():
            time.sleep(min(rest, 0.2))
            rest = every_s - (time.monotonic() - started)


def retrain(ws: Workspace, progress: Callable[..., None] | None) -> Answer:
    """See `Project.retrain`."""
    from fairlead.ops.flow.retrain import retrain as renew
    from fairlead.ops.flow.retrain import try_out

    done = renew(ws, why="asked for by hand", progress=progress)
    waits = "" if done.version is None else try_out(ws, done.version, "retrained by hand")
    return {
        "candidate": done.learner,
        "bundle": done.bundle,
        "verdict": done.verdict,
        "version": done.version,
        "window": done.window,
        "left_out": done.left_out,
        "notes": list(done.notes),
        "report": done.report,
        "waits_for": waits,
    }
