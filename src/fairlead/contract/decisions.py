"""How a model's decisions were settled before it was sealed: search, calibration, threshold, abstention, and why.

All of it is measured out of fold: on training rows, each answered by a model that had not learned from it. It travels
from training to the report; nothing of it is needed to answer.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.contract.evidence import Interval


class CalibrationFound(msgspec.Struct, frozen=True, omit_defaults=True):
    """asked: the setting; method: what was sealed, "" for none; why: in a sentence.

    gains: {method: mean change of the log loss, nats, below 0 is better}, on rows that the curve had not seen.
    error_before, error_after: expected calibration error (equal-count bins, top class), in [0, 1]. rows: judged on.
    """

    asked: str
    method: str
    why: str
    gains: dict[str, Interval] = {}
    error_before: float = 0.0
    error_after: float = 0.0
    rows: int = 0


class ThresholdFound(msgspec.Struct, frozen=True, omit_defaults=True):
    """rule: costs, f1, precision, recall or by hand. threshold: sealed, with how far chance moves it.

    cost, cost_at_half: mean cost of a row with it and with 0.5 (rule costs). saved: their difference a row, above 0 is
    saved. why: in a sentence. points: {threshold, cost?, precision, recall, f1, flagged} for a curve, at most 101.
    """

    rule: str
    threshold: Interval
    why: str
    cost: Interval | None = None
    cost_at_half: Interval | None = None
    saved: Interval | None = None
    costs: dict[str, float | str] = {}
    points: tuple[dict[str, float], ...] = ()
    rows: int = 0


class AbstentionFound(msgspec.Struct, frozen=True, omit_defaults=True):
    """rule: accuracy, coverage or confidence; wanted: its value. confidence: sealed; answers below it are a person's.

    coverage: share of rows answered; accuracy: of those, with the one-sided bound that the rule rests on as `low`.
    kept: whether the promise can be kept at all. points: {confidence, coverage, accuracy, low} for a curve.
    """

    rule: str
    wanted: float
    confidence: float
    coverage: float
    accuracy: Interval
    kept: bool
    why: str
    points: tuple[dict[str, float], ...] = ()
    rows: int = 0


class GapFound(msgspec.Struct, frozen=True, omit_defaults=True):
    """The largest gap of one measure of fairness between the groups of a column, without and with the mitigation.

    before, after: None with fewer than two groups of 30 rows; small: groups about which nothing is claimed.
    """

    column: str
    measure: str
    before: Interval | None
    after: Interval | None
    between: tuple[str, ...] = ()
    small: tuple[str, ...] = ()


class GroupThreshold(msgspec.Struct, frozen=True, omit_defaults=True):
    """small: too few rows to settle one by, so it is that of everyone."""

    group: str
    rows: int
    threshold: float
    small: bool = False


class LotFound(msgspec.Struct, frozen=True):
    """How what is sealed differs from a member drawn by lot for each answer, on the rows learned from.

    differs: share of decisions that the draw makes otherwise; accuracy, gap: of the draw and of what is sealed.
    """

    differs: float
    accuracy: tuple[float, float]
    gap: tuple[float, float]


class MitigationFound(msgspec.Struct, frozen=True, omit_defaults=True):
    """way, constraint, bound: as asked. gaps: out of fold. accuracy, loss: what is added to the share decided right and
    to the mean loss, row by row. positive: share decided positive, without and with it. met: whether the bound holds
    out of fold (met, missed, or inconclusive), "" where none was asked. thresholds: of groups, by `column`; other rows
    get 0.5. members, lot: of the exponentiated gradient.
    """

    way: str
    constraint: str
    bound: float
    rows: int
    gaps: tuple[GapFound, ...]
    accuracy: Interval
    loss: Interval
    met: str = ""
    why: str = ""
    column: str = ""
    thresholds: tuple[GroupThreshold, ...] = ()
    members: int = 0
    lot: LotFound | None = None
    positive: tuple[float, float] = (0.0, 0.0)


class SearchFound(msgspec.Struct, frozen=True, omit_defaults=True):
    """The whole search, choice included, judged on rows that no part of it had seen (nested cross-validation).

    metric: smaller is better. naive: of the chosen settings, on the folds that chose them; honest: of the search, with
    an interval over outer folds; optimism: honest - naive. folds: outer folds as {learner, score, inner, parameters}.
    """

    metric: str
    naive: float
    honest: Interval
    optimism: float
    why: str
    folds: tuple[dict[str, Any], ...] = ()
    cut_short: bool = False


class Decisions(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was settled; None for what the project did not ask for, or the task has no use for."""

    calibration: CalibrationFound | None = None
    threshold: ThresholdFound | None = None
    abstention: AbstentionFound | None = None
    search: SearchFound | None = None
    mitigation: MitigationFound | None = None

    def lines(self) -> list[str]:
        """A sentence each, for people."""
        every = (self.search, self.mitigation, self.calibration, self.threshold, self.abstention)
        return [found.why for found in every if found is not None]

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found
