"""All checks of one window in one call."""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.contract.events import Finding, Window
from fairlead.contract.evidence import Interval
from fairlead.contract.profile import Profile, Reference
from fairlead.ops.monitor.drift import check_drift
from fairlead.ops.monitor.performance import check_performance
from fairlead.ops.monitor.promise import Step
from fairlead.ops.monitor.quality import Traffic, check_quality
from fairlead.ops.monitor.thresholds import Thresholds


def check_window(
    window: Window,
    profile: Profile,
    reference: Reference,
    thresholds: Thresholds,
    *,
    importance: Mapping[str, float] | None = None,
    traffic: Traffic | None = None,
    metrics: Mapping[str, Interval] | None = None,
    promise: Step | None = None,
    run_length: float = 30.0,
) -> list[Finding]:
    """What the window shows, as if nothing had been open before it; `carry` joins it with what was.

    Inputs can be judged when the window closes, performance once its labels are in: leave out `metrics` and
    `promise` until then (and hand `carry` only open findings of the areas judged).
    """
    name, index = window.model, window.index
    found = check_quality(profile, reference, thresholds, traffic, model=name, window=index)
    found += check_drift(profile, reference, thresholds, importance, model=name, window=index)
    if metrics is not None or promise is not None:
        found += check_performance(
            metrics or {}, reference, model=name, window=index, start=window.start, promise=promise,
            run_length=run_length,
        )  # fmt: skip
    return found
