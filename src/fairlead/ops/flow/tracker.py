"""How far the watcher has come with one model: one document in the state database, written with what it led to."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from fairlead.contract import records as names
from fairlead.contract.events import Window
from fairlead.contract.settings import Settings
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.monitor import WindowSpec, window_spec
from fairlead.ops.monitor.promise import Promise
from fairlead.ops.monitor.windows import duration
from fairlead.ops.state import FileLock

SILENT_WINDOWS = 8
"""Empty windows in a row that are looked at one by one."""

NEVER = -1e300
"""Event time before any other; JSON knows no infinity."""


class Waiting(msgspec.Struct, frozen=True):
    """A challenger that passed its gate and waits for its trial. until: event time up to which it has seen rows."""

    bundle: str
    version: int
    made_at: float
    until: float
    why: str


class Tracker(msgspec.Struct, omit_defaults=True):
    """largest: largest event time seen. start: event time at which the next window begins, None before any record.

    index: number of the next window to close. scored: number of the next window whose labels are to be judged.
    judged: event time up to which labels have been judged. labelled: windows in which there were labels.
    promise: what the first release is held to. champion, released: what answers, and since which event time.
    retrain_at, retrain_window: the newest retraining. late: late records already told, by window.
    looked: event time up to which an open window was looked at. knows: event time of the newest row that the champion
    knew when it was made (`freshness.py`), None for the first.
    """

    largest: float = NEVER
    start: float | None = None
    index: int = 0
    scored: int = 0
    judged: float = NEVER
    labelled: int = 0
    promise: Promise | None = None
    champion: str = ""
    released: float = 0.0
    retrain_at: float | None = None
    retrain_window: int | None = None
    candidate: Waiting | None = None
    late: int = 0
    looked: float = NEVER
    knows: float | None = None


def read_tracker(ws: Workspace) -> Tracker:
    """The tracker as last written; a fresh one for a model that was never watched."""
    found = ws.state.get(f"watch:{ws.model}")
    return Tracker() if found is None else msgspec.json.decode(found, type=Tracker, strict=False)


def turn(ws: Workspace) -> FileLock:
    """Held by the one pass that is going on, and by whoever else changes the tracker: a pass writes what it read at its
    beginning once more."""
    return FileLock(ws.home.run / f"watch-{ws.model}.lock")


def write_tracker(ws: Workspace, tracker: Tracker) -> None:
    """Write it, in the caller's transaction."""
    ws.state.put(f"watch:{ws.model}", msgspec.json.encode(tracker))


def watermark(tracker: Tracker, settings: Settings, now: float) -> float:
    """Largest event time less the lateness, never beyond now."""
    return min(tracker.largest, now) - duration(settings.monitor.lateness)


def next_window(tracker: Tracker, model: str, settings: Settings, times: np.ndarray, horizon: float) -> Window | None:
    """The next window if it is over, else None. times: sorted event times of rows from `tracker.start` on."""
    spec = window_spec(settings)
    if tracker.start is None:
        return None
    end = _end(spec, tracker.start, times)
    if end is None or end > horizon + (1e-9 if spec.timed else 1e-6):
        return None
    return Window(model=model, index=tracker.index, start=tracker.start, end=end, state="closed")


def over_silence(start: float, settings: Settings, times: np.ndarray) -> float:
    """Where the next window begins when nothing came for long: one empty window before the next row tells of it.

    A single row with a time of 1970 would have thousands of empty windows looked at.
    times: sorted event times of rows from `start` on, shape (n,).
    """
    spec = window_spec(settings)
    if not spec.timed or not len(times):
        return start
    following = spec.index(float(times[0]))
    silent = following - spec.index(start)
    return spec.bounds(following - 1)[0] if silent > SILENT_WINDOWS else start


def _end(spec: WindowSpec, start: float, times: np.ndarray) -> float | None:
    if spec.timed:
        return spec.bounds(spec.index(start))[1]
    if len(times) < spec.rows:
        return None
    # Rows of one request share their time and stay together: the window ends after the last of them.
    return float(np.nextafter(times[spec.rows - 1], math.inf))


def first_start(settings: Settings, times: np.ndarray) -> float:
    """Where the first window begins."""
    spec = window_spec(settings)
    first = float(times.min())
    return spec.bounds(spec.index(first))[0] if spec.timed else first


def event_times_of(table: object) -> np.ndarray:
    """Sorted event times of a table of records."""
    column = table.column(names.TIME)  # type: ignore[attr-defined]
    return np.sort(np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64))
