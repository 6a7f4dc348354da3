"""The port `drift_detector`: one way to tell that losses rose, from windows of labelled rows in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np


class Stream(NamedTuple):
    """Windows of labelled rows since the model was released, oldest first, the newest last, bounded.

    gaps: (windows,) what each lost beyond what rows alike let expect, its mean; held_out: (n,) the same of held-out
    windows. rows: losses in [0, 1] of some rows of each window, in their order; wrong: of the same rows 0 and 1,
    whether the answer was wrong (of a number: whether it lost more than is usual). allowed: false alarms a window.
    """

    gaps: np.ndarray
    held_out: np.ndarray
    rows: Sequence[np.ndarray]
    wrong: Sequence[np.ndarray]
    allowed: float


class Detected(NamedTuple):
    """since: position of the window in which it began, as far as the detector tells. evidence, limit: of its own kind,
    alarm where evidence reaches the limit."""

    since: int
    evidence: float
    limit: float


class DriftDetector(Protocol):
    """Port `drift_detector`. name; calibrated: whether its alarms keep to `allowed`, so that they may wake somebody."""

    name: str
    calibrated: bool

    def detect(self, stream: Stream) -> Detected | None:
        """Whether the losses of the newest window's stream rose, and since when; pure and deterministic. Raises
        MissingExtra where its library is not there."""
        ...


FEWEST_HELD_OUT = 8
EXTRA = "drift"
