"""The history to replay: labelled rows in time order, cut into windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract.errors import ConfigInvalid, UsageError
from fairlead.contract.settings import Settings
from fairlead.ops.monitor.windows import DAY, WindowSpec, duration, window_spec
from fairlead.ops.rehearse.replayable import require_replayable
from fairlead.ops.rehearse.unlabelled import Unlabelled, unlabelled_of

if TYPE_CHECKING:
    from fairlead.lab.train.material import Material

FEWEST_WINDOWS = 6
FEWEST_LEARNT = 12


class Slot(msgspec.Struct, frozen=True):
    """One window of the history: its rows with a truth [first, last), those without one [untold, untold_last) of
    `History.unlabelled`, and the event time it covers."""

    index: int
    first: int
    last: int
    start: float
    end: float
    untold: int = 0
    untold_last: int = 0

    @property
    def rows(self) -> int:
        """How many rows with a truth it holds."""
        return self.last - self.first

    @property
    def seen(self) -> int:
        """How many rows it holds, those without a truth included."""
        return self.rows + self.untold_last - self.untold


class History:
    """material: rows with a truth in time order; unlabelled: those without. slots: windows that hold rows of either.
    learnt: windows the first release learns from.

    spec: the project's windows; delay: seconds until labels come.
    """

    def __init__(
        self, material: Material, settings: Settings, learnt: int | None = None, unlabelled: Unlabelled | None = None
    ) -> None:
        self.material = material
        self.unlabelled = unlabelled
        self.settings = settings
        self.spec: WindowSpec = window_spec(settings)
        self.delay = duration(settings.monitor.label_delay, "monitor.label_delay")
        self.slots = _slots(self.times, self.spec, None if unlabelled is None else unlabelled.times)
        if len(self.slots) < FEWEST_WINDOWS:
            raise UsageError(
                f"the history fills {len(self.slots)} windows; at least {FEWEST_WINDOWS} are needed to rehearse. "
                "Give a longer table or a shorter monitor.window."
            )
        # What is learnt from has to be told: windows without any truth count for nothing here.
        told = [w for w, slot in enumerate(self.slots) if slot.rows]
        if len(told) < FEWEST_WINDOWS:
            raise UsageError(
                f"{len(told)} of the history's {len(self.slots)} windows hold labelled rows; at least {FEWEST_WINDOWS} "
                "are needed to rehearse. Give a longer table or a shorter monitor.window."
            )
        wanted = learnt or max(FEWEST_LEARNT, round(0.25 * len(told)))
        self.learnt = told[int(min(max(wanted, 2), len(told) - 2)) - 1] + 1

    @property
    def times(self) -> np.ndarray:
        """Event time of each row, (n,)."""
        if self.material.times is None:
            raise ConfigInvalid("the rows carry no event time.", key="model.time")
        return self.material.times

    @property
    def live(self) -> range:
        """Positions of the windows that are lived through."""
        return range(self.learnt, len(self.slots))

    @property
    def judged(self) -> list[int]:
        """Those of them that hold labelled rows: by them policies are compared."""
        return [w for w in self.live if self.slots[w].rows]

    def told(self, newest: int) -> list[int]:
        """Positions of the windows up to `newest` that hold labelled rows."""
        return [w for w in range(newest + 1) if self.slots[w].rows]

    def labelled_rows(self) -> History:
        """The same without the rows that have no truth, and without the windows that hold no others."""
        if self.unlabelled is None:
            return self
        return History(self.material, self.settings, len(self.told(self.learnt - 1)))

    @property
    def window_s(self) -> float:
        """Seconds of event time a window takes, the median for row windows."""
        if self.spec.timed:
            return self.spec.seconds
        return float(np.median([s.end - s.start for s in self.slots]))

    def rows(self, first: int, last: int) -> np.ndarray:
        """Positions of the rows of windows first .. last, both included."""
        return np.arange(self.slots[first].first, self.slots[last].last)

    def window_of(self, rows: np.ndarray) -> np.ndarray:
        """The position of the window that holds each row, (n,); rows: positions."""
        return np.searchsorted([s.last for s in self.slots], rows, side="right")

    def labelled(self, now: float) -> int:
        """The newest window whose labels have all come by `now`, -1 if none."""
        ends = np.asarray([s.end for s in self.slots]) + self.delay
        return int(np.searchsorted(ends, now + 1e-6, side="right")) - 1

    def learnable(self, now: float) -> int:
        """The newest window that holds labels, of those whose labels have all come by `now`, -1 if none."""
        return next((w for w in range(self.labelled(now), -1, -1) if self.slots[w].rows), -1)

    def looks(self, window: int) -> list[float]:
        """Event times within a window at which a trial is looked at: each day, at most six; the end apart."""
        slot = self.slots[window]
        days = int(min(max(round((slot.end - slot.start) / DAY), 1), 7))
        return [slot.start + i * (slot.end - slot.start) / days for i in range(1, days)]

    def holding(self, first: int, last: int) -> range:
        """Positions of the windows that hold rows first .. last - 1."""
        ends = [s.last for s in self.slots]
        a = int(np.searchsorted(ends, first, side="right"))
        b = int(np.searchsorted([s.first for s in self.slots], last, side="left"))
        return range(a, max(b, a))

    def position(self, at: float) -> int:
        """The first window that ends after event time `at`."""
        return int(np.searchsorted([s.end for s in self.slots], at, side="right"))


def history_of(frame: Any, settings: Settings, learnt: int | None = None) -> History:
    """A history from labelled rows. Raises ConfigInvalid without event time, UsageError when it is too short."""
    from fairlead.lab.train.material import material_of

    require_replayable(settings)
    material = material_of(frame, settings)
    return History(material, settings, learnt, unlabelled_of(frame, settings, material))


def _slots(told: np.ndarray, spec: WindowSpec, untold: np.ndarray | None = None) -> list[Slot]:
    """Windows of rows at these times, with a truth and without one."""
    times, is_told = told, None
    if untold is not None:
        times = np.concatenate([told, untold])
        order = np.argsort(times, kind="stable")
        times, is_told = times[order], order < len(told)
    slots = _windows(times, spec)
    if is_told is not None:
        # Rows with a truth before each row, and after the last one.
        before = np.concatenate([[0], np.cumsum(is_told)])
        slots = [
            Slot(
                s.index, int(before[s.first]), int(before[s.last]), s.start, s.end, s.first - int(before[s.first]),
                s.last - int(before[s.last]),
            )
            for s in slots
        ]  # fmt: skip
    # A history that starts or ends within a window has a part of one there, which says little.
    usual = float(np.median([s.seen for s in slots]))
    while len(slots) > 1 and slots[-1].seen < 0.25 * usual:
        slots.pop()
    while len(slots) > 1 and slots[0].seen < 0.25 * usual:
        slots.pop(0)
    return slots


def _windows(times: np.ndarray, spec: WindowSpec) -> list[Slot]:
    numbers = spec.indices(times)
    found, firsts = np.unique(numbers, return_index=True)
    lasts = np.append(firsts[1:], len(times))
    slots = []
    for number, first, last in zip(found.tolist(), firsts.tolist(), lasts.tolist(), strict=True):
        if spec.timed:
            start, end = spec.bounds(number)
        else:
            start, end = float(times[first]), float(times[last]) if last < len(times) else float(times[last - 1]) + 1.0
        slots.append(Slot(number, first, last, start, end))
    return slots
