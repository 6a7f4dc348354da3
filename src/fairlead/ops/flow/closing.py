"""Windows judged: inputs when the watermark passes their end, labels when the label delay is over."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from fairlead.contract.events import Finding, Window
from fairlead.contract.profile import Profile
from fairlead.ops.alerts.incidents import bring_up_to_date
from fairlead.ops.flow import performing
from fairlead.ops.flow.contracted import by_the_clock
from fairlead.ops.flow.definitions import start_over
from fairlead.ops.flow.forecasts import label_delay
from fairlead.ops.flow.freshness import newest_known
from fairlead.ops.flow.labelled import Told, of_others, told_by
from fairlead.ops.flow.reasons import reasoned
from fairlead.ops.flow.reporting import write_window
from fairlead.ops.flow.seeing import memories_of, pace_of, remember, seen_of
from fairlead.ops.flow.telling import tell
from fairlead.ops.flow.tracker import Tracker, write_tracker
from fairlead.ops.flow.view import View, read_view
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.monitor import AREAS, Looked, Promise, Traffic, carry, look, start
from fairlead.ops.monitor.budget import between_alarms
from fairlead.ops.monitor.promise import THRESHOLD, reset

OWN = 0.5
"""Share of a window's labelled rows from which what callers got is held against the champion: what its predecessor
answered is over with its release. The promise asks the champion itself about every row."""

EARLIER = 64
"""Windows before one that its checks are told of."""

OF_A_CHAMPION = ("performance", "concept_drift", "definition", "estimated")
"""Areas whose findings are about what one model answers: they end with it."""

SLACK_S = 1e-6

MOST_VIEWS_KEPT, MOST_ROWS_KEPT = 16, 5_000
"""Small windows whose labels are judged in the pass that closes them are not read for it again."""


def first_promise(ws: Workspace, champion: str) -> Promise:
    """What the first release is held to, from the windows sealed in its bundle."""
    reference = ws.load(champion).reference
    return start(reference.held_out, clip=reference.loss_clip)


def budgeted(promise: Promise, ws: Workspace, tracker: Tracker) -> Promise:
    """The promise with the threshold that the budget of false alarms asks for at the pace seen so far.

    Windows of rows come as fast as the rows. Less than a day says nothing about a month: a burst of requests
    would make alarms all but impossible.
    """
    between = between_alarms(ws.settings, "performance", pace_of(ws, tracker))
    return msgspec.structs.replace(promise, threshold=max(THRESHOLD, between))


def take_over(ws: Workspace, tracker: Tracker, champion: str, at: float) -> None:
    """Another model is champion since event time `at`: the promise stays, its evidence starts anew.

    What was found about its predecessor's performance ends here, so that it does not retrain the successor.
    """
    knows = newest_known(ws, champion, at)
    with ws.state.transaction():
        another = start_over(ws, tracker, champion, at)
        tracker.champion, tracker.released = champion, at
        tracker.knows = knows
        if tracker.promise is not None and not another:
            tracker.promise = reset(tracker.promise)
        for finding in ws.state.findings(ws.model):
            if finding.area in OF_A_CHAMPION and ws.state.close_finding(finding.id, at):
                ws.outbox.all_clear(finding, at)
        write_tracker(ws, tracker)


def view_of(ws: Workspace, bundle: str, begin: float, end: float) -> View:
    """The answered rows of an interval with what is known of their labels; within a pass, as they were found first."""
    from fairlead.runtime.capture import Records
    from fairlead.runtime.capture.remembered import once

    kept: OrderedDict[tuple[object, ...], View] = once("views", OrderedDict)
    key = ws.home.root, ws.model, bundle, begin, end
    if key not in kept:
        view = read_view(Records(ws.home.root, ws.model), begin, end, ws.load(bundle).signature)
        if view.rows > MOST_ROWS_KEPT:
            return view
        kept[key] = view
        while len(kept) > MOST_VIEWS_KEPT:
            kept.popitem(last=False)
    return kept[key]


def close(ws: Workspace, tracker: Tracker, window: Window, horizon: float) -> tuple[Window, list[Finding]]:
    """Judge the inputs and scores of a window that is over; returns it and the findings that began in it.

    horizon: event time up to which this pass judges. Where labels are judged in it, too, the page is written then.
    """
    from fairlead.lab.stats import encode_profile

    view = view_of(ws, tracker.champion, window.start, window.end)
    profile = profile_of(ws, tracker.champion, view, window)
    closed = msgspec.structs.replace(window, rows=view.rows, bundle=tracker.champion, state="closed")
    earlier = tuple(w for w in ws.state.windows(ws.model, last=EARLIER) if w.index < window.index)
    newest = tracker.largest if profile.rows else None
    traffic = Traffic(tuple(w.rows for w in earlier), None, newest)
    memories, pace = memories_of(ws), pace_of(ws, tracker)
    seen = seen_of(
        ws, tracker, closed, profile, view, earlier=earlier, traffic=traffic, memories=memories, pace=pace
    )  # fmt: skip
    found = look("inputs", seen, memories, pace, troubled(ws))
    lived = performing.estimated(closed, seen)
    told = reasoned(ws, tracker.champion, found.findings, seen)
    with ws.state.transaction():
        started = settle(ws, told, closed, AREAS["inputs"])
        remember(ws, found.memories)
        tell(ws, closed, found)
        performing.keep(ws, lived)
        ws.state.put_window(closed, encode_profile(profile))
        tracker.start, tracker.index = window.end, window.index + 1
        write_tracker(ws, tracker)
    if not _due(ws, tracker, closed, horizon):
        write_window(ws, closed)
    return closed, started


def troubled(ws: Workspace) -> bool:
    """Whether an alarm about performance stands: then no window is quiet, whatever its inputs say."""
    return any(f.area in AREAS["labels"] and f.severity != "info" for f in ws.state.findings(ws.model))


def profile_of(ws: Workspace, bundle: str, view: View, window: Window) -> Profile:
    """The window folded into the bins of the champion's reference."""
    from fairlead.lab.stats import profile

    model = ws.load(bundle)
    reference = model.reference.profile
    return profile(
        view.columns,
        # What a hidden tensor would be counted by is not there.
        tuple(c.bins for c in reference.columns if c.bins.name in view.columns),
        scores=view.scores(model),
        score_bins=tuple(c.bins for c in reference.scores),
        start=window.start,
        end=window.end,
    )


def settle(
    ws: Workspace, found: Sequence[Finding], window: Window, areas: Sequence[str], checks: Sequence[str] = ()
) -> list[Finding]:
    """Record what began and goes on, close what ended with an all-clear; returns what began. areas, checks: that were
    judged."""
    standing = [f for f in ws.state.findings(ws.model) if f.area in areas or f.check in checks]
    before = [f for f in standing if not by_the_clock(f.check)]
    carried = carry(before, found)
    for finding in (*carried.started, *carried.continuing):
        ws.state.put_finding(finding)
    for finding in carried.ended:
        ws.state.close_finding(finding.id, window.end)
    # What is over is told with the next messages: the outbox knows it by the incident.
    bring_up_to_date(ws.state, ws.clock())
    return carried.started


def due_for_labels(ws: Workspace, tracker: Tracker, horizon: float) -> list[Window]:
    """Closed windows whose label delay is over, oldest first."""
    return [w for w in ws.state.windows_in(ws.model, "closed") if _due(ws, tracker, w, horizon)]


def _due(ws: Workspace, tracker: Tracker, window: Window, horizon: float) -> bool:
    delay = label_delay(ws.settings, ws.load(tracker.champion).signature)
    # As for closing: a window of rows ends a hair after its last row, which is the largest time seen.
    return window.end + delay <= horizon + SLACK_S


def score(ws: Workspace, tracker: Tracker, window: Window) -> tuple[Window, list[Finding]]:
    """Judge the labels of a window: every metric, and the promise; rows that came late are counted."""
    view = view_of(ws, tracker.champion, window.start, window.end)
    labelled = int(view.labelled.sum())
    told = None
    if labelled:
        if tracker.promise is not None:
            tracker.promise = budgeted(tracker.promise, ws, tracker)
        told = told_by(ws, tracker, window, view)
        if told.step is not None:
            tracker.promise = told.step.promise
    memories = memories_of(ws)
    found = Looked([], memories)
    # Labels of another definition are looked at, too, and end nothing that labels of this one began.
    areas = AREAS["labels"] if labelled else ("definition",) if of_others(view) else ()
    # That none came, where some used to, is news as well.
    if areas or view.rows:
        found = label_findings(ws, tracker, window, view, told, memories)
    tracker.labelled += bool(labelled)
    scored = msgspec.structs.replace(
        window, state="scored", labelled=labelled, late=max(view.rows - window.rows, 0),
        metrics=told.figures if told is not None else {},
    )  # fmt: skip
    with ws.state.transaction():
        started = settle(ws, found.findings, scored, areas, ("labels_late",)) if areas or view.rows else []
        remember(ws, found.memories)
        tell(ws, scored, found)
        if told is not None:
            performing.keep(ws, performing.judged(ws, scored, told))
        ws.state.put_window(scored)
        tracker.scored, tracker.judged = window.index + 1, window.end
        write_tracker(ws, tracker)
    write_window(ws, scored)
    return scored, started


def label_findings(
    ws: Workspace, tracker: Tracker, window: Window, view: View, told: Told | None, memories: Mapping[str, Any]
) -> Looked:
    """What the labels of a window say about the champion, and about the labels."""
    from fairlead.lab.stats import decode_profile

    earlier = tuple(w for w in ws.state.windows(ws.model, last=EARLIER) if w.index < window.index)
    kept = ws.state.window_profile(ws.model, window.index)
    profile = decode_profile(kept) if kept is not None else profile_of(ws, tracker.champion, view, window)
    metrics = told.metrics if told is not None and answered_by(view, tracker.champion) >= OWN else {}
    seen = seen_of(
        ws, tracker, window, profile, view, earlier=earlier, metrics=metrics,
        step=told.step if told is not None else None, memories=memories, pace=(pace := pace_of(ws, tracker)),
    )  # fmt: skip
    found = look("labels", seen, memories, pace)
    return found._replace(findings=reasoned(ws, tracker.champion, found.findings, seen))


def answered_by(view: View, bundle: str) -> float:
    """Share of the labelled rows that this bundle answered; 0 without any."""
    mine = np.asarray([one == bundle for one in view.bundles[view.labelled]], dtype=np.float64)
    return float(mine.mean()) if len(mine) else 0.0
