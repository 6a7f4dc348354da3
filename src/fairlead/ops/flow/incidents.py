"""Incidents as people meet them: looked at, acknowledged, assigned, commented, snoozed. Every act is audited."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import msgspec

from fairlead.contract.errors import NotFound, UsageError
from fairlead.contract.incidents import Entry, Incident, IncidentView
from fairlead.ops.alerts.incidents import bring_up_to_date, touched
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.project.durations import parse_duration

MOST_LINES = 200
MOST_SHOWN = 100
LONGEST_TEXT = 2000
LONGEST_SNOOZE_S = 366 * 86_400.0

_RELEASES = frozenset({
    "deploy", "promote", "roll_back", "end_rollout", "pinned", "frozen", "rolled_back", "release", "undo", "weigh",
})  # fmt: skip
"""Audit actions about the model that change what answers, told in timelines."""
MOST_EVENTS = 500


def incidents_of(ws: Workspace, *, every: bool = False, last: int = MOST_SHOWN) -> list[Incident]:
    """Incidents of the project's model, by number; only those not resolved unless `every`. Brings them up to date."""
    bring_up_to_date(ws.state, ws.clock())
    return ws.state.incidents(ws.model, standing=not every, last=last)


def find(ws: Workspace, reference: str) -> Incident:
    """The incident of that number or id; one that was merged is followed. Raises NotFound naming those there are."""
    incident = ws.state.incident(str(reference))
    if incident is None or incident.model != ws.model:
        there = ", ".join(f"#{i.number}" for i in ws.state.incidents(ws.model, standing=False, last=5))
        known = f"the newest are {there}" if there else "there has been none yet"
        raise NotFound(f"no incident {reference!r}: {known} (`fairlead incidents --all` lists them)")
    return incident


def view(ws: Workspace, reference: str) -> IncidentView:
    """An incident with its timeline: what was found and told, decided, released, and done by people."""
    bring_up_to_date(ws.state, ws.clock())
    incident = find(ws, reference)
    kept = ws.state.entries(incident.id, last=MOST_LINES)
    until = incident.closed_at if incident.closed_at is not None else float("inf")
    lines = [*kept, *_decisions(ws, incident), *_releases(ws, incident, until)]
    findings = tuple(row.finding for row in ws.state.incident_findings(incident.id, last=MOST_SHOWN))
    told = tuple(sorted(lines, key=lambda entry: entry.at))[-MOST_LINES:]
    return IncidentView(incident, told, findings, cut=ws.state.entry_count(incident.id) - len(kept))


def _decisions(ws: Workspace, incident: Incident) -> list[Entry]:
    """What was decided because of it."""
    about, found = set(incident.findings), []
    for row in ws.state.decisions(ws.model, last=MOST_EVENTS):
        decision = row.decision
        if decision.action in {"alert", "hold"} or not about & set(decision.findings):
            continue
        at = row.started_at if row.started_at is not None else decision.at
        told = f"{decision.action.replace('_', ' ')}: {decision.why}" + (f" ({row.outcome})" if row.outcome else "")
        found.append(Entry(f"decision:{decision.id}", at, "decision", told, about=decision.id, event=decision.at))
    return found


def _releases(ws: Workspace, incident: Incident, until: float) -> list[Entry]:
    """What was released while it lasted."""
    return [
        Entry(
            f"event:{event.sequence}",
            event.at,
            "release",
            f"{event.action.replace('_', ' ')}: {event.why}",
            event.actor,
        )
        for event in ws.audit.events(last=MOST_EVENTS)
        if event.subject == ws.model and event.action in _RELEASES and incident.opened_at <= event.at <= until
    ]


def acknowledge(ws: Workspace, reference: str, why: str = "") -> Incident:
    """Somebody looks after it: nobody is reminded of it, or told further, until it gets worse. Its end is told."""
    return _act(
        ws, reference, "acknowledged", why,
        lambda i, now: {"state": "acknowledged", "acknowledged_by": ws.actor, "assignee": i.assignee or ws.actor,
                        "snoozed_until": None},
    )  # fmt: skip


def assign(ws: Workspace, reference: str, who: str) -> Incident:
    """It is `who`'s to look after. Acknowledges nothing: that is theirs to do."""
    name = _text(who, "a name", 100)
    return _act(ws, reference, f"assigned to {name}", "", lambda i, now: {"assignee": name})


def comment(ws: Workspace, reference: str, text: str) -> Incident:
    """Something to remember. Also of an incident that is over."""
    return _act(ws, reference, "commented", _text(text, "a text", LONGEST_TEXT), lambda i, now: {}, closed=True)


def snooze(ws: Workspace, reference: str, span: str, why: str = "") -> Incident:
    """Silent for so long ("3d", "12h"), at most a year; what gets critical speaks all the same."""
    seconds = parse_duration(span)
    if not 0 < seconds <= LONGEST_SNOOZE_S:
        raise UsageError(f"{span!r}: a snooze lasts up to 366d. What stays is marked as expected: `fairlead expected`.")
    return _act(
        ws, reference, f"snoozed for {span}", why,
        lambda i, now: {"state": "snoozed", "snoozed_until": now + seconds},
    )  # fmt: skip


def reopen(ws: Workspace, reference: str, why: str = "") -> Incident:
    """Take back an acknowledgement or a snooze: it is told of again."""
    return _act(
        ws, reference, "opened again", why,
        lambda i, now: {"state": "open", "snoozed_until": None, "acknowledged_by": ""},
    )  # fmt: skip


def _act(
    ws: Workspace, reference: str, what: str, why: str,
    changed: Callable[[Incident, float], dict[str, object]], *, closed: bool = False,
) -> Incident:  # fmt: skip
    """One act of a person, recorded with its line and its event in one transaction."""
    now = ws.clock()
    why = why.strip()[:LONGEST_TEXT]
    with ws.state.transaction():
        bring_up_to_date(ws.state, now)
        incident = find(ws, reference)
        if incident.merged_into:
            older = ws.state.incident(incident.merged_into)
            raise UsageError(f"#{incident.number} became part of #{older.number if older else '?'}: name that one.")
        if incident.state == "resolved" and not closed:
            raise UsageError(f"#{incident.number} is over: there is nothing to do about it but to comment.")
        changes = changed(incident, now)
        if changes and not why and all(getattr(incident, name) == value for name, value in changes.items()):
            return incident  # Said again, it is no news: one line in the timeline is enough.
        after = touched(ws.state, incident, now, changes)
        note(ws, after, what, why, now)
        details = {"incident": after.id, "number": after.number, "title": after.title}
        ws.audit.record(ws.actor, f"incident: {what}", ws.model, why, details)
    return after


def note(ws: Workspace, incident: Incident, what: str, why: str, now: float) -> None:
    """Write what a person did into the timeline, in the caller's transaction."""
    text = f"{what}: {why}" if why else what
    lines = ws.state.entry_count(incident.id)
    key = hashlib.sha256(msgspec.json.encode([ws.actor, text, now, lines])).hexdigest()[:16]
    ws.state.add_entry(incident.id, Entry(f"person:{key}", now, "person", text, ws.actor))


def _text(given: str, what: str, longest: int) -> str:
    text = given.strip()
    if not text:
        raise UsageError(f"{what} is needed, not nothing.")
    if len(text) > longest:
        raise UsageError(f"{what} of at most {longest} characters is kept, this has {len(text)}.")
    return text
