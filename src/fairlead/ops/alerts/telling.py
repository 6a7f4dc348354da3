"""Which messages are due about incidents: pure, of what is known of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fairlead.contract.events import Finding
from fairlead.contract.incidents import GRAVITY, AlertKind, Incident
from fairlead.ops.alerts import wording
from fairlead.ops.alerts.belonging import leading
from fairlead.ops.alerts.evidence import begun_in

FORGOTTEN_S = 30 * 86_400.0
"""What ended so long ago and was not told of is not news."""


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


def passed_id(incident: Incident) -> str:
    """Of the message that tells of what was over before it was told."""
    return f"passed:{incident.id}:{incident.rounds}"


def due(
    incident: Incident, findings: Sequence[Finding], told: Mapping[str, float], now: float, rules: Rules,
    doing: str = "",
) -> list[Due]:  # fmt: skip
    """What is to be told of an incident now. findings: those that last, or of one that is over all of them.

    told: when each message about it was made, by id. What somebody looks after, snoozed or called expected is silent
    until it gets worse. What was over before it was told is told once, as that, if it was lately.
    """
    by_rank = _ranked(findings)
    begun = {id: at for id, at in told.items() if id.startswith(notice_prefix(incident))}
    if incident.state == "resolved":
        return _over(incident, by_rank, bool(begun), told, now)
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


def _over(incident: Incident, by_rank: list[Finding], begun: bool, told: Mapping[str, float], now: float) -> list[Due]:
    if clear_id(incident) in told or passed_id(incident) in told:
        return []
    if begun:
        return [Due(clear_id(incident), "all_clear", *wording.all_clear(incident, by_rank))]
    closed = incident.closed_at if incident.closed_at is not None else incident.changed_at
    # What became part of another is told of there; what a person called expected they know.
    silent = incident.merged_into or incident.why or incident.severity == "info" or now - closed > FORGOTTEN_S
    return [] if silent else [Due(passed_id(incident), "passed", *wording.passed(incident, by_rank))]


def _ranked(findings: Sequence[Finding]) -> list[Finding]:
    if not findings:
        return []
    first = leading(findings)
    # What is new stands before what was told already.
    rest = sorted(findings, key=lambda f: (-GRAVITY[f.severity], -begun_in(f)))
    return [first, *(f for f in rest if f.id != first.id)]
