"""How old what a model knows is: one meaning for `max_age` and `labels:N`, live and in a rehearsal.

A model is as old as the newest row that it knew when it was made: learnt from, or kept back to judge it. A trial that
takes months makes it no younger, and neither does a rollback. Before watching began no newer row was recorded that a
successor could have learnt from, so the age of a first release begins there, however old its table is.
"""

from __future__ import annotations

import contextlib

from fairlead.contract.errors import FairleadError
from fairlead.ops.flow.tracker import Tracker
from fairlead.ops.flow.workspace import Workspace


def knows_until(ws: Workspace, tracker: Tracker, champion: str) -> float:
    """Event time of the newest row that the champion knew when it was made; of a first release not before watching
    began."""
    if tracker.knows is not None and tracker.champion == champion:
        return tracker.knows
    return max(ws.load(champion).manifest.lineage.trained_to, tracker.released)


def newest_known(ws: Workspace, bundle: str, at: float) -> float:
    """The same of any bundle, at most event time `at`; `at` where its rows had no times (a model from elsewhere)."""
    from fairlead.lab.tables import event_times
    from fairlead.ops.flow import making

    model = ws.settings.model
    known = [ws.load(bundle).manifest.lineage.trained_to]
    remembered = making.kept(ws, bundle)
    if remembered is not None and model.time_columns:
        with contextlib.suppress(FairleadError, KeyError, OSError):
            held = event_times(making.kept_rows(ws, remembered.holdout), model.time_columns, model.timezone)
            known += held.tolist()
    newest = max(known)
    return min(newest, at) if newest > 0.0 else at
