"""The promise: a model keeps losing no more than on the windows held out when it was first released.

The excess of each newly labelled window is accumulated in a Shiryaev-Roberts
e-detector over the fixed windows of the first release, so a slow slide cannot
make itself the new normal, and looking after every window costs nothing. Neither
the promised loss nor how much it varies from window to window is taken as known:
few held-out windows make the detector slower, not trigger-happy. The detector takes its values to vary alike, so
windows with few labels are put together until their mean is about as sure as that of a held-out window.
Source: Shin, Ramdas and Rinaldo, E-detectors (2023); see `lab/stats/evalues`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from fairlead.contract.events import Finding
from fairlead.contract.profile import HeldOut

NEEDED = 8
THRESHOLD = 30.0
COOL_DOWN = 2
# Starts older than this are forgotten, which can only make the detector more cautious.
REMEMBERED = 64
# Least harm worth an alarm: mean loss that nobody would retrain for, however certain it is.
LEAST = 0.002
MOST_ALARMS = 7
MOST_CHANCE = 0.25
"""What labels that are missing may add by chance to the variance of a mean loss, as a share of that of the held-out
windows, for the window to be looked at by itself."""


class Pending(msgspec.Struct, frozen=True):
    """Labelled rows that are too few to be looked at yet. loss: their mean; variance: of one row's loss; start: of the
    first window."""

    rows: float
    loss: float
    variance: float
    start: float


class Promise(msgspec.Struct, frozen=True, omit_defaults=True):
    """State of the detector; hand it on from window to window (serialisable).

    held_out: mean losses of the first release's held-out windows, the fixed reference. threshold: evidence that
    makes an alarm, about the windows between two false ones. clip: absolute error that counts as loss 1 (regression),
    of the first release: with its successors' own, losses could not be compared. recent, starts: losses since the
    last reset, with the starts of their windows. evidence: now. cooling: windows for which no alarm is raised.
    alarmed_since: event time since when the loss is higher, while the alarm stands. rows: of a held-out window, the
    median; 0 is not known. pending: labels of the newest windows that wait for more. alarms: that ended in a reset.
    """

    held_out: tuple[float, ...]
    threshold: float
    clip: float = 1.0
    recent: tuple[float, ...] = ()
    starts: tuple[float, ...] = ()
    evidence: float = 0.0
    cooling: int = 0
    alarmed_since: float | None = None
    rows: float = 0.0
    pending: Pending | None = None
    alarms: int = 0

    @property
    def limit(self) -> float:
        """Evidence that makes the next alarm: for the k-th, k times that of the first, up to 8 times.

        Alarms of one promise are not independent: one that was lucky is broken again and again, for the same reason.
        No window starts evidence for two alarms, and each start's has an expectation of at most 1 when its alarm
        comes. So the limits of all alarms in n windows add up to at most n in expectation, whatever their order:
        with one limit for all, alarms come at most once in `threshold` windows, and with growing ones K of them only
        where K (K + 1) / 2 could be paid for. Real harm has k times the evidence within a window or two.
        """
        return self.threshold * (1 + min(self.alarms, MOST_ALARMS))

    @property
    def calibrating(self) -> bool:
        """Whether too few windows were held out for the promise to be known."""
        return len(self.held_out) < NEEDED

    @property
    def loss(self) -> float:
        """The promised mean loss."""
        return float(np.mean(self.held_out)) if self.held_out else 0.0

    @property
    def stands(self) -> bool:
        """Whether the alarm stands."""
        return self.alarmed_since is not None


class Step(NamedTuple):
    """What a window did to the promise. alarm: broken, and not in cool-down. since: event time the trouble began."""

    promise: Promise
    alarm: bool
    evidence: float
    since: float | None


def start(held_out: Sequence[HeldOut] | Sequence[float], run_length: float = THRESHOLD, clip: float = 1.0) -> Promise:
    """The promise of a first release. held_out: its windows, or their mean losses in [0, 1].

    run_length: windows between two false alarms that its part of the budget allows (`budget.between_alarms`); the
    threshold is never below 30. clip: the first reference's `loss_clip`.
    With fewer than 8 windows the promise is calibrating and never alarms: the next windows lived through join them.
    """
    losses = tuple(h.loss if isinstance(h, HeldOut) else float(h) for h in held_out)
    rows = [h.rows for h in held_out if isinstance(h, HeldOut)]
    return Promise(losses, max(THRESHOLD, run_length), clip, rows=float(np.median(rows)) if rows else 0.0)


def step(promise: Promise, mean_loss: float, rows: float, at: float = 0.0, deviation: float | None = None) -> Step:
    """The promise after one newly labelled window. rows: labelled rows in it, as many as they are worth; at: event time
    of its start; deviation: of the loss of one row, the largest that losses with that mean can have if None.

    An empty window changes nothing, and one with few labels joins the next ones.
    """
    from fairlead.lab.stats.evalues import shift_evidence

    if rows <= 0 or not np.isfinite(mean_loss):
        return _as_before(promise)
    cooling = max(promise.cooling - 1, 0)
    variance = mean_loss * max(1.0 - mean_loss, 0.0) if deviation is None else deviation**2
    together = joined(promise.pending, Pending(float(rows), float(mean_loss), float(variance), float(at)))
    if not enough(together, promise.held_out, promise.rows):
        return _as_before(msgspec.structs.replace(promise, cooling=cooling, pending=together))
    recent = (*promise.recent, together.loss)[-REMEMBERED:]
    starts = (*promise.starts, together.start)[-REMEMBERED:]
    moved = msgspec.structs.replace(promise, recent=recent, starts=starts, cooling=cooling, pending=None)
    if promise.calibrating:
        # Until there are eight, the first windows lived through stand in for held-out ones.
        learnt = msgspec.structs.replace(
            promise, held_out=(*promise.held_out, together.loss), cooling=cooling, pending=None
        )
        return Step(learnt, False, 0.0, None)
    by_start = shift_evidence(np.asarray(promise.held_out), np.asarray(recent))
    evidence = float(by_start.sum())
    likely = int(np.argmax(by_start))
    broken = evidence >= promise.limit and float(np.mean(recent[likely:])) - promise.loss >= LEAST
    # Later windows refine when it began; an alarm that stands keeps the time it was first given, and so its id.
    since = (promise.alarmed_since if promise.stands else starts[likely]) if broken else None
    moved = msgspec.structs.replace(moved, evidence=evidence, alarmed_since=since)
    return Step(moved, broken and promise.cooling == 0, evidence, since)


def _as_before(promise: Promise) -> Step:
    return Step(promise, promise.stands and promise.cooling == 0, promise.evidence, promise.alarmed_since)


def joined(waiting: Pending | None, labels: Pending) -> Pending:
    """Labels that wait, and those of one more window."""
    if waiting is None:
        return labels
    whole = waiting.rows + labels.rows
    part, apart = labels.rows / whole, labels.loss - waiting.loss
    variance = (1.0 - part) * waiting.variance + part * labels.variance + part * (1.0 - part) * apart**2
    return Pending(whole, (1.0 - part) * waiting.loss + part * labels.loss, variance, waiting.start)


def enough(labels: Pending, held_out: Sequence[float], rows: float) -> bool:
    """Whether a mean of these labels varies about as that of a held-out window does. held_out: means of those windows;
    rows: of one of them, 0 where it is not known."""
    if labels.rows >= rows:
        return True
    usual = float(np.var(held_out, ddof=1)) if len(held_out) > 1 else 0.0
    return labels.variance * (1.0 / labels.rows - 1.0 / rows) <= MOST_CHANCE * usual


def reset(promise: Promise, cool_down: int = COOL_DOWN) -> Promise:
    """After a retraining or promotion: evidence starts anew against the same promise, silent for some windows."""
    alarms = promise.alarms + promise.stands
    return Promise(
        promise.held_out, promise.threshold, promise.clip, cooling=cool_down, rows=promise.rows, alarms=alarms
    )


def finding_of(done: Step, model: str, window: int, columns: tuple[str, ...] = ()) -> Finding | None:
    """The finding of a broken promise, or None."""
    from fairlead.ops.monitor.identity import finding_id

    promise = done.promise
    if not done.alarm or done.since is None:
        return None
    first = next((i for i, at in enumerate(promise.starts) if at >= done.since), len(promise.recent) - 1)
    since = np.asarray(promise.recent[first:])
    excess = float(since.mean()) - promise.loss
    spread = np.std(promise.held_out, ddof=1)
    doubt = 1.96 * float(spread) * (1 / len(promise.held_out) + 1 / len(since)) ** 0.5
    return Finding(
        id=finding_id(model, "promise", columns, done.since),
        model=model,
        area="performance",
        check="promise",
        window=window,
        since=done.since,
        size=excess,
        low=excess - doubt,
        high=excess + doubt,
        unit="mean loss above the promise",
        message=(
            f"the model loses {excess:+.4f} a row more than the {promise.loss:.4f} it was released with "
            f"(evidence {done.evidence:.3g}, alarm from {promise.limit:.3g})"
        ),
        columns=columns,
        severity="critical",
        evidence={"evidence": min(done.evidence, 1e300), "threshold": promise.limit, "promised": promise.loss},
    )
