"""Whether `[rollout]` can be."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import Settings
from fairlead.contract.signature import UNSUPERVISED

Fail = Callable[..., ConfigInvalid]
LONGEST_DAYS = 3653


def check_trying(settings: Settings, fail: Fail) -> None:
    """Raises what `fail(key, what, cure)` makes of the first thing that cannot be."""
    rollout = settings.rollout
    if list(rollout.steps) != sorted(set(rollout.steps)):
        raise fail("rollout.steps", "must grow from step to step.", "Write it as [0.05, 0.2, 0.5].")
    if rollout.min_days > rollout.max_days:
        raise fail("rollout.min_days", f"is more than rollout.max_days, {rollout.max_days:g}.", "Raise max_days.")
    if rollout.max_days > LONGEST_DAYS:
        raise fail("rollout.max_days", f"is more than ten years, {LONGEST_DAYS:,} days.", "Write it as 28.")
    if rollout.value_range is not None:
        low, high = rollout.value_range
        if not (isfinite(low) and isfinite(high) and low < high):
            raise fail("rollout.value_range", "is no range.", "Write it as [0, 100], the least value first.")
        if rollout.objective != "value":
            raise fail("rollout.value_range", 'is for objective = "value".', "Set the objective, or take it out.")
    if rollout.design == "fixed" and rollout.value_range is not None:
        raise fail("rollout.value_range", "makes a test exact that may always look.", "Take it out, or the design.")
    if (
        rollout.design == "fixed"
        and rollout.objective == "loss"
        and settings.model.task in ("forecasting", "clustering")
    ):
        what = "forecasts are judged in blocks" if settings.model.task == "forecasting" else "of clusters none is right"
        raise fail("rollout.design", f"fixed plans labelled rows, and {what}.", 'Take it out: "anytime" looks always.')
    if "latency" in rollout.guardrails and rollout.guardrails["latency"] < 1.0:
        cure = "Write it as 1.5: half as long again as the champion's."
        raise fail("rollout.guardrails", "latency below 1 asks a challenger to be faster than the champion.", cure)
    for name in ("errors", "decision_rate"):
        if rollout.guardrails.get(name, 0.0) >= 1.0:
            cure = f"Write it as {{{name} = 0.01}}."
            raise fail("rollout.guardrails", f"{name} is a share of requests, below 1.", cure)
    if "decision_rate" in rollout.guardrails and settings.model.task not in ("classification", *UNSUPERVISED):
        raise fail("rollout.guardrails", f"decision_rate: a {settings.model.task} decides nothing.", "Take it out.")
