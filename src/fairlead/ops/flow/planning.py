"""What a rollout would take: how much the two versions differ row by row, and how many labels or values come a day."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fairlead.contract import records as names
from fairlead.contract.errors import UsageError
from fairlead.contract.events import Window
from fairlead.ops.flow import making
from fairlead.ops.flow.forecasts import delay_of
from fairlead.ops.flow.situating import NEWEST, rows_per_day
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.monitor.windows import DAY
from fairlead.ops.rollout.planning import Plan, at_pace, plan
from fairlead.ops.state import Rollout

UNKNOWN = 0.2
"""Of paired losses, where no rows are kept to measure it on: rather too much than too little."""
NEWEST_DAYS = 14.0
HOUR = 3600.0
MOST_ROWS = 20_000


def plan_of(ws: Workspace, version: int, share: float, *, shadow: bool = False, challengers: int = 1) -> Plan:
    """The plan of trying a version beside the champion. Raises UsageError where there is none."""
    rollout = ws.settings.rollout
    champion = making.champion_bundle(ws)
    if champion is None:
        raise UsageError("there is no champion to compare with: deploy without --canary, --shadow or --ab first.")
    chosen = ws.state.version(ws.model, version)
    terms: dict[str, Any] = {
        "alpha": 0.05 / max(challengers, 1), "anytime": rollout.design == "anytime", "delay_days": _delay(ws),
        "max_days": rollout.max_days,
    }  # fmt: skip
    if rollout.objective == "value" and not shadow:
        spread, per_day = spread_of_values(ws)
        return plan(spread, rollout.max_loss, per_day, share, paired=False, what="values", **terms)
    deviation = deviation_of(ws, champion, chosen.bundle)
    return plan(deviation, rollout.max_loss, labels_per_day(ws), share, paired=True, **terms)


def plan_kept(ws: Workspace, rollout: Rollout) -> Plan | None:
    """The plan that a rollout began with, at the pace of now; None where it began without."""
    kept = rollout.details.get("plan")
    if not kept or "share" not in kept:
        return None
    # What values a day there are is read from records, which is more than those who ask for the status should wait for.
    per_day = labels_per_day(ws) if kept["paired"] else float(kept["per_day"])
    return at_pace(kept, per_day, _delay(ws), ws.settings.rollout.max_days)


def days_left(ws: Workspace, rollout: Rollout, needed: int) -> tuple[float, float]:
    """Days in which so many further rows come, and how many of them come a day now; inf and 0 where nobody knows."""
    kept = rollout.details.get("plan") or {}
    per_day = labels_per_day(ws) if kept.get("paired", True) else float(kept["per_day"])
    return (needed / per_day if needed >= 0 and per_day > 0 else math.inf), per_day


def _delay(ws: Workspace) -> float:
    champion = making.champion_bundle(ws)
    return delay_of(ws, champion) / DAY if champion is not None else 0.0


def deviation_of(ws: Workspace, champion: str, challenger: str) -> float:
    """How much the losses of two bundles differ row by row (standard deviation), on rows kept back from training."""
    from fairlead.lab.stats import losses
    from fairlead.lab.tables import columns_of

    model = ws.load(champion)
    kept = making.kept(ws, challenger) or making.kept(ws, champion)
    if kept is None or model.signature.task not in ("classification", "regression", "anomaly"):
        return UNKNOWN
    try:
        frame = making.kept_rows(ws, kept.holdout).head(MOST_ROWS)
        truth = frame[ws.settings.model.target].to_numpy()
    except (UsageError, KeyError):
        return UNKNOWN
    both = []
    for bundle in (champion, challenger):
        asked = ws.load(bundle)
        columns = columns_of(frame, asked.signature, zone=asked.signature.timezone)
        scores = asked.score_columns(columns)
        both.append(losses(model.signature.task, truth, scores, model.signature, model.reference.loss_clip))
    # Models that are nearly the same differ by nothing on most rows, and would still have to be looked at.
    return max(float(np.std(both[1] - both[0])), ws.settings.rollout.max_loss)


def labels_per_day(ws: Workspace) -> float:
    """Labelled rows a day of event time, in windows that were scored; before any, rows, as labels may still come."""
    windows = ws.state.windows(ws.model)
    scored = [w for w in windows if w.state == "scored"]
    rows, labelled = sum(w.rows for w in scored), sum(w.labelled for w in scored)
    share = labelled / rows if rows and labelled else 1.0
    return rows_per_day(windows) * quietened(ws, windows) * share if windows else answers_per_day(ws)


def quietened(ws: Workspace, windows: Sequence[Window]) -> float:
    """By what the pace of the newest windows has to be multiplied where time is arrival, at most 1.

    Windows of a number of rows say how fast rows came while they came: what came in one burst is taken to come once an
    hour at most, and once the next window takes longer than those before it, the time in which nothing came counts.
    """
    if ws.settings.model.time_columns:
        return 1.0
    newest = windows[-NEWEST:]
    lasted = max(newest[-1].end - newest[0].start, 1e-9 * DAY)
    since = (ws.clock() - newest[0].start) * len(newest) / (len(newest) + 1.0)
    return lasted / max(lasted, since, HOUR)


def answers_per_day(ws: Workspace) -> float:
    """Of a model that has had no window yet: what was answered so far."""
    from fairlead.runtime.capture import Records

    times = Records(ws.home.root, ws.model).columns(None, None, [names.TIME])
    if times.num_rows < 2:
        return 0.0
    seen = times.column(names.TIME).to_numpy()
    return float(times.num_rows / max((seen.max() - seen.min()) / DAY, 1.0 / 24.0))


def spread_of_values(ws: Workspace) -> tuple[float, float]:
    """Standard deviation of a value as a share of the mean, and values a day; lately, whoever answered."""
    from fairlead.runtime.capture import Records

    records = Records(ws.home.root, ws.model)
    newest = records.columns(None, None, [names.TIME])
    if not newest.num_rows:
        return 1.0, 0.0
    last = float(newest.column(names.TIME).to_numpy().max())
    table = records.joined(last - NEWEST_DAYS * DAY, None, tensors=False)
    values = table.column(names.VALUE).to_numpy(zero_copy_only=False).astype(np.float64)
    times = table.column(names.TIME).to_numpy()
    known = np.isfinite(values)
    if known.sum() < 2 or values[known].mean() == 0:
        return 1.0, 0.0
    span = max((times.max() - times.min()) / DAY, 1.0 / 24.0)
    return float(values[known].std() / abs(values[known].mean())), float(known.sum() / span)
