"""What `decide` is told: where a model stands, as plain values. All times are event time, seconds since the epoch."""

from __future__ import annotations

from typing import Literal

import msgspec

from fairlead.contract.evidence import Interval
from fairlead.ops.rollout.guardrails import Guardrail
from fairlead.ops.rollout.verdict import RolloutVerdict

Held = Literal["", "pinned", "frozen", "rolled_back"]


class Live(msgspec.Struct, frozen=True):
    """A released version. trained_to: event time of the newest row it knew when it was made, learnt from or kept
    back for judging; released_at: when it took over."""

    bundle: str
    released_at: float
    trained_to: float
    version: int = 0


class Candidate(msgspec.Struct, frozen=True):
    """A challenger that passed the gate and waits to be tried. why: the trigger it was made for.

    lacks: whose approval the project still asks for.
    """

    bundle: str
    made_at: float
    why: str = ""
    version: int = 0
    lacks: tuple[str, ...] = ()


class Trial(msgspec.Struct, frozen=True):
    """A rollout in progress.

    verdict: of `rollout.judge` over all labelled windows so far, None before the first. floor_holds: the challenger
    beats the baseline on the same rows, None when not known. mismatch: why the split cannot be trusted, else "".
    guardrails: what failed (errors, latency), else empty. approved: a person said yes to its promotion.
    stands: how each guardrail stands. mode: canary, shadow, ab, bandit or pilot. weight: its share of the requests;
    next_weight: the share that the evidence allows, None while it stays; weights: of a bandit, by version, None while
    they stay. until: of a pilot, when it ends (seconds since the epoch by the clock, 0 never); over: it has ended.
    """

    bundle: str
    started_at: float
    verdict: RolloutVerdict | None = None
    floor_holds: bool | None = None
    mismatch: str = ""
    guardrails: tuple[str, ...] = ()
    approved: bool = False
    version: int = 0
    stands: tuple[Guardrail, ...] = ()
    mode: str = "canary"
    weight: float = 0.0
    next_weight: float | None = None
    weights: dict[int, float] | None = None
    until: float = 0.0
    over: bool = False


class Spent(msgspec.Struct, frozen=True):
    """Of retrainings in the last 30 days of event time: how many, their seconds of processor, and of the newest."""

    retrains: int = 0
    cpu_s: float = 0.0
    newest_cpu_s: float = 0.0


class Situation(msgspec.Struct, frozen=True):
    """One model at one moment.

    champion: what answers now, None before the first release. previous: what answered before it.
    held: a person's decision that the automatic hand must not pass. guardrails: what fails on the champion itself.
    last_retrain_at, last_retrain_window: the newest retraining, whatever came of it (window: newest scored one then).
    scored_window: newest window whose labels were judged; labelled_windows: how many there are.
    calibrating: too few held-out windows for the promise. window_s: seconds of event time a window takes.
    frozen: until when nothing may be changed (event time) and the span that says so, None where nothing does.
    new_labels: labels since the champion learned. excess: mean loss a row above the promise in the newest windows.
    rows_per_day: at the pace of the newest windows. spent: on retrainings lately. others: further challengers tried
    beside `rollout`.
    """

    model: str
    champion: Live | None = None
    previous: Live | None = None
    candidate: Candidate | None = None
    rollout: Trial | None = None
    held: Held = ""
    guardrails: tuple[str, ...] = ()
    last_retrain_at: float | None = None
    last_retrain_window: int | None = None
    scored_window: int = -1
    labelled_windows: int = 0
    calibrating: bool = False
    window_s: float = 7 * 86_400.0
    frozen: tuple[float, str] | None = None
    new_labels: int = 0
    excess: Interval | None = None
    rows_per_day: float = 0.0
    spent: Spent = Spent()
    others: tuple[Trial, ...] = ()
