"""Realised performance of a window, metric by metric, beside the promise (`promise.py`), which alone retrains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np

from fairlead.contract.events import Finding
from fairlead.contract.evidence import Interval
from fairlead.contract.profile import Reference
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.promise import NEEDED, Step, finding_of

# All metrics together alarm at most once in 240 windows: the promise has most of the budget, and they follow it.
METRICS_BUDGET = 1.0 / 240.0
UNBOUNDED = frozenset({"mae", "mse", "rmse", "log_loss"})
Level = Callable[[Any], Any]
NORMAL = 1.96
"""Deviations from a value to either end of its 95 % interval."""


def check_performance(
    metrics: Mapping[str, Interval],
    reference: Reference,
    *,
    model: str,
    window: int,
    start: float,
    promise: Step | None = None,
    run_length: float = 30.0,
    labelled: int = 0,
) -> list[Finding]:
    """Metrics that are worse than any held-out window lets expect, and the broken promise.

    metrics: of the window, each with its interval; start: event time of the window's start. A metric is compared
    with the held-out windows by the t prediction interval of one more of them, in the bad direction alone, losses
    without an upper end (and what they leave of 1, R2) by their logarithms; with fewer than 8 held-out windows that
    have it, it is not judged. promise: what `promise.step` gave for this window. labelled: rows of the window with
    labels, 0 for as many as were held out: where there are fewer, chance moves a metric further than it moved those
    of held-out windows, by what its own interval says.
    """
    broken = finding_of(promise, model, window) if promise is not None else None
    found = [broken] if broken is not None else []
    rate = min(METRICS_BUDGET, 1.0 / (8.0 * max(run_length, 1.0))) / max(len(metrics), 1)
    rows = float(np.median([h.rows for h in reference.held_out])) if reference.held_out else 0.0
    few = max(1.0 - labelled / rows, 0.0) if labelled and rows else 0.0
    for name in sorted(metrics):
        known = [h.metrics[name] for h in reference.held_out if name in h.metrics and np.isfinite(h.metrics[name])]
        if len(known) >= NEEDED and np.isfinite(metrics[name].value):
            found += _metric(name, metrics[name], np.asarray(known), few, rate, model, window, start)
    if broken is not None:
        # The broken promise is the alarm; its metrics stand beside it and need no alarm of their own.
        found[1:] = [msgspec.structs.replace(finding, severity="info") for finding in found[1:]]
    return found


def _scale(name: str, known: np.ndarray) -> tuple[Level, Level]:
    """There and back: losses that have no upper end are logarithms, of which windows vary alike to both sides."""
    if name in UNBOUNDED and bool(np.all(known > 0.0)):
        return lambda value: np.log(np.maximum(value, 1e-300)), np.exp
    if name == "r2" and bool(np.all(known < 1.0)):
        return lambda value: -np.log(np.maximum(1.0 - value, 1e-300)), lambda level: 1.0 - np.exp(-level)
    return (lambda value: value), (lambda level: level)


def _metric(
    name: str, now: Interval, known: np.ndarray, few: float, rate: float, model: str, window: int, start: float
) -> list[Finding]:
    """few: part of the labels of a held-out window that this one lacks."""
    from fairlead.lab.stats.measures import LOWER_IS_BETTER
    from fairlead.lab.stats.quantiles import student

    sign = 1.0 if name in LOWER_IS_BETTER else -1.0
    there, back = _scale(name, known)
    seen, low, high = (there(value) for value in (now.value, now.low, now.high))
    levels = there(known)
    middle, chance = float(levels.mean()), abs(high - low) / (2.0 * NORMAL)
    # Chance in all of the labels is in the spread of held-out windows; that of the missing ones comes on top.
    spread = float(np.hypot(max(float(levels.std(ddof=1)), 1e-6), chance * np.sqrt(few)))
    reach = student(1.0 - rate, known.size - 1) * np.sqrt(1.0 + 1.0 / known.size) * spread
    usual, limit = float(back(middle)), float(back(middle + sign * reach))
    worse = sign * (now.value - usual)
    if sign * (seen - middle) <= reach or worse <= 0.01 * abs(usual):
        return []
    ends = sorted((sign * (now.low - usual), sign * (now.high - usual)))
    return [
        Finding(
            id=finding_id(model, f"metric:{name}", (), start),
            model=model,
            area="performance",
            check=f"metric:{name}",
            window=window,
            since=start,
            size=float(worse),
            low=float(ends[0]),
            high=float(ends[1]),
            unit=name,
            message=f"{name} is {now.value:.4g}; held-out windows had {usual:.4g}, alarm at {limit:.4g}",
            evidence={"limit": limit, "usual": usual},
        )
    ]
