"""What is known when a window is looked at, and the port of what looks at it: the same live and in a rehearsal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from fairlead.contract.events import Area, Finding, Window
from fairlead.contract.evidence import Interval
from fairlead.contract.expectations import DataContract
from fairlead.contract.profile import Profile, Reference
from fairlead.contract.settings import Settings
from fairlead.contract.signature import Signature
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.calibration import Calibration
from fairlead.ops.monitor.learnt import Learnt
from fairlead.ops.monitor.promise import Step
from fairlead.ops.monitor.quality import Traffic
from fairlead.ops.monitor.statistic import Judged
from fairlead.ops.monitor.thresholds import Thresholds

Moment = Literal["inputs", "labels"]
"""inputs: the window is over (or looked at early); labels: its label delay is over, too."""

AREAS: dict[Moment, tuple[Area, ...]] = {
    "inputs": ("quality", "contract", "data_drift", "score_drift", "estimated", "requests", "traffic", "late"),
    "labels": ("performance", "concept_drift", "definition", "labels"),
}
"""Areas that are judged at each moment: what is open in one of them and not found again has ended."""


@dataclass(frozen=True)
class Rows:
    """Rows of a window, where they are at hand, in arrival order.

    columns: features as `View.columns` has them. scores: (n, outputs) of the champion, NaN where it did not answer.
    times: (n,) event times. passed: what else records tell of each row, by the names of `contract.records` (BUNDLE,
    VARIANT, CALLER, LABEL_CALLER, PROTOCOL, KEY, LATENCY, `pass.<column>`), object or float arrays (n,).
    labels, labelled: as `View` has them; definitions: (n,) of the target, as labels told it, None where there is none.
    arrived: (n,) when each label arrived, NaN where there is none.
    """

    columns: Mapping[str, np.ndarray]
    times: np.ndarray
    scores: np.ndarray | None = None
    passed: Mapping[str, np.ndarray] = field(default_factory=dict)
    labels: np.ndarray | None = None
    labelled: np.ndarray | None = None
    definitions: np.ndarray | None = None
    arrived: np.ndarray | None = None

    @cached_property
    def places(self) -> np.ndarray:
        """Positions of rows in order of time, (n,). Several checks ask for it."""
        from fairlead.lab.stats.order import in_order

        return in_order(self.times, len(self.times))

    @cached_property
    def codes(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """By flat column, in order of time: numbers that are equal where cells are; which are missing. (n,) each."""
        from fairlead.lab.stats.order import coded

        return {name: coded(cells[self.places]) for name, cells in self.columns.items() if cells.ndim == 1}

    def sharing(self, other: Rows) -> Rows:
        """These rows with what was worked out of their columns and times where another model answered them."""
        known: dict[str, Any] = {name: other.__dict__[name] for name in ("places", "codes") if name in other.__dict__}
        self.__dict__.update(known)
        return self


MOST_TOLD = 200


class Told(NamedTuple):
    """One line of why a check spoke or was silent. key: mostly a column."""

    check: str
    key: str
    judged: Judged
    unit: str


@dataclass(frozen=True)
class Seen:
    """All that a check may look at. Checks are pure: what they keep from window to window is in `memory`.

    window: the one looked at; its state is "open" in an early look. earlier: windows before it, oldest first, bounded.
    importance: share of the model's answer that each column carries, adds to 1, empty when not known. metrics: of the
    labelled rows, with intervals. step: what the promise said (labels). contract: the data contract, where there is
    one. memory: of this check alone, as JSON knows it, replaced by what `keep` is called with; None the first time.
    calibration: of the sealed reference, where it is at hand; `look` makes it where it is not. judged: what the joint
    calibration says, by statistic and key. learnt: rows that the champion was trained on, where they are at hand.
    """

    window: Window
    profile: Profile
    reference: Reference
    thresholds: Thresholds
    settings: Settings
    signature: Signature
    rows: Rows | None = None
    earlier: tuple[Window, ...] = ()
    importance: Mapping[str, float] = field(default_factory=dict)
    traffic: Traffic | None = None
    metrics: Mapping[str, Interval] = field(default_factory=dict)
    step: Step | None = None
    contract: DataContract | None = None
    memory: Any = None
    kept: list[Any] = field(default_factory=list)
    calibration: Calibration | None = None
    judged: Mapping[str, Mapping[str, Judged]] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    learnt: Learnt | None = None

    def for_check(self, memory: Any) -> Seen:
        """The same with what one check remembers. Some twenty are asked of every window: all fields are shared."""
        found = object.__new__(Seen)
        found.__dict__.update(self.__dict__, memory=memory, kept=[])
        return found

    def keep(self, memory: Any) -> None:
        """What this check is to be given as `memory` with the next window (not after an early look). JSON, small."""
        self.kept[:] = [memory]

    def tell(self, check: str, key: str, judged: Judged, unit: str = "") -> None:
        """What a check that is not calibrated jointly found, for `watch --explain`; at most `MOST_TOLD` a check."""
        if len(self.told) < MOST_TOLD or sum(one.check == check for one in self.told) < MOST_TOLD:
            self.told.append(Told(check, key, judged, unit))


class WindowCheck(Protocol):
    """Port `window_check`: one way to look at a window.

    name: also of its memory. family: whose part of the budget its alarms are taken from. moment: when it looks. early:
    whether it looks inside an open window, too. A finding of severity "info" is told in reports alone and is outside
    the budget; every other one counts. A check may have `statistics`, a tuple of `statistic.Statistic`: what is to be
    calibrated jointly, and is handed to it in `Seen.judged`.
    """

    name: str
    family: Family
    moment: Moment
    early: bool

    def look(self, seen: Seen, allowed: float) -> Iterable[Finding]:
        """What the window shows, as if nothing had been open before it. allowed: false alarms it may make a window,
        early looks at that window included. What it raises is told as a finding; its memory stays as it was."""
        ...
