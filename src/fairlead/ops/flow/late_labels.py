"""Labels that came after their window was judged: told again in a revision, while what was decided stays."""

from __future__ import annotations

import msgspec
import numpy as np

from fairlead.contract.events import Window
from fairlead.ops.flow.labelled import told_by
from fairlead.ops.flow.performing import MOST_REVISIONS, Reached, Revision, keep, reached
from fairlead.ops.flow.tracker import Tracker
from fairlead.ops.flow.view import View, read_view
from fairlead.ops.flow.workspace import Workspace

RECHECKED = 8
"""Judged windows that are looked at again, the newest; labels of older ones are kept and learned from all the same."""
LEAST_MORE, LEAST_SHARE = 10, 0.01
"""Labels more, at least, for a revision: so many, or that share of the window's labels if it is more."""


def revise(ws: Workspace, tracker: Tracker, horizon: float) -> list[Reached]:
    """Look again at the newest judged windows; returns those whose figures changed.

    What the labels said of the champion when they were due - findings, the promise, decisions - is not taken back:
    labels that come later than `monitor.label_delay` are a reason to set it longer.
    """
    scored = [w for w in ws.state.windows(ws.model, last=4 * RECHECKED) if w.state == "scored"][-RECHECKED:]
    changed = []
    times = _times_of(ws, scored)
    for window in scored:
        one = reached(ws, window.index)
        if one is None or not window.rows:
            continue
        rows = int(np.searchsorted(times, window.end) - np.searchsorted(times, window.start))
        found = _revised(ws, tracker, window, one, horizon, rows)
        if found is not None:
            with ws.state.transaction():
                keep(ws, found)
            changed.append(found)
    return changed


def _revised(
    ws: Workspace, tracker: Tracker, window: Window, one: Reached, horizon: float, rows: int
) -> Reached | None:
    before = one.revised[-1].labelled if one.revised else one.labelled
    least = max(LEAST_MORE, LEAST_SHARE * before)
    # Mostly every row has its label by then, so that no more can come; counting rows is cheap, joining them is not.
    if rows - before < least:
        return None
    view = _view(ws, window)
    labelled = int(view.labelled.sum())
    if labelled - before < least:
        return None
    # The promise is not asked: it was held against what had come when it was due.
    asked = Tracker(champion=window.bundle or tracker.champion)
    told = told_by(ws, asked, window, view)
    revision = Revision(round(horizon, 3), labelled, told.realised)
    # Between the first telling and the newest ones nothing is lost by leaving some out: each has all labels of before.
    kept = (*one.revised, revision)[-MOST_REVISIONS:]
    if one.labelled:
        return msgspec.structs.replace(one, revised=kept)
    selection = told.selection
    return msgspec.structs.replace(
        one, revised=kept, how=selection.how, why=selection.why, effective=round(selection.effective, 1),
        versions=told.versions,
    )  # fmt: skip


def _times_of(ws: Workspace, windows: list[Window]) -> np.ndarray:
    """Event times of the rows from the first of these windows to the last one's end."""
    from fairlead.runtime.capture import Records

    if not windows:
        return np.zeros(0)
    records = Records(ws.home.root, ws.model)
    return records.times(min(w.start for w in windows), max(w.end for w in windows))


def _view(ws: Workspace, window: Window) -> View:
    from fairlead.runtime.capture import Records

    records = Records(ws.home.root, ws.model)
    return read_view(records, window.start, window.end, ws.load(window.bundle).signature)


def more_labels(one: Reached) -> int:
    """Labels that came after the window was judged."""
    return int(np.max([r.labelled for r in one.revised], initial=one.labelled)) - one.labelled
