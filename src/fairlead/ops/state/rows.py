"""What the state database hands out. Times are seconds since the epoch."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from fairlead.contract.events import Decision, Finding
from fairlead.contract.incidents import AlertKind
from fairlead.contract.routes import Key, Variant

Hold = Literal["", "pinned", "frozen", "rolled_back"]


class VersionRow(msgspec.Struct, frozen=True):
    """A registered bundle. number: 1, 2, ... per model. verdict: that of its gate when it was registered."""

    model: str
    number: int
    bundle: str
    at: float
    verdict: str
    details: dict[str, Any]


class Rollout(msgspec.Struct, frozen=True, omit_defaults=True):
    """A challenger being tried. Started at both clocks: event time for evidence, wall time for people.

    stage: how often its share has grown. details: what the deciding rule wants to find again.
    """

    challenger: int
    started_event: float
    started_wall: float
    stage: int = 0
    details: dict[str, Any] = {}


class Intent(msgspec.Struct, frozen=True, omit_defaults=True):
    """What should be served for one model, and who says so.

    hold: set by a person; while it is not empty the automatic hand changes nothing.
    previous: version of the champion before this one, which a rollback goes back to.
    """

    model: str
    variants: tuple[Variant, ...]
    since: float
    why: str
    decided_by: Literal["rule", "person"] = "rule"
    salt: str = ""
    hold: Hold = ""
    rollout: Rollout | None = None
    previous: int | None = None


class FindingRow(msgspec.Struct, frozen=True):
    """A finding and whether it lasts. closed_at: None while it is open."""

    finding: Finding
    state: str
    closed_at: float | None


class DecisionRow(msgspec.Struct, frozen=True):
    """A decision and how far it got: planned -> started -> finished.

    attempts: how often it was started; more than one means that a pass was cut short.
    """

    decision: Decision
    state: Literal["planned", "started", "finished"]
    attempts: int
    started_at: float | None
    finished_at: float | None
    outcome: str
    details: dict[str, Any]


class MessageRow(msgspec.Struct, frozen=True):
    """One alert message. state: waiting -> released (to channels) or merged (into the digest `merged_into`).

    incident: id of what it is about; finding: of messages made before there were incidents, and of one about a channel.
    """

    id: str
    finding: str
    kind: AlertKind
    severity: str
    title: str
    body: str
    created_at: float
    state: Literal["waiting", "released", "merged"]
    released_at: float | None
    merged_into: str
    incident: str = ""


class DeliveryRow(msgspec.Struct, frozen=True):
    """One message on its way to one channel: waiting -> sent | failed. due_at: when it is tried next."""

    message: str
    channel: str
    state: Literal["waiting", "sent", "failed"]
    attempts: int
    due_at: float
    done_at: float | None
    error: str


class KeyRow(msgspec.Struct, frozen=True):
    """An API key as it was made, and how long it holds. expires: 0 never. revoked_at: None while it was not."""

    key: Key
    created_at: float
    expires: float
    revoked_at: float | None

    def holds(self, now: float) -> bool:
        """Whether it opens anything."""
        return self.revoked_at is None and not 0.0 < self.expires <= now
