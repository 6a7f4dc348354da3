"""What a rehearsal found."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, Literal

import msgspec

from fairlead.contract.evidence import Interval
from fairlead.ops.rehearse.injecting import Study
from fairlead.ops.rehearse.replay import Told

Judgement = Literal["better", "worse", "inconclusive", "reference", "same"]


class PolicyResult(msgspec.Struct, frozen=True):
    """One policy.

    quality: mean error over all live rows, lower is better, in the rehearsal's `unit`, with a moving-block
    interval. metrics: all metrics over all live rows. gain: error of `never` - its own (absolute, first), and
    how it was judged. gap: share of the gap between `never` and `always` that it closed, None where that gap
    itself is in doubt. retrains, fits: what it asked for; fits include those of the window picker. promotions,
    blocked: challengers. alerts, input_alerts: windows in which alarms about labels and about inputs began;
    alerts_per_month: every single one, by; incidents: what they are grouped into, which is what people are
    told; labels: how many of the rows lived through must be labelled for it. delay: windows from the known
    change to the first alarm about labels. series: mean error of each live window that holds labels. alarmed:
    live windows in which alarms began. cpu_s: as if it had run alone. rows_per_cpu_s: rows of the history over
    that; through_cache: over what it really took, with the models that others had asked for before.
    """

    name: str
    quality: Interval
    metrics: dict[str, float]
    gain: Interval
    judged: Judgement
    gap: Interval | None
    retrains: int
    fits: int
    promotions: int
    blocked: int
    alerts: int
    input_alerts: int
    delay: int | None
    cpu_s: float
    rows_per_cpu_s: float
    series: tuple[float, ...]
    alerts_per_month: float = 0.0
    incidents: int = 0
    incidents_per_month: float = 0.0
    by: dict[str, int] = {}
    labels: int = 0
    alarmed: tuple[int, ...] = ()
    through_cache: float | None = None
    told: tuple[Told, ...] = ()
    details: dict[str, Any] = {}


class Calm(msgspec.Struct, frozen=True):
    """Windows in which alarms began on shuffled copies, where nothing changes, per 30 windows. performance, inputs:
    with their 95 % intervals (`rates.rate_over_copies`). by: single alarms."""

    copies: int
    windows: int
    performance_per_30: float
    inputs_per_30: float
    by: dict[str, int] = {}
    performance: Interval | None = None
    inputs: Interval | None = None


class Difference(msgspec.Struct, frozen=True):
    """A policy beside the project's own. error: the project's less its own, above 0 is better, with a 95 % interval of
    paired blocks of windows; sure: the same at a level that holds for all policies together. retrains, fits,
    alerts_per_month, labels: its own less the project's.
    """

    name: str
    against: str
    error: Interval
    sure: Interval
    judged: Judgement
    retrains: int
    fits: int
    alerts_per_month: float
    labels: int


class Sensitivity(msgspec.Struct, frozen=True):
    """One budget of false alarms. alarms: a month on clean copies; power, days: of all faults put in; error: of the
    project's triggers on the history itself, released at once on all rows so far, None where that would ask for new
    fits; retrains: theirs.
    """

    budget: float
    alarms: Interval
    power: Interval | None
    days: float | None
    error: Interval | None
    retrains: int | None


class Change(msgspec.Struct, frozen=True):
    """One setting. key: as `retrain.when`. value: as TOML reads it. was: before."""

    key: str
    value: Any
    was: Any


class Recommendation(msgspec.Struct, frozen=True):
    """verdict: whether the settings should change. policy: the one that the changes make of the project. evidence: in
    sentences, what it rests on."""

    verdict: Literal["change", "no change", "inconclusive"]
    policy: str
    changes: tuple[Change, ...]
    evidence: tuple[str, ...]


TIMINGS = ("cpu_s", "rows_per_cpu_s", "through_cache", "seconds", "details", "fresh_fits", "cpu_outside")
"""What differs from run to run; all else is the same to the bit."""


class Rehearsal(msgspec.Struct, frozen=True):
    """policies side by side; never and always are the references of `gap`.

    unit: mean absolute error, or error rate. judged: live windows that hold labels, by position, and starts:
    event time of their starts; what is a series has a value for each of them. unlabelled: rows that were
    watched alone. changes: live windows at which the truth is known to change. calibrating: the promise had too
    few held-out windows at first release. shuffled: None when not asked for. differences: every policy beside
    the project's own. study: faults put into copies, None when not asked for; sensitivity: the same under other
    budgets. fresh_fits: models that nobody had asked for before, this rehearsal's or an earlier one.
    cpu_outside: share of the CPU time that was neither fitting nor scoring. seconds: wall time. summary: in
    words.
    """

    model: str
    unit: str
    rows: int
    windows: int
    learnt: int
    starts: tuple[float, ...]
    policies: tuple[PolicyResult, ...]
    gap: Interval | None
    held_out: int
    calibrating: bool
    shuffled: Calm | None
    changes: tuple[int, ...]
    learner: str
    seconds: float
    summary: tuple[str, ...]
    parameters: dict[str, Any] = {}
    differences: tuple[Difference, ...] = ()
    study: Study | None = None
    sensitivity: tuple[Sensitivity, ...] = ()
    recommendation: Recommendation | None = None
    fresh_fits: int = 0
    cpu_outside: float = 0.0
    judged: tuple[int, ...] = ()
    unlabelled: int = 0

    def place(self, window: int) -> int:
        """Where in a series a window (position) is, or the next one that has a value there."""
        return min(bisect_left(self.judged, window), len(self.judged) - 1)

    def policy(self, name: str) -> PolicyResult:
        """The policy of that name. Raises KeyError."""
        return {p.name: p for p in self.policies}[name]

    def answer(self) -> dict[str, Any]:
        """What `fairlead rehearse --json` prints, without the report's place."""
        brief = ("series", "told", "alarmed")
        policies = [{k: v for k, v in msgspec.to_builtins(p).items() if k not in brief} for p in self.policies]
        whole = msgspec.to_builtins(self)
        return {**{k: v for k, v in whole.items() if k != "starts"}, "policies": policies}

    def figures(self) -> dict[str, Any]:
        """Everything but what time it took: the same to the bit however often it was stopped, whatever was known
        before, in one process or many."""

        def bare(value: Any) -> Any:
            if isinstance(value, dict):
                return {k: bare(v) for k, v in value.items() if k not in TIMINGS}
            return [bare(v) for v in value] if isinstance(value, list | tuple) else value

        found: dict[str, Any] = bare(msgspec.to_builtins(self))
        return found


def rehearsal_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the rehearsal's `report.json`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Policies of retraining, replayed side by side on one history",
        **msgspec.json.schema(Rehearsal),
    }
