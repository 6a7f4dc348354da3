"""River's detectors on the stream of losses. They inform: none keeps to a budget of false alarms.

Sources: Bifet and Gavaldà, Learning from time-changing data with adaptive windowing (2007); Gama et al., Learning with
drift detection (2004); Frías-Blanco et al., Online and non-parametric drift detection methods based on Hoeffding's
bounds (2015); Page, Continuous inspection schemes (1954); by the river library.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from fairlead.contract.errors import MissingExtra
from fairlead.ops.monitor.detecting import EXTRA, Detected, Stream


class OfRiver:
    """One of river's detectors. binary: takes 0 and 1 instead of losses."""

    name: ClassVar[str] = ""
    calibrated = False
    binary = False

    def made(self, drift: Any) -> Any:
        """A fresh detector. drift: the module `river.drift`."""
        raise NotImplementedError

    def detect(self, stream: Stream) -> Detected | None:
        """Runs over the whole stream; told where the detector last said drift in the newest window, if losses rose."""
        try:
            from river import drift
        except ModuleNotFoundError as missing:
            raise MissingExtra("river", EXTRA) from missing
        windows: Sequence[np.ndarray] = stream.wrong if self.binary else stream.rows
        detector = self.made(drift)
        alarmed = False
        for number, values in enumerate(windows):
            for value in values.tolist():
                detector.update(value)
                alarmed |= bool(detector.drift_detected) and number == len(windows) - 1
        if not alarmed or not self._rose(windows):
            return None
        return Detected(len(windows) - 1, 1.0, 1.0)

    @staticmethod
    def _rose(windows: Sequence[np.ndarray]) -> bool:
        """Whether the newest window lost more than those before it: some detectors alarm at any change."""
        before = np.concatenate(windows[:-1]) if len(windows) > 1 else np.zeros(0)
        return bool(before.size) and float(windows[-1].mean()) > float(before.mean())


class Adwin(OfRiver):
    """Adaptive windowing."""

    name = "adwin"

    def made(self, drift: Any) -> Any:
        """With river's defaults."""
        return drift.ADWIN()


class PageHinkley(OfRiver):
    """The Page-Hinkley test."""

    name = "page_hinkley"

    def made(self, drift: Any) -> Any:
        """For a rise; losses lie in [0, 1], so a tenth of a standard deviation is its tolerance."""
        return drift.PageHinkley(min_instances=30, delta=0.005, threshold=20.0, mode="up")


class Ddm(OfRiver):
    """The drift detection method, on errors."""

    name = "ddm"
    binary = True

    def made(self, drift: Any) -> Any:
        """With river's defaults."""
        return drift.binary.DDM()


class Eddm(OfRiver):
    """The early drift detection method, on errors."""

    name = "eddm"
    binary = True

    def made(self, drift: Any) -> Any:
        """With river's defaults."""
        return drift.binary.EDDM()


class HddmA(OfRiver):
    """Hoeffding's bounds on the average of errors."""

    name = "hddm_a"
    binary = True

    def made(self, drift: Any) -> Any:
        """With river's defaults."""
        return drift.binary.HDDMA()


class HddmW(OfRiver):
    """Hoeffding's bounds on a weighted average of errors."""

    name = "hddm_w"
    binary = True

    def made(self, drift: Any) -> Any:
        """With river's defaults."""
        return drift.binary.HDDMW()
