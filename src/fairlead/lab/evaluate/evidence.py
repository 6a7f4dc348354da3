"""What was found out about a bundle on rows it had not seen. Plain data, so `report.json` is this."""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.contract.decisions import Decisions
from fairlead.contract.evidence import Interval
from fairlead.contract.learning import Learning
from fairlead.contract.scale import Scale
from fairlead.contract.signature import Task
from fairlead.contract.warm import WarmStart
from fairlead.lab.evaluate.behaviour.results import Result
from fairlead.lab.evaluate.compressed import Compressed
from fairlead.lab.evaluate.explaining.reported import Explanations
from fairlead.lab.evaluate.fairness import Disparity
from fairlead.lab.evaluate.forecasting.evidence import Forecasts
from fairlead.lab.evaluate.ranked import Ranking
from fairlead.lab.evaluate.record import Record
from fairlead.lab.evaluate.reliability import Reliability
from fairlead.lab.evaluate.robustness.evidence import Robustness
from fairlead.lab.evaluate.slices import Slices


class Comparison(msgspec.Struct, frozen=True):
    """Another way of answering on the same rows.

    difference: mean of (our loss - its loss) over rows, losses in [0, 1]; below 0 we are better.
    """

    name: str
    metrics: dict[str, float]
    loss: float
    difference: Interval


class Importance(msgspec.Struct, frozen=True):
    """How much the mean loss rises when one column is shuffled among the rows."""

    column: str
    rise: Interval


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """Evidence about one bundle. See `judging.evaluate` for how each part is made.

    quantile: of the target that is answered, 0: the mean.
    start, end: event time of the judged rows, 0 without time. block: rows drawn together for intervals.
    curves: named lists of points, by task. windows: metrics of each of the project's windows.
    reliability, slices, fairness, behaviour, robustness: see the modules of these names; ranking: see `ranked`.
    decisions, learning: how thresholds were settled and whether more rows would help, both found in training.
    scale: what became of a table larger than memory; warm: how going on from another model compared.
    explanation: how it comes to its answers.
    compressed: what it was made smaller from, and at what cost.
    record: what is signed and hashed, for auditors.
    notes: what a reader must know to read the numbers right. switched_off: checks that the project does not make.
    """

    model: str
    bundle: str
    task: Task
    target: str
    rows: int
    metrics: dict[str, Interval]
    loss: Interval
    baselines: tuple[Comparison, ...]
    learner: str = ""
    classes: tuple[str, ...] = ()
    positive: str | None = None
    threshold: float = 0.5
    quantile: float = 0.0
    start: float = 0.0
    end: float = 0.0
    block: int = 1
    champion: Comparison | None = None
    curves: dict[str, Any] = {}
    importance: tuple[Importance, ...] = ()
    windows: tuple[dict[str, Any], ...] = ()
    reliability: Reliability | None = None
    slices: Slices | None = None
    fairness: tuple[Disparity, ...] = ()
    behaviour: tuple[Result, ...] = ()
    robustness: Robustness | None = None
    explanation: Explanations | None = None
    ranking: Ranking | None = None
    decisions: Decisions | None = None
    learning: Learning | None = None
    scale: Scale | None = None
    warm: WarmStart | None = None
    compressed: Compressed | None = None
    record: Record | None = None
    parity: dict[str, Any] | None = None
    leaderboard: tuple[dict[str, Any], ...] = ()
    forecasts: Forecasts | None = None
    notes: tuple[str, ...] = ()
    switched_off: tuple[str, ...] = ()
    format: int = 1

    def values(self) -> dict[str, float]:
        """The metrics as plain numbers."""
        return {name: found.value for name, found in self.metrics.items()}
