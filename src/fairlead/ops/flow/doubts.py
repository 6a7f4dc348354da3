"""Recorded labels that a retraining does not learn from: those that look poisoned, window by window."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fairlead.ops.flow.making import champion_bundle
from fairlead.ops.flow.seeing import memories_of, rows_of
from fairlead.ops.flow.view import View
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.monitor.checks.poisoned import spreads_in
from fairlead.ops.monitor.doubtful import doubtful_labels, in_words, kinds_of
from fairlead.ops.monitor.scattered import scattered_labels

TASKS = ("classification", "regression")
NEWEST = 64
"""Windows that are looked at, the newest ones."""
ALLOWED = 0.01
"""Chance to leave short runs of labels out of a window where nothing is wrong."""
REMEMBERED = 3
"""Windows of which it has to be known how much blocks differ, before that is a yardstick."""


class Doubted(NamedTuple):
    """left_out: (rows,) of the view. why: a sentence for each window in which there are any."""

    left_out: np.ndarray
    why: tuple[str, ...] = ()


def doubted(ws: Workspace, view: View) -> Doubted:
    """Rows of a view that are not learned from (`retrain.guard`), by what they cost the answers they got."""
    from fairlead.lab.stats import losses

    nothing = Doubted(np.zeros(view.rows, dtype=bool))
    bundle = champion_bundle(ws)
    if bundle is None or not ws.settings.retrain.guard or view.signature.task not in TASKS:
        return nothing
    model = ws.load(bundle)
    if view.signature.classes != model.signature.classes:
        return nothing
    answered = view.answered()
    known = view.labelled & np.isfinite(answered).all(axis=1)
    memory: dict[str, list[float]] = memories_of(ws).get("poisoned") or {}
    usual = {
        kind: max(values) for kind, values in memory.items() if isinstance(values, list) and len(values) >= REMEMBERED
    }
    left_out, told = np.zeros(view.rows, dtype=bool), []
    rows = rows_of(view, answered)
    for window in ws.state.windows(ws.model, last=NEWEST):
        chosen = np.flatnonzero(known & (view.times >= window.start) & (view.times < window.end))
        if not len(chosen):
            continue
        lost = losses(
            view.signature.task, view.labels[chosen], answered[chosen], view.signature, model.reference.loss_clip
        )
        doubt = doubtful_labels(lost, answered[chosen], kinds_of(rows, chosen), usual=usual)
        left_out[chosen[doubt.left_out]] = True
        if doubt.why:
            told.append(f"window {window.index}: {doubt.why}")
            continue
        arrived = (rows.times if rows.arrived is None else rows.arrived)[chosen]
        runs = scattered_labels(lost, answered[chosen], arrived, spreads_in(memory), ALLOWED)
        if runs is not None and runs.block is not None and runs.block.suspicious:
            left_out[chosen[runs.rows]] = True
            told.append(f"window {window.index}: {in_words((runs.block,), int(runs.rows.sum()))}")
    return Doubted(left_out, tuple(told))
