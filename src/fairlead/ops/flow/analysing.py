"""How rollouts stand, told to those who wait: published as a small file that the data plane answers from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from fairlead.contract.analysis import FILE, Analysis, nothing_tried
from fairlead.contract.evidence import Outcome
from fairlead.ops.flow.situation import Trial
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.state import Intent
from fairlead.runtime.serve.routes import write_atomic

ANYTHING = 1e300
"""An end of an interval that is not known: JSON knows no infinity, and nobody could read the file."""

BEGAN = "began"
"""In the details of what is published: when the rollout began, so that one of the same version later is another."""

FRESH_S = 15.0
"""How often what stays the same is written anew, so that readers know that somebody looks."""


def analysis_of(ws: Workspace, intent: Intent | None, trials: Sequence[Trial]) -> Analysis:
    """How the rollout stands; of several challengers the one with the least harm so far, the others by verdict."""
    if intent is None or intent.rollout is None or not trials:
        return nothing_tried(ws.model, ws.clock())
    order = {"pass": 0, "inconclusive": 1, "fail": 2}
    told = sorted(trials, key=lambda t: (order[outcome_of(t)], t.verdict.mean if t.verdict is not None else 1.0))
    best, verdict = told[0], told[0].verdict
    shares = {v.version: v.weight for v in intent.variants}
    return Analysis(
        model=ws.model,
        verdict=outcome_of(best),
        n=verdict.n if verdict is not None else 0,
        state="running",
        why=f"{why_of(best)}{_still(ws, intent, best)}",
        at=ws.clock(),
        version=best.version,
        bundle=best.bundle,
        mode=str(intent.rollout.details.get("mode", "canary")),
        share=float(shares.get(best.version, 0.0)),
        size=verdict.mean if verdict is not None else 0.0,
        low=min(max(verdict.low, -ANYTHING), ANYTHING) if verdict is not None else -1.0,
        high=min(max(verdict.high, -ANYTHING), ANYTHING) if verdict is not None else 1.0,
        needed=verdict.needed if verdict is not None else -1,
        guardrails={one.name: one.outcome for one in best.stands},
        others={str(one.version): outcome_of(one) for one in told[1:]},
        details={BEGAN: intent.rollout.started_wall},
    )


def outcome_of(trial: Trial) -> Outcome:
    """The verdict, with what stops a trial whatever its losses."""
    if trial.guardrails:
        return "fail"
    if trial.mismatch or trial.verdict is None:
        return "inconclusive"
    return trial.verdict.outcome


def why_of(trial: Trial) -> str:
    if trial.guardrails:
        return f"fails its guardrails: {'; '.join(trial.guardrails)}"
    if trial.mismatch:
        return trial.mismatch
    return trial.verdict.why if trial.verdict is not None else "no labelled rows of the challenger yet"


def _still(ws: Workspace, intent: Intent, trial: Trial) -> str:
    """How long it takes until as many rows came as are still needed, at the pace of now; "" where nobody knows."""
    from fairlead.ops.flow.planning import days_left
    from fairlead.ops.rollout.planning import in_days, paced

    verdict = trial.verdict
    if intent.rollout is None or verdict is None or verdict.needed <= 0 or outcome_of(trial) != "inconclusive":
        return ""
    days, per_day = days_left(ws, intent.rollout, verdict.needed)
    return f", at {paced(per_day)} {in_days(days)}" if math.isfinite(days) else ""


def tell(ws: Workspace, found: Analysis) -> Analysis:
    """Publish how a rollout stands; one that is over keeps its last verdict until the next begins."""
    known = last_told(ws)
    if found.state == "none":
        if known is None or known.state != "running":
            found = known if known is not None else found
        else:
            found = ended(ws, known)
    changed = known is None or msgspec.structs.replace(known, at=found.at) != found
    if changed or found.at - known.at >= FRESH_S:  # type: ignore[union-attr]
        write_atomic(ws.home.run / FILE.format(model=ws.model), msgspec.json.encode(found), mode=0o644)
    return found


def last_told(ws: Workspace) -> Analysis | None:
    """What was published last; None where there is nothing to be read."""
    try:
        return msgspec.json.decode((ws.home.run / FILE.format(model=ws.model)).read_bytes(), type=Analysis)
    except (OSError, msgspec.MsgspecError):
        return None


def ended(ws: Workspace, running: Analysis) -> Analysis:
    """A rollout that is over, with the verdict it ended by."""
    verdict, why = running.verdict, running.why
    for row in reversed(ws.state.decisions(ws.model, last=20)):
        details: dict[str, Any] = row.decision.details
        if row.decision.action not in {"promote", "end_rollout"} or details.get("bundle") != running.bundle:
            continue
        if (row.started_at or 0.0) < running.details.get(BEGAN, 0.0):
            break  # Of an earlier trial of it: a person ended this one.
        why = row.decision.why
        if details.get("guardrail") or details.get("guardrails"):
            verdict = "fail"
        elif details.get("verdict"):
            verdict = details["verdict"]["outcome"]
        break
    return msgspec.structs.replace(running, state="ended", verdict=verdict, why=why, at=ws.clock())


def refresh(ws: Workspace, intent: Intent | None, failed: dict[int, str]) -> None:
    """Between passes: that somebody looks, and what the guard has found. failed: guardrail by version."""
    known = last_told(ws)
    if known is None:
        return
    if intent is None or intent.rollout is None:
        tell(ws, nothing_tried(ws.model, ws.clock()))
        return
    began = intent.rollout.started_wall
    tried = {v.version: v for v in intent.variants}
    if known.state != "running" or known.version not in tried or known.details.get(BEGAN) != began:
        version = intent.rollout.challenger
        known = Analysis(
            ws.model, "inconclusive", 0, "running", "no labelled rows of the challenger yet", ws.clock(),
            version=version, bundle=tried[version].bundle if version in tried else "",
            mode=str(intent.rollout.details.get("mode", "canary")), details={BEGAN: began},
        )  # fmt: skip
    if known.version in failed:
        known = msgspec.structs.replace(known, verdict="fail", why=failed[known.version])
    tell(ws, msgspec.structs.replace(known, at=ws.clock()))
