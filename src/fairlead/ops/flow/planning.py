"""What a rollout would take: how much the two versions differ row by row, and how many labels or values come a day."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.contract import records as names
from fairlead.contract.errors import UsageError
from fairlead.ops.flow import making
from fairlead.ops.flow.forecasts import label_delay
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.monitor.windows import DAY
from fairlead.ops.rollout.planning import Plan, plan

UNKNOWN = 0.2
"""Of paired losses, where no rows are kept to measure it on: rather too much than too little."""
NEWEST_DAYS = 14.0
MOST_ROWS = 20_000


def plan_of(ws: Workspace, version: int, share: float, *, shadow: bool = False, challengers: int = 1) -> Plan:
    """The plan of trying a version beside the champion. Raises UsageError where there is none."""
    rollout = ws.settings.rollout
    champion = making.champion_bundle(ws)
    if champion is None:
        raise UsageError("there is no champion to compare with: deploy without --canary, --shadow or --ab first.")
    chosen = ws.state.version(ws.model, version)
    delay = label_delay(ws.settings, ws.load(champion).signature) / DAY
    terms: dict[str, Any] = {
        "alpha": 0.05 / max(challengers, 1), "anytime": rollout.design == "anytime", "delay_days": delay,
    }  # fmt: skip
    if rollout.objective == "value" and not shadow:
        spread, per_day = spread_of_values(ws)
        return plan(spread, rollout.max_loss, per_day, share, paired=False, what="values", **terms)
    deviation = deviation_of(ws, champion, chosen.bundle)
    return plan(deviation, rollout.max_loss, labels_per_day(ws), share, paired=True, **terms)


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
    from fairlead.ops.flow.situating import rows_per_day

    windows = ws.state.windows(ws.model)
    scored = [w for w in windows if w.state == "scored"]
    rows, labelled = sum(w.rows for w in scored), sum(w.labelled for w in scored)
    share = labelled / rows if rows and labelled else 1.0
    return rows_per_day(windows) * share if windows else answers_per_day(ws)


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
