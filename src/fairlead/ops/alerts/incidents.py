"""Incidents brought up to date with the findings of a state database: safe to repeat, and to cut short."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from fairlead.contract.incidents import Incident
from fairlead.ops.alerts.belonging import Grouped, Known, group
from fairlead.ops.state.state import State

LATELY = 32
"""Resolved incidents that a finding may open again."""


def bring_up_to_date(state: State, now: float) -> list[Incident]:
    """Group what was found since, close what ended; returns the incidents that changed.

    In one transaction, or in the caller's: a finding and its incident are recorded together.
    """
    with state.transaction():
        loose = [row.finding for row in state.loose_findings()]
        standing = [*state.incidents(), *state.incidents_to_reopen()]
        if loose:
            recent, known = state.incidents(standing=False, last=LATELY), {i.id for i in standing}
            standing += [i for i in recent if i.id not in known and not i.merged_into]
        if not loose and not standing:
            return []
        members = {i.id: known_of(state, i.id) for i in standing}
        done = group(standing, loose, members, now, state.next_incident())
        record(state, done)
        return done.incidents


def known_of(state: State, incident: str) -> list[Known]:
    """The findings of an incident, as grouping takes them."""
    return [Known(row.finding, row.closed_at) for row in state.incident_findings(incident)]


def record(state: State, done: Grouped) -> None:
    """Write what grouping changed, in the caller's transaction."""
    for incident in done.incidents:
        state.put_incident(incident)
    for finding, incident_id in done.joined:
        state.belong([finding], incident_id)
    for younger, older in done.merged:
        state.belong([row.finding.id for row in state.incident_findings(younger)], older)
        state.move_entries(younger, older)
    for incident_id, entry in done.entries:
        # Of a finding that joined the younger of two, the line is the older one's.
        state.add_entry(final(incident_id, done.merged), entry)


def final(incident: str, merged: Iterable[tuple[str, str]]) -> str:
    """Where an incident went, if it was merged."""
    for younger, older in merged:
        if incident == younger:
            incident = older
    return incident


def of_finding(state: State, finding: str) -> Incident | None:
    """The incident of a finding, merged ones followed."""
    incident = state.incident_of(finding)
    while incident is not None and incident.merged_into:
        incident = state.incident(incident.merged_into)
    return incident


def touched(state: State, incident: Incident, now: float, changed: Mapping[str, object]) -> Incident:
    """The incident with something changed by a person, recorded in the caller's transaction."""
    after = msgspec.structs.replace(incident, **{**changed, "changed_at": now})
    state.put_incident(after)
    return after
