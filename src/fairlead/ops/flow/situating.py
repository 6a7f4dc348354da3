"""Where a model stands, from what is recorded: what `decide` is told."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from fairlead.contract.events import Window
from fairlead.contract.evidence import Interval
from fairlead.contract.signature import UNSUPERVISED
from fairlead.ops.flow import approving
from fairlead.ops.flow.aftercare import failing
from fairlead.ops.flow.freezing import frozen
from fairlead.ops.flow.freshness import knows_until
from fairlead.ops.flow.policy import triggers_of
from fairlead.ops.flow.situation import Candidate, Live, Situation, Trial
from fairlead.ops.flow.spending import spent
from fairlead.ops.flow.tracker import NEVER, Tracker
from fairlead.ops.flow.tracker import watermark as watermark_of
from fairlead.ops.flow.trial import trials_of
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.monitor import window_spec
from fairlead.ops.monitor.promise import Promise
from fairlead.ops.monitor.windows import DAY, WEEK
from fairlead.ops.state import Intent

NEWEST = 8
"""Windows that say how fast rows come and what is lost now."""


def moment_of(ws: Workspace, tracker: Tracker) -> float:
    """Event time at which is decided: the watermark, or the clock before any record."""
    return watermark_of(tracker, ws.settings, ws.clock()) if tracker.largest > NEVER else ws.clock()


def situation_of(ws: Workspace, intent: Intent, tracker: Tracker) -> Situation:
    """Where the model stands, from what is recorded."""
    champion = next((v for v in intent.variants if v.name == "champion"), None)
    live = None
    if champion is not None:
        live = Live(champion.bundle, tracker.released, knows_until(ws, tracker, champion.bundle), champion.version)
    untaught = ws.settings.model.task in UNSUPERVISED
    waiting, candidate = tracker.candidate, None
    if waiting is not None:
        lacks = approving.missing(ws, waiting.bundle)
        candidate = Candidate(waiting.bundle, waiting.made_at, waiting.why, waiting.version, lacks)
    spec = window_spec(ws.settings)
    newest = ws.state.windows(ws.model, last=NEWEST)
    trials = [approved(ws, intent, one) for one in trials_of(ws, intent, tracker)]
    guardrails, previous = failing(ws, intent, tracker)
    return Situation(
        model=ws.model,
        champion=live,
        previous=previous,
        guardrails=guardrails,
        candidate=candidate,
        rollout=trials[0] if trials else None,
        others=tuple(trials[1:]),
        held=intent.hold,
        last_retrain_at=tracker.retrain_at,
        last_retrain_window=tracker.retrain_window,
        scored_window=tracker.scored - 1,
        # What is learned without a truth can be learned again without one, by age or drift; no loss was promised.
        labelled_windows=max(tracker.labelled, tracker.scored) if untaught else tracker.labelled,
        calibrating=not untaught and (tracker.promise.calibrating if tracker.promise else True),
        window_s=spec.seconds if spec.timed else WEEK,
        frozen=frozen(ws),
        new_labels=labels_since(ws, live.trained_to) if live is not None else 0,
        excess=excess_of(tracker.promise),
        rows_per_day=rows_per_day(newest),
        spent=spent(ws, moment_of(ws, tracker)),
    )


def labels_since(ws: Workspace, trained_to: float) -> int:
    """Labels of windows that end after what the model knows; 0 where no trigger asks for their number."""
    if not triggers_of(ws.settings).labels:
        return 0
    return sum(w.labelled for w in ws.state.windows_since(ws.model, trained_to))


def approved(ws: Workspace, intent: Intent, trial: Trial) -> Trial:
    """The trial, and whether a person said yes to the challenger since it began."""
    if intent.rollout is None or ws.settings.retrain.approve != "manual":
        return trial
    yes = [one for one in approving.approvals(ws, trial.bundle) if one.at >= intent.rollout.started_wall]
    return msgspec.structs.replace(trial, approved=bool(yes))


def excess_of(promise: Promise | None) -> Interval | None:
    """Mean loss above the promise in the newest windows since the champion took over, with its 95 % interval.

    Held-out windows and live ones both vary: Welch's interval of the difference of two means. None with fewer than
    two of either.
    """
    from fairlead.lab.stats.quantiles import student

    if promise is None or promise.calibrating or len(promise.held_out) < 2 or len(promise.recent) < 2:
        return None
    before, now = np.asarray(promise.held_out), np.asarray(promise.recent[-NEWEST:])
    parts = before.var(ddof=1) / before.size, now.var(ddof=1) / now.size
    error = float(np.sqrt(sum(parts)))
    value = float(now.mean() - before.mean())
    if error <= 0:
        return Interval(value, value, value)
    degrees = sum(parts) ** 2 / (parts[0] ** 2 / (before.size - 1) + parts[1] ** 2 / (now.size - 1))
    half = student(0.975, degrees) * error
    return Interval(value, value - half, value + half)


def rows_per_day(windows: Sequence[Window]) -> float:
    """Rows a day of event time, at the pace of the newest windows; 0 before any."""
    newest = windows[-NEWEST:]
    if not newest:
        return 0.0
    return sum(w.rows for w in newest) / max((newest[-1].end - newest[0].start) / DAY, 1e-9)
