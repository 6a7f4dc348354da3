"""Which kind of change labelled rows show: of the inputs, of how frequent classes are, or of what inputs mean."""

from __future__ import annotations

import numpy as np

from fairlead.contract.events import Finding
from fairlead.lab.stats.decision_rates import positive_of
from fairlead.lab.stats.estimating import probabilities_by
from fairlead.lab.stats.shift_kinds import FAILS, LEAST_EACH, Known, Shift, known_of, shift_of
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.seen import Moment, Seen
from fairlead.ops.monitor.statistic import Judged

BLOCKS = 40
"""Pieces of a window whose rows count together, at most; each of at least 5 rows."""

FEWEST_BLOCKS = 12
UNIT = "share of rows"
MOST_IN_A_BIN, OFF = 0.5, 0.01


class ShiftKind:
    """Two classes alone; told as information: it says what a finding means, and is no alarm of its own.

    What it concludes, or why it concludes nothing, is one sentence of `watch --explain` and of the window's report.
    """

    name = "shifts"
    family: Family = "concept"
    moment: Moment = "labels"
    early = False

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """One finding where something surely moved, which may be that the kind cannot be told; else silence."""
        known, rows = known_in(seen), seen.rows
        if rows is None or rows.scores is None or rows.labels is None or rows.labelled is None:
            return []
        if known is None:
            return _untold(seen, _unknown(seen))
        positive = positive_of(seen.signature)
        place = seen.signature.classes.index(positive)
        chosen = np.flatnonzero(np.asarray(rows.labelled, dtype=bool) & np.isfinite(rows.scores).all(axis=1))
        blocks = min(BLOCKS, len(chosen) // 5)
        if blocks < FEWEST_BLOCKS:
            return _untold(seen, f"not told: {len(chosen)} labelled rows, {5 * FEWEST_BLOCKS} are needed")
        chosen = chosen[np.argsort(rows.times[chosen], kind="stable")]
        event = np.asarray([label == positive for label in rows.labels[chosen].tolist()])
        found = shift_of(known, rows.scores[chosen, place], event, np.arange(len(chosen)) * blocks // len(chosen))
        if found is None:
            return _untold(
                seen, f"not told: either class needs {LEAST_EACH} labels, and scores have to tell them apart"
            )
        if found.kind == "none" or min(found.p_meaning, found.p_within, found.p_scores, found.p_prior) > FAILS:
            return _untold(seen, "none: scores, frequencies of classes and what scores mean are as they were")
        finding = _finding(seen, positive, found)
        # No limit: it raises no alarm.
        judged = Judged(found.seen.value, np.nan, found.usual, True, True, np.nan, finding.message)
        seen.tell("shift", found.kind, judged, UNIT)
        return [finding]


def _untold(seen: Seen, why: str) -> list[Finding]:
    """No finding, and the reason where people ask for it."""
    if why:
        seen.tell("shift", "", Judged(np.nan, np.nan, np.nan, False, True, np.nan, why), UNIT)
    return []


def _unknown(seen: Seen) -> str:
    """Why the reference does not say how score and event went together."""
    if seen.signature.task != "classification":
        return ""
    if len(seen.signature.classes) != 2:
        return (
            f"not told: of two classes alone, this model has {len(seen.signature.classes)}; look at columns and metrics"
        )
    return "not told: the reference does not say how often the event happened at each score"


def known_in(seen: Seen) -> Known | None:
    """The reference's joint distribution of score and event; None where held-out answers did not teach it."""
    taught, signature = seen.reference.estimation, seen.signature
    if signature.task != "classification" or len(signature.classes) != 2:
        return None
    positive = positive_of(signature)
    column = next((c for c in seen.reference.profile.scores if c.bins.name == positive), None)
    if taught is None or taught.method != "cbpe" or column is None or not sum(column.counts):
        return None
    edges = np.asarray(column.bins.edges, dtype=np.float64)
    ends = np.concatenate([[0.0], edges, [1.0]])
    middle = (ends[:-1] + ends[1:]) / 2.0
    counts = np.asarray(column.counts, dtype=np.float64)
    mean = column.bins.shift + column.bins.scale * column.z / max(column.rows - column.missing, 1)
    if counts.max() > MOST_IN_A_BIN * counts.sum() or abs(float(middle @ counts) / counts.sum() - mean) > OFF:
        # Scores of a rare event lie in one bin: how often it happened there, its middle does not say.
        return None
    place = signature.classes.index(positive)
    both = np.column_stack([1.0 - middle, middle] if place else [middle, 1.0 - middle])
    event = probabilities_by(taught.curves, both)[:, place]
    return known_of(counts, edges, np.clip(event, 1e-4, 1.0 - 1e-4))


def _finding(seen: Seen, positive: str, found: Shift) -> Finding:
    window = seen.window
    apart = found.seen.value - found.usual
    return Finding(
        id=finding_id(window.model, f"shift_{found.kind}", (), window.start), model=window.model, area="concept_drift",
        check=f"shift_{found.kind}", window=window.index, since=window.start, size=apart,
        low=found.seen.low - found.usual, high=found.seen.high - found.usual, unit=UNIT, severity="info",
        message=told(positive, found),
        evidence={
            "p_meaning": found.p_meaning, "p_within_classes": found.p_within, "p_scores": found.p_scores,
            "p_prior": found.p_prior, "usual": found.usual, "seen": found.seen.value, "by_scores": found.prior.value,
            "by_scores_low": found.prior.low, "by_scores_high": found.prior.high, "odds": found.odds,
        },
    )  # fmt: skip


def told(positive: str, found: Shift) -> str:
    """The verdict, and what it means for the model, in words."""
    shares = (
        f"{positive!r} is {found.seen.value:.1%} of the labelled rows [{found.seen.low:.1%}, {found.seen.high:.1%}], "
        f"was {found.usual:.1%}"
    )
    if found.kind == "covariate":
        return (
            f"the inputs moved and mean what they meant (covariate shift): {shares}, as the probabilities say; "
            "they stay right, and so do thresholds made of costs"
        )
    if found.kind == "prior":
        return (
            f"{shares}, while rows of either class look as before (prior shift): multiply the odds of the "
            f"probabilities by {found.odds:.2f}, move the threshold likewise, or retrain"
        )
    if found.kind == "concept":
        return (
            f"neither other inputs nor other frequencies of classes explain the labels: {shares}; what inputs mean "
            "moved (concept shift), or several things at once: retrain"
        )
    return f"something moved ({shares}), and these labels cannot tell whether inputs, frequencies or meanings did"
