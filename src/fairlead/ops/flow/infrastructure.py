"""The machine beside the model: looked at in every pass, also when no window is due."""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.contract.beats import BEAT_S, Beat
from fairlead.contract.events import Finding
from fairlead.ops.alerts.incidents import bring_up_to_date
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.monitor.identity import carry
from fairlead.ops.monitor.infrastructure import limits, usual
from fairlead.ops.monitor.infrastructure.limiting import in_words, resources
from fairlead.ops.monitor.infrastructure.minutes import MINUTE_S, Minute, minutes_of, newest_minute
from fairlead.ops.monitor.infrastructure.naming import Deployment, name_causes
from fairlead.ops.state import FileLock

REMEMBERED_S = 7200.0
AGAIN_S = 60.0
"""What goes on is written down again so often, with its newest figures."""
HOUR_CHECKS = usual.CHECKS
OURS = limits.CHECKS | HOUR_CHECKS


def look_at_machine(ws: Workspace) -> list[Finding]:
    """Judge the newest minute, and the newest full hour once; returns what began.

    By the wall clock: beats say nothing of event time. Watched beside a pass, too (`attending`): one looks at a time,
    and what the other found is known to it.
    """
    with FileLock(ws.home.run / f"machine-{ws.model}.lock"):
        return _look(ws)


def _look(ws: Workspace) -> list[Finding]:
    now = ws.clock()
    beats = _beats(ws, now - REMEMBERED_S)
    minute = newest_minute(beats, now, ws.model)
    document = f"hours:{ws.model}"
    known = usual.decode(ws.state.get(document))
    open_now = [f for f in ws.state.findings(ws.model) if f.check in OURS]
    if minute is None and not open_now:
        return []
    queue = ws.settings.serve.max_queue
    minutes = minutes_of(beats, ws.model)
    hours, made = usual.fold(known, minutes, now)
    found: list[Finding] = []
    # What was found of the last full hour stands until the next has been judged.
    hourly = [f for f in open_now if f.check in HOUR_CHECKS] if made is None else []
    if minute is not None:
        causes = name_causes(minute, deployments_of(ws), usual.usual_of(known, now), queue)
        in_force = _in_force(ws)
        found = limits.findings_of(ws.model, minute, minutes, in_force, queue, causes)
        if made is not None:
            hourly = usual.changes(ws.model, made, known, usual.allowed_a_look(ws.settings), causes)
    else:
        hourly = []
    return _settle(ws, open_now, found + hourly, now, (document, hours) if made is not None else None)


def _settle(
    ws: Workspace, before: list[Finding], found: list[Finding], now: float, kept: tuple[str, list[usual.Hour]] | None
) -> list[Finding]:
    carried = carry(before, found)
    written = {f.id: f.evidence.get("at", 0.0) for f in before}
    lasting = [f for f in carried.continuing if f.evidence.get("at", 0.0) - written.get(f.id, 0.0) >= AGAIN_S]
    if not (carried.started or lasting or carried.ended or kept):
        return []
    with ws.state.transaction():
        for finding in (*carried.started, *lasting):
            ws.state.put_finding(finding)
        # With the finding: what is over before the next look has an incident to be told of.
        bring_up_to_date(ws.state, now)
        for finding in carried.ended:
            ws.state.close_finding(finding.id, now)
            ws.outbox.all_clear(finding, now)
        if kept is not None:
            ws.state.put(kept[0], usual.encode(kept[1]))
    return carried.started


def deployments_of(ws: Workspace) -> list[Deployment]:
    """Which versions answer, and since when by the wall clock."""
    intent = ws.state.intent(ws.model)
    if intent is None:
        return []
    began = intent.rollout.started_wall if intent.rollout is not None else 0.0
    return [
        Deployment(v.name, str(v.version or ""), v.bundle, intent.since if v.name == "champion" else began)
        for v in intent.variants
    ]


def machine_of(ws: Workspace) -> dict[str, Any]:
    """What `status` says of the machine: the scarcest resource first; empty where no server has said anything lately.

    Of servers that are gone nothing is said.
    """
    now = ws.clock()
    minute = newest_minute(_beats(ws, now - 2 * MINUTE_S), now, ws.model)
    if minute is None or now - minute.end > 6 * BEAT_S:
        return {}
    queue = ws.settings.serve.max_queue
    found = resources(minute, queue)
    causes = name_causes(
        minute, deployments_of(ws), usual.usual_of(usual.decode(ws.state.get(f"hours:{ws.model}")), now), queue
    )
    return {
        "limiting": in_words(found),
        "resources": [msgspec.to_builtins(one) for one in found],
        "requests": minute.requests,
        "failed": minute.failed,
        "seconds": minute.seconds,
        "p50_ms": minute.quantile_ms(0.5),
        "p99_ms": minute.quantile_ms(0.99),
        "causes": [msgspec.to_builtins(cause) for cause in causes] if _troubled(ws, minute, queue) else [],
    }


def _troubled(ws: Workspace, minute: Minute, queue: int) -> bool:
    return bool(limits.over(minute, _in_force(ws), queue))


def _in_force(ws: Workspace) -> dict[str, float]:
    return limits.limits_of({str(name): limit for name, limit in ws.settings.monitor.limits.items()})


def _beats(ws: Workspace, since: float) -> list[Beat]:
    from fairlead.runtime.serve.observing.beats import read_beats

    return read_beats(ws.home.run, since)
