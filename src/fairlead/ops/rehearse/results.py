"""What a rehearsal found."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from fairlead.contract.evidence import Interval
from fairlead.ops.rehearse.replay import Told

Judgement = Literal["better", "worse", "inconclusive", "reference"]


class PolicyResult(msgspec.Struct, frozen=True):
    """One policy.

    quality: mean error over all live rows, lower is better, in the rehearsal's `unit`, with a moving-block interval.
    metrics: all metrics over all live rows. gain: error of `never` - its own (absolute, first), and how it was judged.
    gap: share of the gap between `never` and `always` that it closed, None where that gap itself is in doubt.
    retrains, fits: what it asked for; fits include those of the window picker. promotions, blocked: challengers.
    alerts, input_alerts: performance and input alarms that began. delay: windows from the known change to the first
    performance alarm. series: mean error of each live window. cpu_s: as if it had run alone.
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
    told: tuple[Told, ...] = ()
    details: dict[str, Any] = {}


class Calm(msgspec.Struct, frozen=True):
    """Alarms on shuffled copies, where nothing changes, per 30 windows."""

    copies: int
    windows: int
    performance_per_30: float
    inputs_per_30: float
    why: str = ""


class Rehearsal(msgspec.Struct, frozen=True):
    """policies side by side; never and always are the references of `gap`.

    unit: mean absolute error, or error rate. starts: event time of each live window's start. changes: live windows at
    which the truth is known to change. calibrating: the promise had too few held-out windows at first release.
    shuffled: None when not asked for. seconds: wall time. summary: in words.
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

    def policy(self, name: str) -> PolicyResult:
        """The policy of that name. Raises KeyError."""
        return {p.name: p for p in self.policies}[name]

    def answer(self) -> dict[str, Any]:
        """What `fairlead rehearse --json` prints, without the report's place."""
        brief = ("series", "told")
        policies = [{k: v for k, v in msgspec.to_builtins(p).items() if k not in brief} for p in self.policies]
        whole = msgspec.to_builtins(self)
        return {**{k: v for k, v in whole.items() if k != "starts"}, "policies": policies}
