"""model/calibration.json: from what a model says to how often it happens. Applied after the tail, in float64.

A calibration is data, as a tail is: curves of three kinds, each checked to be finite and never to fall, so that none
can turn the order of two rows round. The compiled kernel `_tails` runs it for one row and for many, with the same bits;
where it was not compiled, numpy does both.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import BundleRefused
from fairlead.runtime.bundle import tail_kernel
from fairlead.runtime.bundle.manifest import CALIBRATION, canonical

Floats = npt.NDArray[np.float64]
Method = Literal["isotonic", "sigmoid", "temperature"]

LEAST = 1e-6
"""What a probability of a curve of log-odds or powers is taken for at least, and 1 - LEAST at most."""
MOST_KNOTS = 65_536
_NONE = b""


class Knots(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="knots"):
    """Straight between the points (x, y), flat beyond. x rises, y never falls, both within [0, 1]."""

    x: tuple[float, ...]
    y: tuple[float, ...]

    def wrong(self) -> str:
        """What is wrong with it, or nothing."""
        if not 1 <= len(self.x) <= MOST_KNOTS or len(self.x) != len(self.y):
            return f"a curve needs 1 to {MOST_KNOTS} points, x and y of each"
        x, y = np.array(self.x), np.array(self.y)
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            return "a point is not finite"
        if x[0] < 0.0 or x[-1] > 1.0 or y[0] < 0.0 or y[-1] > 1.0:
            return "a point is not within [0, 1]"
        if (np.diff(x) <= 0.0).any() or (np.diff(y) < 0.0).any():
            return "it is not monotone"
        with np.errstate(over="ignore"):
            return "" if np.isfinite(np.diff(y) / np.diff(x)).all() else "two points are too close"

    def at(self, p: Floats) -> Floats:
        """The curve at p, shape (n,)."""
        x, y = np.array(self.x), np.array(self.y)
        slope = np.append(np.diff(y) / np.diff(x), 0.0)
        low = np.clip(np.searchsorted(x, p, side="right") - 1, 0, len(x) - 1)
        found: Floats = np.where(p <= x[0], y[0], np.where(p >= x[-1], y[-1], y[low] + (p - x[low]) * slope[low]))
        return np.where(np.isnan(p), p, found)

    def said(self) -> tuple[Any, ...]:
        """As the kernel takes it."""
        return (0, 0.0, 0.0, len(self.x), np.array(self.x).tobytes(), np.array(self.y).tobytes())


class Logit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="logit"):
    """sigmoid(slope * log(p / (1 - p)) + intercept); slope >= 0."""

    slope: float
    intercept: float

    def wrong(self) -> str:
        """What is wrong with it, or nothing."""
        if not (np.isfinite(self.slope) and np.isfinite(self.intercept)):
            return "a number is not finite"
        return "" if self.slope >= 0.0 else "it is not monotone"

    def at(self, p: Floats) -> Floats:
        """The curve at p, shape (n,)."""
        kept = np.clip(p, LEAST, 1.0 - LEAST)
        odds = self.slope * np.log(kept / (1.0 - kept)) + self.intercept
        tilt = np.exp(-np.abs(odds))
        return np.where(odds >= 0.0, 1.0, tilt) / (1.0 + tilt)

    def said(self) -> tuple[Any, ...]:
        """As the kernel takes it."""
        return (1, self.slope, self.intercept, 0, _NONE, _NONE)


class Power(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="power"):
    """p ** exponent, before all classes are made to sum to 1: exponent = 1 / temperature."""

    exponent: float

    def wrong(self) -> str:
        """What is wrong with it, or nothing."""
        return "" if np.isfinite(self.exponent) and self.exponent >= 0.0 else "it is not monotone"

    def at(self, p: Floats) -> Floats:
        """The curve at p, shape (n,)."""
        found: Floats = np.clip(p, LEAST, 1.0 - LEAST) ** self.exponent
        return found

    def said(self) -> tuple[Any, ...]:
        """As the kernel takes it."""
        return (2, self.exponent, 0.0, 0, _NONE, _NONE)


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """model/calibration.json.

    curves: one, of the probability of the second of two classes; or one a class, each of that class against the rest,
    whose results are divided by their sum (equal shares where that is 0).
    """

    method: Method
    curves: tuple[Knots | Logit | Power, ...]
    format: int = 1

    def to_json(self) -> bytes:
        """Canonical bytes."""
        return canonical(self)

    def reference(self, scores: npt.ArrayLike) -> Floats:
        """Calibrated scores, shape (n, k), by numpy alone: what the kernel is compared with. `scores` are left."""
        raw = np.asarray(scores, dtype=np.float64)
        if len(self.curves) == 1:
            second = self.curves[0].at(raw[:, 1])
            return np.stack((1.0 - second, second), axis=1)
        table = np.stack([curve.at(raw[:, k]) for k, curve in enumerate(self.curves)], axis=1)
        total = table.sum(axis=1, keepdims=True)
        equal = np.full_like(table, 1.0 / table.shape[1])
        found: Floats = np.divide(table, total, out=equal, where=total != 0.0)
        return found


def read_calibration(data: bytes, outputs: int) -> Calibration:
    """The calibration in verified bytes. Raises BundleRefused for what is no calibration of these outputs."""
    try:
        found = msgspec.json.decode(data, type=Calibration)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as why:
        raise BundleRefused(f"calibration.json: {why}") from why
    if found.format != 1:
        raise BundleRefused(f"calibration.json: format {found.format} is not known; this version reads 1")
    for curve in found.curves:
        if why_not := curve.wrong():
            raise BundleRefused(f"calibration.json: {why_not}")
    if len(found.curves) != (1 if outputs == 2 else outputs):
        raise BundleRefused(f"calibration.json: {len(found.curves)} curves do not fit {outputs} scores")
    return found


class Calibrating:
    """A calibration, ready to run. kernel: its curves for `_tails`; None where that was not compiled."""

    def __init__(self, calibration: Calibration) -> None:
        self.calibration = calibration
        self.kernel = tail_kernel.curves(tuple(curve.said() for curve in calibration.curves))

    def applied(self, scores: Floats) -> Floats:
        """Calibrated scores, shape (n, k). `scores` are overwritten where they can be."""
        if self.kernel is None:
            return self.calibration.reference(scores)
        found = np.require(scores, np.float64, ["C", "W"])
        tail_kernel.calibrate(self.kernel, *found.shape, found)
        return found


class CalibratedTail:
    """See `tail.Tail`. uncalibrated: the tail whose scores these are of."""

    def __init__(self, uncalibrated: Any, calibration: Calibration) -> None:
        self.uncalibrated, self.calibrating = uncalibrated, Calibrating(calibration)
        self.outputs: int = uncalibrated.outputs

    def scores(self, features: Floats) -> Floats:
        """See Tail."""
        return self.calibrating.applied(self.uncalibrated.scores(features))

    def over(self, kernel: Any | None) -> Any | None:
        """The kernel of the uncalibrated tail, its scores calibrated; None where there is none."""
        if kernel is None or self.calibrating.kernel is None:
            return None
        return tail_kernel.over(kernel, self.calibrating.kernel)


def calibrated(tail: Any, files: dict[str, bytes]) -> CalibratedTail:
    """The tail with the calibration among the verified `files`. Raises BundleRefused."""
    return CalibratedTail(tail, read_calibration(files[CALIBRATION], tail.outputs))
