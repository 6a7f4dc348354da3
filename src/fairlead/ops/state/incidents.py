"""Incidents, whose findings are whose, and timelines. The rules are in `ops/alerts`; here is only what is kept."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Select, exists, func, insert, select, update

from fairlead.contract.events import Finding
from fairlead.contract.incidents import Entry, Incident
from fairlead.ops.state.encoding import from_text, to_text
from fairlead.ops.state.rows import FindingRow
from fairlead.ops.state.schema import findings, incident_entries, incident_findings, incidents, messages
from fairlead.ops.state.store import Store, next_position, put

MOST_ENTRIES = 1000
"""Lines of one timeline that are kept: what people did is kept beyond it, what repeats is not."""

MOST_UNSAID = 200


class Incidents(Store):
    """Tables `incidents`, `incident_findings` and `incident_entries`."""

    def put_incident(self, incident: Incident) -> None:
        """Record an incident as it is now."""
        values = {
            "number": incident.number, "model": incident.model, "state": incident.state, "since": incident.since,
            "body": to_text(incident),
        }  # fmt: skip
        with self._writing() as connection:
            put(connection, incidents, {"id": incident.id}, values)

    def next_incident(self) -> int:
        """The number of the next incident; take it in the transaction that puts it."""
        with self._reading() as connection:
            return int(connection.execute(select(func.coalesce(func.max(incidents.c.number), 0))).scalar_one()) + 1

    def incident(self, reference: str) -> Incident | None:
        """The incident of that id, or of that number ("7", "#7"), or None."""
        asked = reference.strip().removeprefix("#")
        named = incidents.c.number == int(asked) if asked.isdecimal() and len(asked) < 9 else incidents.c.id == asked
        with self._reading() as connection:
            body = connection.execute(select(incidents.c.body).where(named)).scalar()
            return from_text(body, Incident) if body is not None else None

    def incidents(self, model: str | None = None, *, standing: bool = True, last: int | None = None) -> list[Incident]:
        """Incidents by number; only those not resolved unless asked for all."""
        query = select(incidents.c.body).order_by(incidents.c.number.desc())
        if model is not None:
            query = query.where(incidents.c.model == model)
        if standing:
            query = query.where(incidents.c.state != "resolved")
        with self._reading() as connection:
            found = connection.execute(query if last is None else query.limit(last)).scalars()
            return [from_text(body, Incident) for body in found][::-1]

    def incidents_to_clear(self, since: float = 0.0) -> list[Incident]:
        """Resolved incidents whose end was not told since they came back last: those that were told of, and of the
        newest that were not those that ended after `since`, by the clock of the home."""
        kinds = ("all_clear", "passed")
        said = select(messages.c.id).where(messages.c.incident == incidents.c.id)
        never, told = ~exists(said.where(messages.c.kind.in_(kinds))), exists(said.where(messages.c.kind == "notice"))
        # What came back may have been told of in each of its rounds; text, as not all that is kept is strict JSON.
        again = incidents.c.body.contains('"rounds":', autoescape=True)
        # A bound for each: many that nobody is told of do not push out one whose all-clear somebody waits for.
        found = {
            incident.id: (incident, was_told)
            for rows, was_told in ((never & told, True), (~never & again, True), (never & ~told, False))
            for incident in self._resolved(rows)
        }
        with self._reading() as connection:
            ended = select(messages.c.id).where(messages.c.kind.in_(kinds), messages.c.incident.in_(list(found)))
            done = set(connection.execute(ended).scalars()) if found else set()
        unsaid = [
            (one, was_told)
            for one, was_told in found.values()
            if not done & {f"{kind}:{one.id}:{one.rounds}" for kind in kinds}
        ]
        due = [one for one, was_told in unsaid if was_told or (one.closed_at or 0.0) > since]
        return sorted(due, key=lambda one: one.number)

    def _resolved(self, rows: ColumnElement[bool]) -> list[Incident]:
        query = select(incidents.c.body).where(incidents.c.state == "resolved", rows)
        with self._reading() as connection:
            found = connection.execute(query.order_by(incidents.c.number.desc()).limit(MOST_UNSAID)).scalars()
            return [from_text(body, Incident) for body in found]

    def incidents_to_reopen(self) -> list[Incident]:
        """Resolved incidents of which some finding is open."""
        going = select(incident_findings.c.incident).join(findings, findings.c.id == incident_findings.c.finding)
        query = select(incidents.c.body).where(
            incidents.c.state == "resolved", incidents.c.id.in_(going.where(findings.c.state != "closed"))
        )
        with self._reading() as connection:
            found = connection.execute(query.order_by(incidents.c.number)).scalars()
            return [from_text(body, Incident) for body in found]

    def belong(self, finding_ids: Iterable[str], incident: str) -> None:
        """These findings belong to that incident, whatever they belonged to before."""
        with self._writing() as connection:
            for finding in finding_ids:
                put(connection, incident_findings, {"finding": finding}, {"incident": incident})

    def incident_of(self, finding: str) -> Incident | None:
        """The incident that a finding belongs to, or None."""
        query = select(incidents.c.body).join(incident_findings, incident_findings.c.incident == incidents.c.id)
        with self._reading() as connection:
            body = connection.execute(query.where(incident_findings.c.finding == finding)).scalar()
            return from_text(body, Incident) if body is not None else None

    def incident_findings(self, incident: str, last: int | None = None) -> list[FindingRow]:
        """The findings of an incident and whether they last, by the time they began."""
        query = select(findings).join(incident_findings, incident_findings.c.finding == findings.c.id)
        query = query.where(incident_findings.c.incident == incident)
        return self._finding_rows(query, last)

    def loose_findings(self) -> list[FindingRow]:
        """Open findings that belong to no incident."""
        known = select(incident_findings.c.finding)
        query = select(findings).where(findings.c.state != "closed", findings.c.id.not_in(known))
        return self._finding_rows(query, None)

    def _finding_rows(self, query: Select[tuple[object, ...]], last: int | None) -> list[FindingRow]:
        query = query.order_by(findings.c.since.desc(), findings.c.id.desc())
        with self._reading() as connection:
            rows = connection.execute(query if last is None else query.limit(last))
            return [FindingRow(from_text(row.body, Finding), row.state, row.closed_at) for row in rows][::-1]

    def add_entry(self, incident: str, entry: Entry) -> bool:
        """Add a line to a timeline; False if its key is there already, or the timeline is full of what repeats."""
        mine = incident_entries.c.incident == incident
        with self._writing() as connection:
            if connection.execute(
                select(incident_entries.c.key).where(mine, incident_entries.c.key == entry.key)
            ).first():
                return False
            lines = connection.execute(select(func.count()).select_from(incident_entries).where(mine)).scalar_one()
            if lines >= MOST_ENTRIES and entry.kind != "person":
                return False
            row = {"incident": incident, "key": entry.key, "at": entry.at, "body": to_text(entry)}
            connection.execute(
                insert(incident_entries).values(**row, position=next_position(connection, incident_entries))
            )
            return True

    def entries(self, incident: str, last: int | None = None) -> list[Entry]:
        """The lines of a timeline as they came, or only the `last` ones."""
        query = select(incident_entries.c.body).where(incident_entries.c.incident == incident)
        query = query.order_by(incident_entries.c.position.desc())
        with self._reading() as connection:
            found = connection.execute(query if last is None else query.limit(last)).scalars()
            return [from_text(body, Entry) for body in found][::-1]

    def entry_count(self, incident: str) -> int:
        """How many lines a timeline has."""
        query = select(func.count()).select_from(incident_entries).where(incident_entries.c.incident == incident)
        with self._reading() as connection:
            return int(connection.execute(query).scalar_one())

    def move_entries(self, source: str, target: str) -> None:
        """Those of an incident that was merged go on as lines of the other, told apart by its id."""
        with self._writing() as connection:
            moved = update(incident_entries).where(incident_entries.c.incident == source)
            connection.execute(moved.values(incident=target, key=source + ":" + incident_entries.c.key))
