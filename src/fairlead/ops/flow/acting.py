"""Decisions carried out. Each is recorded before and after, and can be carried out again after a crash."""

from __future__ import annotations

import contextlib
from typing import Any

from fairlead.contract.errors import FairleadError
from fairlead.contract.events import Decision, Finding
from fairlead.ops.flow import closing, making, piloting, release, rolling
from fairlead.ops.flow.blaming import blame
from fairlead.ops.flow.guarding import acting_lock
from fairlead.ops.flow.spending import Entry, Stopwatch, enter
from fairlead.ops.flow.tracker import Waiting, read_tracker, write_tracker
from fairlead.ops.flow.workspace import Workspace

MOVES = frozenset({"canary", "promote", "weigh", "end_rollout", "roll_back"})
"""Actions that change what answers; one at a time."""

ATTEMPTS = 3
"""A decision that cost the watcher its life so often is given up, and says so."""


def resume(ws: Workspace) -> list[Decision]:
    """Carry out what an earlier pass decided and did not finish."""
    done = []
    for row in ws.state.unfinished(ws.model):
        if row.attempts >= ATTEMPTS:
            finish(ws, row.decision, "failed", {"why": f"given up after {row.attempts} attempts"})
            continue
        carry_out(ws, row.decision)
        done.append(row.decision)
    return done


def carry_out(ws: Workspace, decision: Decision) -> None:
    """Do what a planned decision says. What our own rules refuse is its outcome, not an accident.

    Nothing of a decision that is finished: the guard and a pass that resumes may both have found it, and take turns.
    """
    # Retraining takes minutes, in which the guard must be able to act; what it leads to is a decision of its own.
    with acting_lock(ws) if decision.action in MOVES else contextlib.nullcontext():
        if ws.state.finished(decision.id):
            return
        ws.state.start(decision.id, ws.clock())
        try:
            details = ACTIONS[decision.action](ws, decision)
        except FairleadError as refusal:
            finish(ws, decision, "failed", {"why": str(refusal)})
            return
        finish(ws, decision, "done", details)
        blame(ws, decision)


def finish(ws: Workspace, decision: Decision, outcome: str, details: dict[str, Any]) -> None:
    """Record how a decision ended; what changed the world is an event, too."""
    with ws.state.transaction():
        ws.state.finish(decision.id, outcome, details)
        if decision.action not in {"hold", "alert"}:
            ws.audit.record(
                ws.actor, f"decided: {decision.action}", ws.model, decision.why,
                {"decision": decision.id, "findings": list(decision.findings), "outcome": outcome, **details},
            )  # fmt: skip


def hold(ws: Workspace, decision: Decision) -> dict[str, Any]:
    """Nothing to do, on purpose."""
    return {}


def alert(ws: Workspace, decision: Decision) -> dict[str, Any]:
    """Put a message for each finding into the outbox; a promotion that needs a person becomes a finding itself."""
    open_now = {f.id: f for f in ws.state.findings(ws.model)}
    told = [name for name in decision.findings if name in open_now and ws.outbox.notice(open_now[name])]
    if decision.details.get("approve"):
        asked = approval(decision)
        with ws.state.transaction():
            ws.state.put_finding(asked)
            ws.outbox.notice(asked, doing="`fairlead promote` does it, `fairlead rollback` ends the trial")
        told.append(asked.id)
    return {"told": len(told)}


def approval(decision: Decision) -> Finding:
    """A challenger that waits for a person, as a finding that lasts until the trial is over."""
    return Finding(
        id=decision.id, model=decision.model, area="registry", check=release.APPROVAL, window=-1, since=decision.at,
        size=1.0, low=1.0, high=1.0, unit="challengers", message=decision.why,
    )  # fmt: skip


def retrain(ws: Workspace, decision: Decision) -> dict[str, Any]:
    """Train, seal and judge a challenger; one that passes waits for its trial."""
    from fairlead.ops.flow.retrain import retrain as renew

    tracker = read_tracker(ws)
    with Stopwatch() as watch:
        done = renew(ws, why=decision.why, until=tracker.judged)
    with ws.state.transaction():
        enter(ws, Entry(decision.at, watch.cpu_s, watch.seconds))
        tracker = read_tracker(ws)
        tracker.retrain_at, tracker.retrain_window = decision.at, tracker.scored - 1
        if done.version is not None:
            tracker.candidate = Waiting(done.bundle, done.version, decision.at, tracker.judged, decision.why)
        write_tracker(ws, tracker)
    return {
        "bundle": done.bundle,
        "verdict": done.verdict,
        "version": done.version,
        "window": done.window,
        "reason": done.why,
        "left_out": done.left_out,
        "cpu_s": round(watch.cpu_s, 3),
        "seconds": round(watch.seconds, 3),
    }


def canary(ws: Workspace, decision: Decision) -> dict[str, Any]:
    """Give the waiting challenger its share of the requests."""
    tracker = read_tracker(ws)
    version = int(decision.details["version"])
    intent = ws.state.intent(ws.model)
    if intent is None or not any(v.version == version and v.name == "challenger" for v in intent.variants):
        since = tracker.candidate.until if tracker.candidate else decision.at
        release.deploy(
            ws, version, mode="canary", share=float(decision.details["share"]), why=decision.why, event_time=since
        )
    tracker.candidate = None
    write_tracker(ws, tracker)
    return {"version": version}


def tried(ws: Workspace, version: int) -> bool:
    """Whether this version is a challenger now; if not, an earlier attempt has done what was decided."""
    intent = ws.state.intent(ws.model)
    return intent is not None and any(v.version == version and v.name != "champion" for v in intent.variants)


def promote(ws: Workspace, decision: Decision) -> dict[str, Any]:
    """The challenger becomes champion."""
    version = int(decision.details["version"])
    if tried(ws, version):
        release.promote(ws, why=decision.why, version=version)
    tracker = read_tracker(ws)
    champion = making.champion_bundle(ws)
    if champion is not None and champion != tracker.champion:
        closing.take_over(ws, tracker, champion, decision.at)
    return {"version": version}


def end_rollout(ws: Workspace, decision: Decision) -> dict[str, Any]:
    """The challenger goes; where several are tried, the one that the decision names."""
    version = int(decision.details["version"])
    told: dict[str, Any] = {"version": version}
    if tried(ws, version):
        page = piloting.close(ws, decision)
        if page is not None:
            told["report"] = str(page)
        rolling.drop(ws, version, why=decision.why)
    return told


def weigh(ws: Workspace, decision: Decision) -> dict[str, Any]:
    """The variants get other shares of the requests."""
    weights = {int(version): float(weight) for version, weight in decision.details["weights"].items()}
    intent = ws.state.intent(ws.model)
    now = {v.version: v.weight for v in intent.variants} if intent is not None else {}
    if set(now) == set(weights) and any(abs(now[v] - weights[v]) > 1e-9 for v in weights):
        anew = bool(decision.details.get("anew"))
        rolling.weigh(ws, weights, why=decision.why, event=decision.at, anew=anew)
    return {"weights": decision.details["weights"]}


def roll_back(ws: Workspace, decision: Decision) -> dict[str, Any]:
    """The champion before this one answers again."""
    intent = ws.state.intent(ws.model)
    champion = next((v for v in intent.variants if v.name == "champion"), None) if intent else None
    if intent is not None and champion is not None and champion.bundle == decision.details.get("from"):
        if len(intent.variants) > 1:
            # Going back ends what is being tried and stops there, which would leave the failing champion answering.
            release.end_rollout(ws, why=decision.why)
        release.roll_back(ws, why=decision.why)
    return {"version": decision.details.get("version")}


ACTIONS = {
    "hold": hold,
    "alert": alert,
    "retrain": retrain,
    "canary": canary,
    "promote": promote,
    "weigh": weigh,
    "end_rollout": end_rollout,
    "roll_back": roll_back,
}
