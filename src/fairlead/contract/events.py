"""What was seen, what was decided, what was done."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from fairlead.contract.evidence import Interval

Area = Literal[
    "quality", "contract", "data_drift", "score_drift", "estimated", "requests", "traffic", "late",
    "performance", "concept_drift", "definition", "labels", "infrastructure", "code", "alerts", "registry",
]  # fmt: skip
"""What a finding is about. requests: anomalous ones, bursts. labels: poisoned, or not told at random. estimated:
performance without labels. code: the artefact that answers. infrastructure: what it runs on."""

Action = Literal["hold", "alert", "retrain", "canary", "weigh", "promote", "end_rollout", "roll_back"]


class Window(msgspec.Struct, frozen=True, omit_defaults=True):
    """An event-time interval [start, end) of one model's records. index: consecutive from the project's epoch.

    state: open -> closed (inputs judged) -> scored (labels judged, label delay over).
    """

    model: str
    index: int
    start: float
    end: float
    rows: int = 0
    labelled: int = 0
    late: int = 0
    state: Literal["open", "closed", "scored"] = "open"
    metrics: dict[str, float] = {}
    bundle: str = ""


CauseKind = Literal[
    "column", "slice", "source", "version", "upstream", "time", "definition", "labels", "code", "infrastructure"
]


class Cause(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is likely behind a finding. name: of the column, slice, source, version or resource.

    weight: how much of it this explains beside the other causes named, in [0, 1]. why: in a sentence.
    """

    kind: CauseKind
    name: str
    weight: float
    why: str


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something in a window that left its expected range.

    id: deterministic from model, check and columns, plus `since`, so the same trouble has one id while it lasts.
    size with [low, high]: how far, in `unit`. since: event time the trouble began.
    evidence: e- or p-values and limits. segment: the slice of the rows it is about, "" for all. first: event time of
    the first affected minute, where it is known. causes: most likely first, at most 5. cost: estimated harm in the
    metric `cost_in`, above 0 is harm. begun: the window in which it was first found, None where that is `window`.
    akin: columns that go with these in the reference, whatever they do now.
    """

    id: str
    model: str
    area: Area
    check: str
    window: int
    since: float
    size: float
    low: float
    high: float
    unit: str
    message: str
    columns: tuple[str, ...] = ()
    severity: Literal["info", "warning", "critical"] = "warning"
    evidence: dict[str, float] = {}
    segment: str = ""
    first: float | None = None
    causes: tuple[Cause, ...] = ()
    cost: Interval | None = None
    cost_in: str = ""
    begun: int | None = None
    akin: tuple[str, ...] = ()


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """What to do, and the findings it rests on. id: deterministic, so that a repeated pass acts once."""

    id: str
    model: str
    action: Action
    at: float
    why: str
    findings: tuple[str, ...] = ()
    details: dict[str, Any] = {}


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the audit chain. hash: sha256 over all other fields; previous: that of the line before."""

    sequence: int
    at: float
    actor: str
    action: str
    subject: str
    why: str
    details: dict[str, Any]
    previous: str
    hash: str
