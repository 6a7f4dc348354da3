"""Every decision can be taken back by a person, as long as nothing else has followed upon it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from fairlead.contract.errors import UsageError
from fairlead.contract.events import Decision
from fairlead.ops.flow import release
from fairlead.ops.flow.tracker import read_tracker, turn, write_tracker
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.state import Intent
from fairlead.ops.state.rows import DecisionRow

LATEST = 200
"""Decisions among which one is looked for."""

TURN_S = 60.0
"""How long the pass that is going on is waited for."""

REVERSIBLE = ("promote", "canary", "end_rollout", "roll_back", "retrain")


class Undone(msgspec.Struct, frozen=True):
    """decision: its id. action: what it did. how: what was done instead, in words."""

    decision: str
    action: str
    how: str


def undo(ws: Workspace, id: str = "", *, why: str = "undone by hand") -> Undone:
    """Take a decision back: the one whose id begins with `id`, or the newest that moved anything.

    Raises UsageError for one that is not known, that moved nothing, or upon which something else has followed.
    """
    row = found(ws, id)
    decision = row.decision
    how = _BACK[decision.action](ws, decision, f"{why} ({decision.action.replace('_', ' ')}: {decision.why})")
    ws.audit.record(ws.actor, "undo", ws.model, why, {"decision": decision.id, "action": decision.action, "how": how})
    return Undone(decision.id, decision.action, how)


def found(ws: Workspace, id: str) -> DecisionRow:
    """The decision that is meant."""
    rows = ws.state.decisions(ws.model, last=LATEST)
    if id:
        meant = [row for row in rows if row.decision.id.startswith(id)]
        if len(meant) != 1:
            what = "is no decision" if not meant else "begins several decisions"
            raise UsageError(f"{id!r} {what} of the last {LATEST}: `fairlead decisions` lists them.")
    else:
        meant = [row for row in rows if row.decision.action in REVERSIBLE and row.outcome == "done"][-1:]
        if not meant:
            raise UsageError(
                "nothing was decided yet by a rule that moved anything; `fairlead rollback` goes back from what a "
                "person deployed or promoted."
            )
    row = meant[0]
    if row.decision.action not in REVERSIBLE:
        raise UsageError(f"decision {row.decision.id[:8]} ({row.decision.action}) moved nothing.")
    if row.outcome != "done":
        raise UsageError(f"decision {row.decision.id[:8]} was not carried out: {row.details.get('why', row.state)}.")
    return row


def _promoted(ws: Workspace, decision: Decision, why: str) -> str:
    intent = _as_left(ws, decision, champion=int(decision.details["version"]), challenger=None)
    release.roll_back(ws, why=why)
    return f"version {intent.previous} answers again; held until `fairlead release`"


def _tried(ws: Workspace, decision: Decision, why: str) -> str:
    version = int(decision.details["version"])
    intent = _intent(ws)
    if not any(v.name == "challenger" and v.version == version for v in intent.variants):
        raise _followed(decision)
    release.end_rollout(ws, why=why)
    return f"version {version} is on trial no longer"


def _ended(ws: Workspace, decision: Decision, why: str) -> str:
    version = int(decision.details["version"])
    intent = _intent(ws)
    if len(intent.variants) != 1 or intent.variants[0].version == version:
        raise _followed(decision)
    release.deploy(ws, version, mode="canary", share=ws.settings.rollout.start, why=why)
    return f"version {version} is tried again on {ws.settings.rollout.start:.0%} of requests, judged from now on"


def _rolled_back(ws: Workspace, decision: Decision, why: str) -> str:
    _as_left(ws, decision, champion=int(decision.details["version"]), challenger=None)
    gone = ws.state.find_bundle(str(decision.details["from"]))
    if gone is None:
        raise UsageError(f"decision {decision.id[:8]}: the version it took away is not registered any more.")
    release.deploy(ws, gone.number, mode="replace", why=why)
    held = _intent(ws).hold
    if held != "frozen":
        held = release.hold(ws, "pinned", why=why).hold
    return f"version {gone.number} answers again, {held} so that no rule takes it away; `fairlead release` lifts that"


def _retrained(ws: Workspace, decision: Decision, why: str) -> str:
    lock = turn(ws)
    if not lock.take(TURN_S):
        raise UsageError(f"the watcher of {ws.model} is at work (retraining takes a while): try again later.")
    try:
        with ws.state.transaction():
            tracker = read_tracker(ws)
            waiting = tracker.candidate
            if waiting is None or waiting.made_at != decision.at:
                raise _followed(decision)
            tracker.candidate = None
            write_tracker(ws, tracker)
    finally:
        lock.release()
    return f"version {waiting.version} will not be tried; it stays registered"


_BACK: dict[str, Callable[[Workspace, Decision, str], str]] = {
    "promote": _promoted,
    "canary": _tried,
    "end_rollout": _ended,
    "roll_back": _rolled_back,
    "retrain": _retrained,
}


def _intent(ws: Workspace) -> Intent:
    intent = ws.state.intent(ws.model)
    if intent is None or not intent.variants:
        raise UsageError(f"{ws.model} is not deployed.")
    return intent


def _as_left(ws: Workspace, decision: Decision, *, champion: int, challenger: int | None) -> Intent:
    """The intent, if it is still as the decision left it."""
    intent = _intent(ws)
    now = {v.name: v.version for v in intent.variants}
    if now.get("champion") != champion or now.get("challenger") != challenger:
        raise _followed(decision)
    return intent


def _followed(decision: Decision) -> UsageError:
    what = decision.action.replace("_", " ")
    return UsageError(
        f"decision {decision.id[:8]} ({what}) cannot be undone, as something else has followed upon it: "
        "see `fairlead decisions`, then deploy, promote or roll back by hand."
    )


def reversal(row: DecisionRow) -> str:
    """The command that takes a decision back, "" where there is nothing to take back."""
    acted = row.decision.action in REVERSIBLE and row.outcome == "done"
    made = row.decision.action != "retrain" or bool(row.details.get("version"))
    return f"fairlead undo {row.decision.id[:8]}" if acted and made else ""


def told(row: DecisionRow) -> dict[str, Any]:
    """A decision as `status` and `decisions` answer it."""
    return {
        **msgspec.to_builtins(row.decision), "state": row.state, "outcome": row.outcome, "details": {
            **row.decision.details, **row.details
        }, "undo": reversal(row),
    }  # fmt: skip
