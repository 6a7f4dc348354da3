"""Whether the champion does as well as it did when it was released."""

from __future__ import annotations

import numpy as np

from fairlead.contract.events import Finding
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.dependence import dependence
from fairlead.ops.monitor.performance import check_performance
from fairlead.ops.monitor.promise import NEEDED, Promise, Step
from fairlead.ops.monitor.seen import Moment, Seen
from fairlead.ops.monitor.statistic import Judged


class Promised:
    """The broken promise, and metrics that are worse than any held-out window lets expect."""

    name = "promised"
    family: Family = "performance"
    moment: Moment = "labels"
    early = False

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """See `fairlead.ops.monitor.performance`."""
        window = seen.window
        if seen.step is not None:
            seen.tell("promise", "loss", _judged(seen.step), "evidence")
        length = seen.step.promise.threshold if seen.step is not None else 30.0
        return check_performance(
            seen.metrics, seen.reference, model=window.model, window=window.index, start=window.start,
            promise=seen.step, run_length=length, labelled=window.labelled,
        )  # fmt: skip


def _judged(done: Step) -> Judged:
    """Evidence beside what makes an alarm, and what that rests on."""
    promise = done.promise
    why = f"{_state(promise)}; {_losses(promise)}"
    depends = dependence(promise)
    if depends is not None:
        why += f"; {depends.in_words}"
    return Judged(done.evidence, promise.limit, 0.0, done.alarm, promise.calibrating, np.nan, why)


def _state(promise: Promise) -> str:
    if promise.calibrating:
        return f"calibrating: {len(promise.held_out)} of {NEEDED} windows that it needs"
    if promise.cooling:
        return f"silent for {promise.cooling} more window{'s' * (promise.cooling != 1)} after a retraining"
    if promise.stands:
        return "the loss is higher than was promised"
    return "within what was promised"


def _losses(promise: Promise) -> str:
    told = f"mean loss {promise.loss:.4g} promised"
    if promise.recent:
        told += f", {promise.recent[-1]:.4g} now"
    if promise.pending is not None:
        told += f", {promise.pending.rows:,.0f} newer labels wait for more"
    return told
