"""How well the model is likely to do on rows whose labels are not there yet."""

from __future__ import annotations

from typing import Literal

import numpy as np

from fairlead.contract.events import Finding
from fairlead.contract.evidence import Interval
from fairlead.contract.profile import Reference
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.estimates import BLIND, LEAST_OVERLAP, Estimate, estimates, overlap
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.promise import LEAST, NEEDED
from fairlead.ops.monitor.seen import Moment, Seen
from fairlead.ops.monitor.statistic import Judged
from fairlead.ops.monitor.unseen import unseen

SHOWN = ("roc_auc", "accuracy", "mae", "pinball", "rmse")
"""The metric that a message tells beside the loss: the first that there is."""


LEAST_SHARE = 0.05
"""Rise of the expected loss, as a share of the usual one, below which nobody is told."""
MOST_FREEDOM = 30
"""Of Student's t: expected losses of windows are skewed and have seasons, so that however many are known, their tails
are not the normal's."""


class Estimated:
    """The loss that a window's inputs let expect, beside what those of the reference's windows did.

    Calibrated by the t prediction interval of one more window among those held out and those before them, whose
    estimates vary as their inputs do, and never below what one of them showed. In a window still open it informs and
    does not alarm: what comes later may be other rows. So it does of rows beyond those held out, where neither estimate
    nor limit is known to hold, and of a weekday or an hour that no such window was of: what is usual there, nobody
    knows.
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
        loss, usual = found["loss"], usual_of(seen.reference, found["loss"])
        limit = highest(usual, min(allowed, 0.5))
        _tell(seen, loss, usual, limit)
        worse = loss.interval.value - float(np.mean(usual))
        if limit is None or loss.interval.value <= limit or worse < _floor(usual):
            return []
        return [_finding(seen, found, float(np.mean(usual)), limit)]


def usual_of(reference: Reference, loss: Estimate) -> tuple[float, ...]:
    """The expected loss of every window of the reference that is known: those before the held-out ones, and those."""
    taught = reference.estimation
    return (*(w.expected for w in taught.earlier), *loss.usual) if taught is not None else loss.usual


def _floor(usual: tuple[float, ...]) -> float:
    """Least rise that matters, however sure it is."""
    return max(LEAST, LEAST_SHARE * float(np.mean(usual)))


def _tell(seen: Seen, loss: Estimate, known: tuple[float, ...], limit: float | None) -> None:
    """For `watch --explain`: why it spoke or was silent."""
    value, usual = loss.interval.value, np.asarray(known)
    if limit is None:
        why = f"{len(usual)} windows are known, {NEEDED} are needed to know how far estimates vary"
    else:
        why = f"these inputs let expect a loss of {value:.4f}; windows of the reference let expect {usual.mean():.4f}"
    speaks = limit is not None and value > limit and value - float(usual.mean()) >= _floor(known)
    p = (1.0 + float((usual >= value).sum())) / (1.0 + len(usual))
    bar = limit if limit is not None else float(usual.max())
    judged = Judged(value, bar, float(usual.mean()), speaks, limit is None, p, why, "windows of the reference")
    seen.tell("estimated", "loss", judged, "expected mean loss")


def highest(usual: tuple[float, ...], rate: float) -> float | None:
    """What one more window exceeds with probability `rate`, at least the largest known; None of fewer than 8."""
    from fairlead.lab.stats.quantiles import student

    known = np.asarray(usual)
    if known.size < NEEDED:
        return None
    # Windows of equal rows may have next to no spread: a thousandth of the level is no news.
    spread = max(float(known.std(ddof=1)), 1e-3 * abs(float(known.mean())), 1e-6)
    furthest = student(1.0 - rate, min(known.size - 1, MOST_FREEDOM)) * spread * np.sqrt(1.0 + 1.0 / known.size)
    return max(float(known.mean() + furthest), float(known.max()))


def _finding(seen: Seen, found: dict[str, Estimate], usual: float, limit: float) -> Finding:
    window, loss = seen.window, found["loss"]
    shown = next((name for name in SHOWN if name in found), None)
    beside = (
        "" if shown is None else f"; {shown} {_said(found[shown])} where {np.mean(found[shown].usual):.4g} was usual"
    )
    low, high = loss.interval.low - usual, loss.interval.high - usual
    shared, column = overlap(seen.profile, seen.reference)
    when = unseen(window, known_spans(seen.reference))
    unsure = window.state == "open" or shared < LEAST_OVERLAP or bool(when)
    severity: Literal["info", "warning"] = "info" if unsure else "warning"
    far = "" if shared >= LEAST_OVERLAP else f"; {column} shares only {shared:.0%} with what was held out, so beware"
    far += f"; no window of the reference was of {when}, so nobody knows whether this is usual" if when else ""
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


def known_spans(reference: Reference) -> list[tuple[float, float]]:
    """Start and end of the windows that the limit rests on."""
    earlier = reference.estimation.earlier if reference.estimation is not None else ()
    return [*((w.start, w.end) for w in earlier), *((h.start, h.end) for h in reference.held_out)]


def _said(estimate: Estimate) -> str:
    value = estimate.interval
    return f"{value.value:.4g} ({value.low:.4g} to {value.high:.4g})"
