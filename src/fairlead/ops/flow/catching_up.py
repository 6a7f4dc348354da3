"""What is intended and what the data plane was told, brought together again: after a kill between the two."""

from __future__ import annotations

from fairlead.contract.errors import BundleRefused
from fairlead.contract.events import Finding
from fairlead.ops.flow import release, rolling
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.monitor import finding_id
from fairlead.ops.state import Intent

CHECK = "routes"


def catch_up(ws: Workspace) -> bool:
    """Publish what is intended where the routes say something else; whether that was so.

    Nothing while somebody is at it: a process that was killed holds no lock. Routes that workers refuse are a finding,
    and not tried again while it stands: they answer as before.
    """
    lock = release.applying(ws)
    if not lock.take():
        return False
    try:
        intent = ws.state.intent(ws.model)
        if intent is None or not intent.variants:
            return False
        behind = not _agree(ws, intent)
        refused = [f for f in ws.state.findings(ws.model) if f.check == CHECK]
        if behind and refused:
            return False
        if behind:
            _publish(ws, intent)
        else:
            for finding in refused:
                if ws.state.close_finding(finding.id, ws.clock()):
                    ws.outbox.all_clear(finding, ws.clock())
        stages = rolling.stages_of(intent.rollout) if intent.rollout is not None else []
        if intent.rollout is not None and (not stages or stages[-1].until) and _agree(ws, intent):
            # Rows in between belong to no stage, as those that came while routes were being published.
            rolling.note_stage(ws, intent)
        return behind
    finally:
        lock.release()


def publish_again(ws: Workspace) -> None:
    """Tell the data plane anew of what is intended now, as its terms have changed. Raises BundleRefused."""
    with release.applying(ws):
        intent = ws.state.intent(ws.model)
        if intent is not None and intent.variants:
            release.publish(ws, intent)


def _agree(ws: Workspace, intent: Intent) -> bool:
    from fairlead.runtime.serve import read as read_routes

    told = next((r for r in read_routes(ws.home.routes).routes if r.model == ws.model), None)
    return told is not None and (told.variants, told.salt) == (tuple(intent.variants), intent.salt)


def _publish(ws: Workspace, intent: Intent) -> None:
    try:
        release.publish(ws, intent)
    except BundleRefused as refusal:
        now = ws.clock()
        message = f"what is intended does not answer, the versions before do: {refusal}"
        ws.state.put_finding(Finding(
            id=finding_id(ws.model, CHECK, (), now), model=ws.model, area="registry", check=CHECK, window=-1, since=now,
            size=1.0, low=1.0, high=1.0, unit="routes", message=message, severity="critical",
        ))  # fmt: skip
