"""Which messages are due about incidents: pure, of what is known of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fairlead.contract.events import Finding
from fairlead.contract.incidents import AlertKind, Incident
from fairlead.ops.alerts import wording
from fairlead.ops.alerts.belonging import leading


class Due(NamedTuple):
    """A message to make. id: names it for good, so that a pass repeated makes it once."""

    id: str
    kind: AlertKind
    title: str
    body: str


class Rules(NamedTuple):
    """remind_s, escalate_s: seconds after which what lasts is told again, and told to others; None: to nobody else."""

    remind_s: float
    escalate_s: float | None


def notice_prefix(incident: Incident) -> str:
    """Of the message that tells of an incident first, or of its coming back; how often it had got worse follows."""
    return f"notice:{incident.id}:{incident.rounds}:"


def clear_id(incident: Incident) -> str:
    """Of the message that tells of its end."""
    return f"all_clear:{incident.id}:{incident.rounds}"


def due(
    incident: Incident, findings: Sequence[Finding], told: Mapping[str, float], now: float, rules: Rules,
    doing: str = "",
) -> list[Due]:  # fmt: skip
    """What is to be told of an incident now. findings: those that last, or of one that is over all of them.

    told: when each message about it was made, by id. What somebody looks after, snoozed or called expected is silent
    until it gets worse; what was never told of has no end to tell.
    """
    by_rank = _ranked(findings)
    begun = {id: at for id, at in told.items() if id.startswith(notice_prefix(incident))}
    if incident.state == "resolved":
        if not begun or clear_id(incident) in told:
            return []
        return [Due(clear_id(incident), "all_clear", *wording.all_clear(incident, by_rank))]
    if incident.severity == "info" or incident.silent(now):
        return []
    if not begun:
        id = f"{notice_prefix(incident)}{incident.worsened}"
        return [Due(id, "notice", *wording.notice(incident, by_rank, doing))]
    grave = f"worse:{incident.id}:{incident.rounds}:"
    spoken = begun | {id: at for id, at in told.items() if id.startswith(grave)}
    if incident.worsened > max(int(id.rpartition(":")[2]) for id in spoken):
        return [Due(f"{grave}{incident.worsened}", "worse", *wording.worse(incident, by_rank))]
    found = []
    unanswered = f"escalation:{incident.id}:{incident.rounds}:{incident.worsened}"
    waits = rules.escalate_s is not None and not incident.acknowledged_by and not incident.assignee
    if waits and unanswered not in told and now - max(spoken.values()) >= (rules.escalate_s or 0.0):
        found.append(Due(unanswered, "escalation", *wording.escalation(incident, by_rank, now)))
    # That others were told reminds nobody of those who were told first.
    last = max(at for id, at in told.items() if not id.startswith("escalation:"))
    if now - last >= rules.remind_s:
        found.append(Due(f"reminder:{incident.id}:{len(told)}", "reminder", *wording.reminder(incident, by_rank, now)))
    return found


def _ranked(findings: Sequence[Finding]) -> list[Finding]:
    if not findings:
        return []
    first = leading(findings)
    return [first, *(f for f in findings if f.id != first.id)]
