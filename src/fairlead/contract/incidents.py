"""Incidents: findings that belong together, what people did about them, and the alerts that speak of them."""

from __future__ import annotations

from typing import Literal

import msgspec

from fairlead.contract.events import Area, Cause, Finding
from fairlead.contract.evidence import Interval

IncidentState = Literal["open", "acknowledged", "snoozed", "expected", "resolved"]
"""acknowledged: somebody looks after it. snoozed: silent until a time. expected: a person said that this is how things
are now. resolved: every finding of it has ended, or it was merged into another."""

SILENT: tuple[IncidentState, ...] = ("acknowledged", "snoozed", "expected", "resolved")
"""States in which nobody is reminded of an incident."""

EntryKind = Literal[
    "begun", "joined", "worse", "ended", "resolved", "reopened", "merged", "alert", "decision", "release", "person"
]

Severity = Literal["info", "warning", "critical"]
GRAVITY: dict[str, int] = {"info": 0, "warning": 1, "critical": 2}
"""Severities in the order of how grave they are."""

MOST_MEMBERS = 100
"""Findings that an incident names; those beyond are counted."""

MOST_POINTS = 64


class Trend(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a small plot shows: a figure over the windows. points: (event time, value), oldest first, at most 64.

    name: of the figure. limit: where an alarm begins; usual: what it is in quiet windows.
    """

    name: str
    unit: str = ""
    points: tuple[tuple[float, float], ...] = ()
    limit: float | None = None
    usual: float | None = None


class Incident(msgspec.Struct, frozen=True, omit_defaults=True):
    """Findings that belong together.

    id: deterministic from the finding that began it; number: 1, 2, ... in a home, which is what people type.
    since, first: event time it began, of the first affected minute where known. opened_at, changed_at, closed_at: clock
    of the home. first_window, last_window: in which it was seen. findings: ids, oldest first; open: those that last;
    more: findings beyond `MOST_MEMBERS`. columns, areas, checks: of all of them. causes: of all, most likely first, at
    most 5. cost: the largest of its findings' costs, in `cost_in`. trend: of its gravest finding.
    snoozed_until: clock of the home. why: what a person said when it was marked as expected. merged_into: id of the
    incident that this one turned out to be part of. worsened: how often it got graver. rounds: how often it came back.
    """

    id: str
    number: int
    model: str
    title: str
    severity: Severity
    state: IncidentState
    since: float
    opened_at: float
    changed_at: float
    first_window: int
    last_window: int
    findings: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    more: int = 0
    areas: tuple[Area, ...] = ()
    checks: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    causes: tuple[Cause, ...] = ()
    first: float | None = None
    cost: Interval | None = None
    cost_in: str = ""
    trend: Trend | None = None
    closed_at: float | None = None
    ended: float | None = None
    assignee: str = ""
    acknowledged_by: str = ""
    snoozed_until: float | None = None
    why: str = ""
    merged_into: str = ""
    worsened: int = 0
    rounds: int = 0

    @property
    def lasts(self) -> bool:
        """Whether anything of it goes on."""
        return bool(self.open)

    def silent(self, now: float) -> bool:
        """Whether people are not to be told of it by itself; a snooze that is over is none."""
        if self.state == "snoozed":
            return self.snoozed_until is None or now < self.snoozed_until
        return self.state in SILENT


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of an incident's timeline. key: unique in it, so that a repeated pass adds nothing.

    at: clock of the home; event: event time of what happened, where that is another. actor: who, "" for the rules.
    about: id of the finding, message or decision.
    """

    key: str
    at: float
    kind: EntryKind
    text: str
    actor: str = ""
    about: str = ""
    event: float | None = None


class IncidentView(msgspec.Struct, frozen=True):
    """An incident with all that is known of it. cut: lines of the timeline that were left out, the oldest ones."""

    incident: Incident
    timeline: tuple[Entry, ...]
    findings: tuple[Finding, ...]
    cut: int = 0


class Amendment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A level that a person marked as expected: it stands beside the sealed reference, which stays as it is.

    Signed as an attestation about `bundle`. columns: whose level is usual from event time `since` on; profile: JSON of
    the profile of the windows that showed it. levels: for findings about no column, by check and segment
    ("volume", "loss|region=north"), how large a size is usual: [low, high].
    """

    id: str
    bundle: str
    model: str
    incident: str
    columns: tuple[str, ...]
    since: float
    by: str
    at: float
    why: str
    profile: str = ""
    levels: dict[str, tuple[float, float]] = {}


AlertKind = Literal["notice", "worse", "reminder", "escalation", "all_clear", "passed", "digest"]
"""passed: told of once, when it was over before anybody was told."""


class Alert(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message as channels get it. id: the same however often it is sent, so that a receiver can drop copies.

    created_at: clock of the home. incident: what it is about, None of a digest. picture: a small plot as PNG, for
    channels that show one (`pictures`), else empty.
    """

    id: str
    kind: AlertKind
    severity: str
    title: str
    body: str
    created_at: float
    incident: Incident | None = None
    picture: bytes = b""
