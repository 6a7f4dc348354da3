"""What is known of a window, gathered for its checks; and what checks remember from window to window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
import numpy as np

from fairlead.contract import records as names
from fairlead.contract.events import Window
from fairlead.contract.evidence import Interval
from fairlead.contract.profile import Profile
from fairlead.ops.flow.contracted import terms_of
from fairlead.ops.flow.expecting import amendments_of
from fairlead.ops.flow.importance import importance_of
from fairlead.ops.flow.learnt import learnt_rows
from fairlead.ops.flow.tracker import Tracker
from fairlead.ops.flow.view import View
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.monitor import Rows, Seen, Traffic, calibrate
from fairlead.ops.monitor.amendments import amended
from fairlead.ops.monitor.joint import MEMORY, joint_of
from fairlead.ops.monitor.promise import Step
from fairlead.ops.monitor.windows import DAY

PASSED = (
    names.BUNDLE, names.VARIANT, names.CALLER, names.PROTOCOL, names.KEY, names.REQUEST, names.LATENCY, names.ARRIVED,
    names.LABEL_CALLER,
)  # fmt: skip


@dataclass
class _Counted:
    """Windows up to number `last`: when the first began, and rows of all. What a closed window holds stays so."""

    last: int = -1
    began: float = 0.0
    rows: int = 0


_COUNTED: WeakKeyDictionary[Workspace, _Counted] = WeakKeyDictionary()


def pace_of(ws: Workspace, tracker: Tracker) -> float:
    """Seconds of event time a row, at the pace seen so far; 0 before any row.

    Windows of rows come as fast as the rows. Less than a day says nothing about a month: a burst of requests
    would make alarms all but impossible.
    """
    # A year of hourly windows would else be read several times for each new one.
    known = _COUNTED.setdefault(ws, _Counted())
    for window in ws.state.windows_after(ws.model, known.last):
        if known.last < 0:
            known.began = window.start
        known.last, known.rows = window.index, known.rows + window.rows
    return max(tracker.largest - known.began, DAY) / known.rows if known.rows else 0.0


def seen_of(
    ws: Workspace,
    tracker: Tracker,
    window: Window,
    profile: Profile,
    view: View,
    *,
    earlier: tuple[Window, ...] = (),
    traffic: Traffic | None = None,
    metrics: Mapping[str, Interval] | None = None,
    step: Step | None = None,
    memories: Mapping[str, Any] | None = None,
    pace: float | None = None,
) -> Seen:
    """Everything the checks of a window may look at. memories, pace: where they were read already."""
    memories = memories_of(ws) if memories is None else memories
    pace = pace_of(ws, tracker) if pace is None else pace
    model = ws.load(tracker.champion)
    expected = amendments_of(ws, tracker.champion)
    return Seen(
        window=window, profile=profile, reference=amended(model.reference, expected, window.end),
        thresholds=calibrate(model.reference, ws.settings, signature=model.signature),
        settings=ws.settings, signature=model.signature, rows=rows_of(view, view.scores(model)), earlier=earlier,
        traffic=traffic, metrics=metrics or {}, step=step, contract=terms_of(ws),
        importance=importance_of(ws, tracker.champion),
        learnt=learnt_rows(ws, tracker.champion),
        calibration=joint_of(
            model.reference, ws.settings, pace, memories.get(MEMORY), model.signature
        ),
    )  # fmt: skip


def rows_of(view: View, scores: np.ndarray) -> Rows:
    """The rows of a view as checks take them."""
    table = view.table
    asked = [n for n in table.schema.names if n in PASSED or n.startswith(names.PASSED_IN)]
    passed = {n: table.column(n).to_numpy(zero_copy_only=False) for n in asked}

    def told(name: str) -> np.ndarray | None:
        return table.column(name).to_numpy(zero_copy_only=False) if name in table.schema.names else None

    return Rows(
        columns=view.columns, times=view.times, scores=scores, passed=passed, labels=view.labels,
        labelled=view.labelled, definitions=told(names.DEFINITION), arrived=told(names.LABEL_ARRIVED),
    )  # fmt: skip


def memories_of(ws: Workspace) -> dict[str, Any]:
    """What the checks of this model remember, by their names."""
    found = ws.state.get(f"watch-memory:{ws.model}")
    return {} if found is None else msgspec.json.decode(found)


def remember(ws: Workspace, memories: Mapping[str, Any]) -> None:
    """Keep it, in the caller's transaction."""
    ws.state.put(f"watch-memory:{ws.model}", msgspec.json.encode(memories))
