"""The labels of a window judged: every metric, whose labels they are, the promise, and what checks say of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fairlead.contract import records as names
from fairlead.contract.events import Window
from fairlead.contract.evidence import Interval
from fairlead.contract.signature import Signature
from fairlead.ops.flow.forecasts import blocks_of
from fairlead.ops.flow.performing import Figures, by_version
from fairlead.ops.flow.ranked import drawn_together, groups_of, order_intervals
from fairlead.ops.flow.tracker import Tracker
from fairlead.ops.flow.view import View
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.monitor import Step, step
from fairlead.ops.monitor.selection import Selection, bounds_of, selection_of, weighted_intervals

METRIC_DRAWS = 200
CORRECTED = ("classification", "regression")
"""Tasks whose labels are looked at for whom they speak for."""


class Told(NamedTuple):
    """What labels tell. figures: every metric of the labelled rows, for the window; metrics: the same with intervals,
    for checks; realised: as they are kept, of labels that speak for some alone with bounds, `stated` under the stated
    assumption. step: what the promise said, None where these labels cannot be held against it.
    """

    figures: dict[str, float]
    metrics: dict[str, Interval]
    realised: dict[str, Interval]
    stated: dict[str, Interval]
    selection: Selection
    versions: dict[str, Figures]
    step: Step | None = None


def told_by(ws: Workspace, tracker: Tracker, window: Window, view: View) -> Told:
    """What the labels of a window tell; the tracker's promise is not moved. The view has a labelled row at least."""
    from fairlead.lab.stats import bootstrap, losses

    model = ws.load(tracker.champion)
    signature, reference = model.signature, model.reference
    chosen = np.flatnonzero(view.labelled)
    every = view.scores(model) if signature.task in CORRECTED else None
    selection = _selection(ws, tracker, view, every)
    truth, answered = view.labels[chosen], view.answered()[chosen]
    given = np.isfinite(answered).all(axis=1)
    # Callers got the answers of every variant; the promise is the champion's, so it is asked about every row.
    realised = truth[given], answered[given]
    weights = selection.weights[given]
    # Forecasts of one block are drawn together: they err alike.
    groups = groups_of(view, chosen[given])
    block = (
        blocks_of(view.times[chosen][given], signature) if signature.task == "forecasting" else drawn_together(groups)
    )
    if selection.plain:
        from fairlead.lab.stats import metric_intervals

        metrics = metric_intervals(
            signature.task, *realised, signature, draws=METRIC_DRAWS, seed=window.index, block=block
        )
        metrics |= order_intervals(groups, *realised, signature, draws=METRIC_DRAWS, seed=window.index)
    else:
        metrics = weighted_intervals(signature, *realised, weights, seed=window.index)
    figures = {name: interval.value for name, interval in metrics.items()}
    kept: dict[str, Interval] = dict(metrics)
    stated: dict[str, Interval] = {}
    if signature.task != "clustering" and len(realised[0]):
        row_losses = losses(signature.task, *realised, signature, reference.loss_clip)
        figures["loss"] = float(np.average(row_losses, weights=weights))
        if selection.plain:
            kept["loss"] = bootstrap(row_losses, draws=METRIC_DRAWS, seed=window.index, block=block)
        elif selection.how == "corrected":
            kept["loss"] = _weighted_mean(row_losses, weights, window.index)
        elif every is not None and given.all():
            right = _right(signature, *realised)
            kept, stated = bounds_of(
                reference, signature, view.columns, np.nan_to_num(every), row_losses, right, selection
            )
    versions = by_version(ws, view, window, figures=metrics if selection.plain else {})
    done = _against_promise(tracker, window, view, every if every is not None else view.scores(model), selection)
    # Of labels that depend on the truth nothing can be held against what was promised of all rows.
    checked = {} if selection.outcome else metrics
    return Told(figures, checked, kept, stated, selection, versions, done)


def _selection(ws: Workspace, tracker: Tracker, view: View, scores: np.ndarray | None) -> Selection:
    told = int(view.labelled.sum())
    if scores is None:
        share = told / max(view.rows, 1)
        return Selection("as labelled", np.ones(told), float(told), share, "not looked at for this task")
    model = ws.load(tracker.champion)
    return selection_of(model.reference, model.signature, view.columns, scores, view.times, view.labels, view.labelled)


def _weighted_mean(values: np.ndarray, weights: np.ndarray, seed: int) -> Interval:
    from fairlead.lab.stats.intervals import percentile, resamples

    parts = [(w * weights) @ values / (w * weights).sum(axis=1) for w in resamples(len(values), METRIC_DRAWS, seed)]
    return percentile(float(np.average(values, weights=weights)), np.concatenate(parts))


def _right(signature: Signature, truth: np.ndarray, answered: np.ndarray) -> np.ndarray:
    from fairlead.lab.stats import class_codes
    from fairlead.lab.stats.measures import decisions

    if signature.task != "classification":
        return np.full(len(truth), np.nan)
    codes = class_codes(truth, signature.classes)
    return np.asarray(decisions(answered, signature) == codes, dtype=np.float64)


def _against_promise(
    tracker: Tracker, window: Window, view: View, every: np.ndarray, selection: Selection
) -> Step | None:
    """The promise after these labels: of rows that no label speaks for, what rows like them let expect is taken."""
    from fairlead.lab.stats import losses

    signature = view.signature
    if tracker.promise is None or signature.task == "clustering" or selection.outcome:
        return None
    chosen = np.flatnonzero(view.labelled)
    # What others answered with hidden tensors, the champion cannot be asked again.
    told = np.isfinite(every[chosen]).all(axis=1)
    if not told.any():
        return None
    rows = chosen[told]
    row_losses = losses(signature.task, view.labels[rows], every[rows], signature, tracker.promise.clip)
    mean = float(np.average(row_losses, weights=selection.weights[told]))
    if selection.how == "bounds" and len(selection.missing):
        gap = float(selection.missing.mean())
        # Rows that no label speaks for can break no promise: they count as having kept it.
        mean = (1.0 - gap) * mean + gap * min(mean, tracker.promise.loss)
    worth = min(float(told.sum()), selection.effective)
    return step(tracker.promise, mean, worth, window.start, float(row_losses.std()))


def of_others(view: View) -> bool:
    """Whether there are labels of another definition of the target."""
    table = view.table
    if names.DEFINITION not in table.schema.names:
        return False
    import pyarrow.compute as pc

    found = pc.unique(table.column(names.DEFINITION)).to_pylist()
    return any(d is not None and d != view.signature.definition for d in found)
