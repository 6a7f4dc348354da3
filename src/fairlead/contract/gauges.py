"""What the watcher found last about one model, as the data plane shows it on its page of metrics.

`run/watched/<hash of the model's name>.json` in the home, replaced after every pass of the watcher.
"""

from __future__ import annotations

import hashlib

import msgspec

FOLDER = "watched"
FORMAT = 1
MOST_COLUMNS = 200
"""Columns whose distance is shown, the farthest ones."""


class Distance(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a column, or an output of the model ("scores"), lies from the reference; limit: where an alarm begins."""

    name: str
    value: float
    limit: float | None = None
    kind: str = "columns"


class Watched(msgspec.Struct, frozen=True, omit_defaults=True):
    """at: clock of the watcher's pass. judged: event time up to which windows were closed. window: number, rows and
    labels of the newest closed one; metrics: of the newest scored one, with what it loses by row.

    findings: open ones, (area, severity, how many); incidents: open ones by severity. evidence, threshold: of the
    promise. waits: records' event time that the watcher has not closed yet, seconds.
    """

    model: str
    at: float
    judged: float | None = None
    window: int | None = None
    rows: int = 0
    labelled: int = 0
    late: int = 0
    metrics: dict[str, float] = {}
    estimated: dict[str, float] = {}
    distances: tuple[Distance, ...] = ()
    findings: tuple[tuple[str, str, int], ...] = ()
    incidents: dict[str, int] = {}
    evidence: float | None = None
    threshold: float | None = None
    waits: float | None = None
    format: int = FORMAT


def file_of(model: str) -> str:
    """Name of a model's file; names of models may hold what names of files may not."""
    return f"{hashlib.sha256(model.encode()).hexdigest()[:32]}.json"
