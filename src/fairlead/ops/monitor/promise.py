"""The promise: a model keeps losing no more than on the windows held out when it was first released.

The excess of each newly labelled window is accumulated in a Shiryaev-Roberts
e-detector over the fixed windows of the first release, so a slow slide cannot
make itself the new normal, and looking after every window costs nothing. Neither
the promised loss nor how much it varies from window to window is taken as known:
few held-out windows make the detector slower, not trigger-happy.
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


class Promise(msgspec.Struct, frozen=True, omit_defaults=True):
    """State of the detector; hand it on from window to window (serialisable).

    held_out: mean losses of the first release's held-out windows, the fixed reference. threshold: evidence that
    makes an alarm, about the windows between two false ones. clip: absolute error that counts as loss 1 (regression),
    of the first release: with its successors' own, losses could not be compared. recent, starts: losses since the
    last reset, with the starts of their windows. evidence: now. cooling: windows for which no alarm is raised.
    alarmed_since: event time since when the loss is higher, while the alarm stands.
    """

    held_out: tuple[float, ...]
    threshold: float
    clip: float = 1.0
    recent: tuple[float, ...] = ()
    starts: tuple[float, ...] = ()
    evidence: float = 0.0
    cooling: int = 0
    alarmed_since: float | None = None

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

    run_length: windows between two false alarms that the budget allows; the threshold is never below 30. clip: the
    first reference's `loss_clip`.
    With fewer than 8 windows the promise is calibrating and never alarms: the next windows lived through join them.
    """
    losses = tuple(h.loss if isinstance(h, HeldOut) else float(h) for h in held_out)
    return Promise(losses, max(THRESHOLD, run_length), clip)


def step(promise: Promise, mean_loss: float, rows: int, at: float = 0.0) -> Step:
    """The promise after one newly labelled window. rows: labelled rows in it; at: event time of its start.

    An empty window changes nothing.
    """
    from fairlead.lab.stats.evalues import shift_evidence

    if rows <= 0 or not np.isfinite(mean_loss):
        return Step(promise, promise.stands and promise.cooling == 0, promise.evidence, promise.alarmed_since)
    recent = (*promise.recent, float(mean_loss))[-REMEMBERED:]
    starts = (*promise.starts, float(at))[-REMEMBERED:]
    cooling = max(promise.cooling - 1, 0)
    moved = msgspec.structs.replace(promise, recent=recent, starts=starts, cooling=cooling)
    if promise.calibrating:
        # Until there are eight, the first windows lived through stand in for held-out ones.
        learnt = msgspec.structs.replace(promise, held_out=(*promise.held_out, float(mean_loss)), cooling=cooling)
        return Step(learnt, False, 0.0, None)
    by_start = shift_evidence(np.asarray(promise.held_out), np.asarray(recent))
    evidence = float(by_start.sum())
    likely = int(np.argmax(by_start))
    broken = evidence >= promise.threshold and float(np.mean(recent[likely:])) - promise.loss >= LEAST
    # Later windows refine when it began; an alarm that stands keeps the time it was first given, and so its id.
    since = (promise.alarmed_since if promise.stands else starts[likely]) if broken else None
    moved = msgspec.structs.replace(moved, evidence=evidence, alarmed_since=since)
    return Step(moved, broken and promise.cooling == 0, evidence, since)


def reset(promise: Promise, cool_down: int = COOL_DOWN) -> Promise:
    """After a retraining or promotion: evidence starts anew against the same promise, silent for some windows."""
    return Promise(promise.held_out, promise.threshold, promise.clip, cooling=cool_down)


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
            f"(evidence {done.evidence:.3g}, alarm from {promise.threshold:.3g})"
        ),
        columns=columns,
        severity="critical",
        evidence={"evidence": min(done.evidence, 1e300), "threshold": promise.threshold, "promised": promise.loss},
    )
