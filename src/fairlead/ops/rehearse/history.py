"""The history to replay: labelled rows in time order, cut into windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract.errors import ConfigInvalid, UsageError
from fairlead.contract.settings import Settings
from fairlead.contract.signature import UNSUPERVISED
from fairlead.ops.monitor.windows import DAY, WindowSpec, duration, window_spec

if TYPE_CHECKING:
    from fairlead.lab.train.material import Material

FEWEST_WINDOWS = 6
FEWEST_LEARNT = 12


class Slot(msgspec.Struct, frozen=True):
    """One window of the history: its rows [first, last) and the event time it covers."""

    index: int
    first: int
    last: int
    start: float
    end: float

    @property
    def rows(self) -> int:
        """How many rows it holds."""
        return self.last - self.first


class History:
    """material: rows in time order. slots: windows that hold rows. learnt: windows the first release learns from.

    spec: the project's windows; delay: seconds until labels come.
    """

    def __init__(self, material: Material, settings: Settings, learnt: int | None = None) -> None:
        self.material = material
        self.settings = settings
        self.spec: WindowSpec = window_spec(settings)
        self.delay = duration(settings.monitor.label_delay, "monitor.label_delay")
        self.slots = _slots(self.times, self.spec)
        if len(self.slots) < FEWEST_WINDOWS:
            raise UsageError(
                f"the history fills {len(self.slots)} windows; at least {FEWEST_WINDOWS} are needed to rehearse. "
                "Give a longer table or a shorter monitor.window."
            )
        count = len(self.slots)
        wanted = learnt or max(FEWEST_LEARNT, round(0.25 * count))
        self.learnt = int(min(max(wanted, 2), count - 2))

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

    if settings.model.task == "forecasting":
        what = "rehearsal replays rows whose truth is one value, and that of a forecast comes step by step."
        raise ConfigInvalid(what, key="model.task", cure="`fairlead evaluate` judges at rolling origins.")
    if settings.model.task in UNSUPERVISED:
        what = f"rehearsal replays losses, and a {settings.model.task} has none to replay."
        raise ConfigInvalid(what, key="model.task", cure="It is for classification and regression.")
    if not settings.model.time_columns:
        cure = "Name the time column: rehearsal replays the past in its order."
        raise ConfigInvalid("the project has no event time.", key="model.time", cure=cure)
    return History(material_of(frame, settings), settings, learnt)


def _slots(times: np.ndarray, spec: WindowSpec) -> list[Slot]:
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
    # A history that starts or ends within a window has a part of one there, which says little.
    usual = float(np.median([s.rows for s in slots]))
    while len(slots) > 1 and slots[-1].rows < 0.25 * usual:
        slots.pop()
    while len(slots) > 1 and slots[0].rows < 0.25 * usual:
        slots.pop(0)
    return slots
