"""A version that was taken away because it failed: an incident of its own, so that it is told and can be looked at."""

from __future__ import annotations

from fairlead.contract.events import Cause, Decision, Finding
from fairlead.ops.flow.workspace import Workspace

TRIAL_FAILED, ROLLED_BACK = "trial_failed", "rolled_back"
TOLD_S = 30.0
"""How long such a finding stands, by the clock of the home: long enough to be told before its end is."""


def blame(ws: Workspace, decision: Decision) -> None:
    """Tell of the version that a decision took away; nothing for trials that ended for other reasons.

    What it did was in its answers: area "code", as data and machine were the same for the version beside it.
    """
    found = finding_of(decision)
    if found is not None:
        with ws.state.transaction():
            ws.state.put_finding(found)
            ws.outbox.notice(found, doing=_DONE[found.check])


_DONE = {
    TRIAL_FAILED: "its trial is over; the champion answers all requests",
    ROLLED_BACK: "the version before it answers again (`fairlead undo` takes that back)",
}


def finding_of(decision: Decision) -> Finding | None:
    """The finding of a decision to end a trial or to roll back, None where no failure is behind it."""
    guard, verdict = decision.details.get("guardrail"), decision.details.get("verdict")
    failed = isinstance(verdict, dict) and verdict.get("outcome") == "fail"
    if decision.action == "roll_back":
        check, gone = ROLLED_BACK, str(decision.details.get("from", ""))[:12]
    elif decision.action == "end_rollout" and (guard is not None or failed):
        check, gone = TRIAL_FAILED, str(decision.details.get("version"))
    else:
        return None
    size, low, high, unit = 1.0, 1.0, 1.0, "versions"
    if failed and isinstance(verdict, dict):
        size, low, high = (float(verdict[name]) for name in ("mean", "low", "high"))
        unit = "mean loss above the champion's"
    return Finding(
        id=decision.id, model=decision.model, area="code", check=check, window=-1, since=decision.at, size=size,
        low=low, high=high, unit=unit, message=decision.why, severity="critical" if check == ROLLED_BACK else "warning",
        causes=(Cause("version", gone, 1.0, decision.why),),
    )  # fmt: skip


def over(ws: Workspace) -> None:
    """What was taken away does no more harm: such findings end once they were told."""
    now = ws.clock()
    for finding in ws.state.findings(ws.model):
        if finding.area == "code" and finding.check in (TRIAL_FAILED, ROLLED_BACK):
            incident = ws.state.incident_of(finding.id)
            if incident is None or now - incident.opened_at >= TOLD_S:
                ws.state.close_finding(finding.id, finding.since)
