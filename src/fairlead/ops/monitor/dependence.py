"""How much losses of windows depend on the window before: what the promise takes to be nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fairlead.ops.monitor.promise import Promise

FEWEST = 12
"""Windows from which on it is told."""
HIGH = 0.5
"""Autocorrelation from which on alarms without a change come clearly more often (docs/explanation/false-alarms.md)."""
SURE = 2.33
"""Standard errors above 0: once in a hundred where windows are independent."""


class Dependence(NamedTuple):
    """autocorrelation: of one window's mean loss with the next one's, about 0 where they are independent. windows: it
    was measured on. high: surely above 0, and so large that alarms come more often than they should."""

    autocorrelation: float
    windows: int
    high: bool

    @property
    def in_words(self) -> str:
        """What it means for the promise."""
        said = f"autocorrelation of losses {self.autocorrelation:.2f} in {self.windows} windows"
        if not self.high:
            return said
        return (
            f"{said}: they depend on the window before, which the promise does not know; without any change it may "
            "alarm once (at 0.6) to two or three times (at 0.9) in 30 windows"
        )


def dependence(promise: Promise) -> Dependence | None:
    """As the held-out windows and those since the last reset show it; None with fewer than 12 of them.

    Each stretch is measured about its own mean, and windows since an alarm began are one of their own: that the level
    moved is no dependence.
    """
    moved = next((i for i, at in enumerate(promise.starts) if promise.stands and at >= (promise.alarmed_since or 0)), 0)
    stretches = [promise.held_out, promise.recent[:moved], promise.recent[moved:]]
    return dependence_of([one for one in stretches if len(one) >= 4])


def dependence_of(stretches: Sequence[Sequence[float]]) -> Dependence | None:
    """Lag-one autocorrelation pooled over stretches of losses, each about its own mean.

    Few values make it too low, by (1 + 3 r) / n (Kendall, Note on bias in the estimation of autocorrelation, 1954),
    which is taken off.

    >>> dependence_of([[0.1, 0.2] * 10])
    Dependence(autocorrelation=-1.0, windows=20, high=False)
    """
    around = [np.asarray(one, dtype=np.float64) - np.mean(one) for one in stretches]
    n = sum(one.size for one in around)
    squares = sum(float((one**2).sum()) for one in around)
    if n < FEWEST or squares <= 1e-18 * n:
        return None
    pairs = sum(one.size - 1 for one in around)
    plain = (sum(float((one[1:] * one[:-1]).sum()) for one in around) / pairs) / (squares / n)
    lost = len(around) / n
    found = float(np.clip((plain + lost) / max(1.0 - 3.0 * lost, 0.25), -1.0, 1.0))
    return Dependence(found, n, found >= HIGH and found * n**0.5 > SURE)
