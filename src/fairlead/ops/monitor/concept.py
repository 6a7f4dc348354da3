"""Whether rows are answered worse than rows like them were: performance moved, or moved more than the inputs explain.

Every labelled row lets its estimate be compared with its loss: what it lost beyond the held-out rows alike. A change of
the inputs moves both; only a change of what the inputs mean moves the difference (and labels that depend on the truth).
So the differences of windows are held against those of the held-out windows, each of which was estimated by the others.
Source: the expected loss under the new inputs is that of Sugiyama, Krauledat and Müller, Covariate shift adaptation by
importance weighted cross validation (2007), with rows that are alike in the place of density ratios.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from fairlead.contract.evidence import Interval
from fairlead.contract.profile import Reference
from fairlead.contract.signature import Signature
from fairlead.ops.monitor.promise import LEAST, NEEDED
from fairlead.ops.monitor.seen import Rows

Outcome = Literal["explained by inputs", "concept", "inconclusive"]
FEWEST_ROWS = 20
LEAST_SHARED = 0.75
"""Least `overlap` with the held-out rows of a window that is evidence: of rows beyond them nobody knows how well they
are usually answered, and their losses would be taken for a change of concept."""


class Compared(NamedTuple):
    """Labelled rows of a window: their mean loss, what rows alike let expect, the deviation of the difference by
    chance; losses, expected: of each row, (n,); positions: (n,) of them among the window's rows."""

    realised: float
    expected: float
    chance: float
    losses: np.ndarray
    likely: np.ndarray
    positions: np.ndarray


def compared(reference: Reference, signature: Signature, rows: Rows) -> Compared | None:
    """Losses of labelled rows beside what rows like them let expect; None where that is not known."""
    from fairlead.lab.stats.estimating import expectation, row_losses
    from fairlead.lab.stats.loss import losses
    from fairlead.ops.monitor.estimates import counted_of

    taught = reference.estimation
    if taught is None or rows.scores is None or rows.labels is None or rows.labelled is None:
        return None
    chosen = np.flatnonzero(rows.labelled & np.isfinite(rows.scores).all(axis=1))
    if len(chosen) < FEWEST_ROWS:
        return None
    scores = rows.scores[chosen]
    counted = counted_of(reference, rows.columns, rows.scores, chosen)
    found = losses(signature.task, rows.labels[chosen], scores, signature, reference.loss_clip)
    likely = row_losses(taught, signature, counted, scores)
    chance = expectation(taught, signature, counted, scores)["loss"].chance
    return Compared(float(found.mean()), float(likely.mean()), chance, found, likely, chosen)


def held_out_gaps(reference: Reference) -> np.ndarray:
    """What each held-out window lost beyond its estimate, (windows,)."""
    taught = reference.estimation
    told = [] if taught is None else [w["loss"] for w in taught.windows if "loss" in w]
    return np.asarray([t.realised - t.expected for t in told])


class Verdict(NamedTuple):
    """What a change of loss is made of. moved: against the held-out windows; explained: by the inputs; beyond: the
    rest, each with its interval."""

    outcome: Outcome
    moved: Interval
    explained: float
    beyond: Interval


def verdict(reference: Reference, realised: np.ndarray, expected: np.ndarray) -> Verdict | None:
    """Of windows since a change, (m,) mean losses realised and expected: explained by inputs, concept or inconclusive.

    The part beyond the inputs has the t interval of a mean of m windows against the held-out ones. Explained by
    inputs: less than half of what moved may lie beyond them. Concept: the part beyond is surely more than the least
    harm that matters. None with fewer than 8 held-out windows.
    """
    from fairlead.lab.stats.quantiles import student

    gaps = held_out_gaps(reference)
    if gaps.size < NEEDED or not realised.size:
        return None
    levels = np.asarray([w["loss"].realised for w in reference.estimation.windows])  # type: ignore[union-attr]
    wide = student(0.975, gaps.size - 1) * np.sqrt(1.0 / gaps.size + 1.0 / realised.size)

    def around(value: float, spread: float) -> Interval:
        half = float(wide * max(spread, 1e-9))
        return Interval(value, value - half, value + half)

    moved = around(float(realised.mean() - levels.mean()), float(levels.std(ddof=1)))
    beyond = around(float((realised - expected).mean() - gaps.mean()), float(gaps.std(ddof=1)))
    outcome: Outcome = "inconclusive"
    if beyond.low > LEAST:
        outcome = "concept"
    elif moved.value > LEAST and beyond.high < 0.5 * moved.value:
        outcome = "explained by inputs"
    return Verdict(outcome, moved, moved.value - beyond.value, beyond)
