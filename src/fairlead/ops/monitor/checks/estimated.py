"""How well the model is likely to do on rows whose labels are not there yet."""

from __future__ import annotations

from typing import Literal

import numpy as np

from fairlead.contract.events import Finding
from fairlead.contract.evidence import Interval
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.estimates import BLIND, LEAST_OVERLAP, Estimate, estimates, overlap
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.promise import LEAST, NEEDED
from fairlead.ops.monitor.seen import Moment, Seen
from fairlead.ops.monitor.statistic import Judged

SHOWN = ("roc_auc", "accuracy", "mae", "pinball", "rmse")
"""The metric that a message tells beside the loss: the first that there is."""


LEAST_SHARE = 0.05
"""Rise of the expected loss, as a share of the usual one, below which nobody is told."""


class Estimated:
    """The loss that a window's inputs let expect, beside what the held-out windows' inputs did.

    Calibrated by the t prediction interval of one more window among those held out, whose estimates vary as their
    inputs do. In a window still open it informs and does not alarm: what comes later may be other rows. So it does of
    rows beyond those held out, where neither estimate nor limit is known to hold.
    """

    name = "estimated"
    family: Family = "inputs"
    moment: Moment = "inputs"
    early = True

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """At most one finding, of the loss."""
        if seen.rows is None:
            return []
        found = estimates(seen.reference, seen.signature, seen.rows.columns, seen.rows.scores)
        if "loss" not in found:
            return []
        limit = highest(found["loss"].usual, min(allowed, 0.5))
        _tell(seen, found["loss"], limit)
        worse = found["loss"].interval.value - float(np.mean(found["loss"].usual))
        if limit is None or found["loss"].interval.value <= limit or worse < _floor(found["loss"]):
            return []
        return [_finding(seen, found, limit)]


def _floor(loss: Estimate) -> float:
    """Least rise that matters, however sure it is."""
    return max(LEAST, LEAST_SHARE * float(np.mean(loss.usual)))


def _tell(seen: Seen, loss: Estimate, limit: float | None) -> None:
    """For `watch --explain`: why it spoke or was silent."""
    value, usual = loss.interval.value, np.asarray(loss.usual)
    if limit is None:
        why = f"{len(usual)} windows were held out, {NEEDED} are needed to know how far estimates vary"
    else:
        why = f"these inputs let expect a loss of {value:.4f}; held-out windows let expect {usual.mean():.4f}"
    speaks = limit is not None and value > limit and value - float(usual.mean()) >= _floor(loss)
    p = (1.0 + float((usual >= value).sum())) / (1.0 + len(usual))
    bar = limit if limit is not None else float(usual.max())
    judged = Judged(value, bar, float(usual.mean()), speaks, limit is None, p, why, "the held-out windows")
    seen.tell("estimated", "loss", judged, "expected mean loss")


def highest(usual: tuple[float, ...], rate: float) -> float | None:
    """What one more window exceeds with probability `rate`; None of fewer than 8."""
    from fairlead.lab.stats.quantiles import student

    known = np.asarray(usual)
    if known.size < NEEDED:
        return None
    # Windows of equal rows may have next to no spread: a thousandth of the level is no news.
    spread = max(float(known.std(ddof=1)), 1e-3 * abs(float(known.mean())), 1e-6)
    return float(known.mean() + student(1.0 - rate, known.size - 1) * spread * np.sqrt(1.0 + 1.0 / known.size))


def _finding(seen: Seen, found: dict[str, Estimate], limit: float) -> Finding:
    window, loss = seen.window, found["loss"]
    usual = float(np.mean(loss.usual))
    shown = next((name for name in SHOWN if name in found), None)
    beside = (
        "" if shown is None else f"; {shown} {_said(found[shown])} where {np.mean(found[shown].usual):.4g} was usual"
    )
    low, high = loss.interval.low - usual, loss.interval.high - usual
    shared, column = overlap(seen.profile, seen.reference)
    unsure = window.state == "open" or shared < LEAST_OVERLAP
    severity: Literal["info", "warning"] = "info" if unsure else "warning"
    far = "" if shared >= LEAST_OVERLAP else f"; {column} shares only {shared:.0%} with what was held out, so beware"
    return Finding(
        id=finding_id(window.model, "estimated", (), window.start),
        model=window.model,
        area="estimated",
        check="estimated",
        window=window.index,
        since=window.start,
        size=loss.interval.value - usual,
        low=low,
        high=high,
        unit="expected mean loss above the usual",
        message=(
            f"no labels yet, but these inputs let expect a mean loss of {_said(loss)} where {usual:.4f} was usual, "
            f"alarm from {limit:.4f}{beside}{far}; {BLIND}"
        ),
        severity=severity,
        evidence={
            "limit": limit,
            "usual": usual,
            "chance": loss.chance,
            "beyond_chance": loss.beyond,
            "overlap": shared,
        },
        cost=Interval(loss.interval.value - usual, low, high),
        cost_in="loss",
    )


def _said(estimate: Estimate) -> str:
    value = estimate.interval
    return f"{value.value:.4g} ({value.low:.4g} to {value.high:.4g})"
