"""Replicas for a stated volume and latency, from what a load test measured."""

from __future__ import annotations

import math
from itertools import pairwise

import msgspec

from fairlead.contract.errors import UsageError
from fairlead.reach.capacity.law import Law, Point, fit_law
from fairlead.reach.capacity.measured import Measured, Step

MOST_REPLICAS = 100_000


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to run. replicas: None where nothing measured answers within the limit; spare of them may be lost.

    per_replica: requests a second that one carries within the limit, as planned with; low and high: 95 % interval.
    used: share of that which the stated rate uses once all replicas run. load: of one then, requests a second, and
    p99_then_ms between what its p99 lies, None where no rate so high was asked. cpu_cores, memory_mb: of one at its
    limit.
    extrapolated: the plan rests on what was not measured so far out. notes: what to know, a line each.
    """

    rate: float
    p99_ms: float
    headroom: float
    spare: int
    replicas: int | None
    workers: int
    per_replica: float
    low: float
    high: float
    used: float
    load: float
    p99_then_ms: tuple[float, float] | None
    p99_measured_ms: float | None
    cpu_cores: float
    memory_mb: float
    extrapolated: bool
    notes: tuple[str, ...]


def plan_for(
    measured: Measured, rate: float, p99_ms: float, *, headroom: float = 0.3, spare: int = 1, workers: int | None = None
) -> tuple[Plan, Law | None]:
    """How many replicas carry `rate` requests a second with p99 within `p99_ms`, `spare` of them lost, with room.

    workers: of each replica; None: of those measured, the number with the fewest workers in all. Raises UsageError for
    numbers that cannot be.
    """
    if not (rate > 0 and math.isfinite(rate) and p99_ms > 0 and headroom >= 0 and spare >= 0):
        raise UsageError("a rate and a latency above 0 are needed, head room and spare replicas of 0 or more.")
    points = points_of(measured, p99_ms)
    if not points:
        return _none(measured, rate, p99_ms, headroom, spare), None
    bounded = [point for point in points if math.isfinite(point.high)] or [
        msgspec.structs.replace(point, high=point.low) for point in points
    ]
    law = fit_law(bounded)
    chosen = [workers] if workers else sorted({point.workers for point in points})
    plans = [_with(measured, law, points, rate, p99_ms, headroom, spare, number) for number in chosen]
    return min(plans, key=lambda plan: ((plan.replicas or MOST_REPLICAS) * plan.workers, plan.replicas)), law


def points_of(measured: Measured, p99_ms: float) -> list[Point]:
    """What each number of workers carries within the limit; those that carry nothing so are left out."""
    brackets = [(run.workers, *run.bracket(p99_ms)) for run in measured.runs]
    return [Point(workers, good, bad) for workers, good, bad in brackets if good > 0]


def _with(
    measured: Measured, law: Law, points: list[Point], rate: float, p99_ms: float, headroom: float, spare: int, n: int
) -> Plan:
    """The plan with `n` workers a replica."""
    own = [point for point in points if point.workers == n]
    expected, low, high = law.at(n)
    notes = []
    if own:
        # What was carried is sure; the law only says what lies between.
        expected = low = min(point.low for point in own)
        high = max(point.high for point in own)
        if not math.isfinite(high):
            many = "1 worker" if n == 1 else f"{n} workers"
            notes.append(f"{many} carried every rate that was asked: more than {low:,.0f}/s may be carried.")
    extrapolated = not law.within(n)
    if extrapolated:
        far = f"{min(law.measured)} to {max(law.measured)}"
        notes.append(f"not measured so far out: {n} workers, where {far} were measured. The law says {low:,.0f}/s.")
    if law.assumed and not own:
        notes.append(f"the law assumes {law.assumed}.")
    if n > law.peak:
        notes.append(f"more than {law.peak:.0f} workers carry less than fewer do, by the law.")
    replicas = math.ceil(rate * (1 + headroom) / low) + spare if low > 0 else None
    if replicas is not None and replicas > MOST_REPLICAS:
        replicas = None
    runs = [run for run in measured.runs if run.workers == n]
    best = next((run.best(p99_ms) for run in runs), None)
    load = rate / replicas if replicas else 0.0
    found = [between for run in runs if (between := run.p99_at(load)) is not None]
    then = (min(low for low, _ in found), max(high for _, high in found)) if found else None
    return Plan(
        rate=rate, p99_ms=p99_ms, headroom=headroom, spare=spare, replicas=replicas, workers=n, per_replica=expected,
        low=low, high=high, used=0.0 if not replicas else load / low, load=load, p99_then_ms=then,
        p99_measured_ms=best.p99_ms if best else None, cpu_cores=best.cpu_cores if best else 0.0,
        memory_mb=best.memory_mb if best else 0.0, extrapolated=extrapolated,
        notes=(*notes, *_general(measured, best, replicas)),
    )  # fmt: skip


def _general(measured: Measured, best: Step | None, replicas: int | None) -> list[str]:
    notes = []
    if best is not None and best.unsound:
        notes.append(f"at {best.rate:,.0f}/s {best.unsound}: measure from another machine.")
    if retrograde := _retrograde(measured):
        notes.append(retrograde)
    if measured.machine.shared:
        notes.append("measured with the load generator on the server's machine: the server alone may carry more.")
    if replicas is not None and replicas > 1:
        notes.append("one replica was measured; they are taken to add up, as they share nothing but the balancer.")
    return notes


def _retrograde(measured: Measured) -> str:
    """Said where more workers carried less, by the limit of the test."""
    carried = sorted((run.workers, run.bracket(measured.p99_ms)[0]) for run in measured.runs)
    for (few, more), (many, less) in pairwise(carried):
        if 0 < less < more:
            return f"{many} workers carried {less:,.0f}/s and {few} carried {more:,.0f}/s: what they share is used up."
    return ""


def _none(measured: Measured, rate: float, p99_ms: float, headroom: float, spare: int) -> Plan:
    """Nothing that was measured answers so fast."""
    found = [
        (step.p99_high_ms, step.rate, run.workers)
        for run in measured.runs
        for step in run.steps
        if step.p99_high_ms is not None
    ]
    why = "no step of the test says what its p99 is: ask for more seconds."
    if found:
        fastest, at, workers = min(found)
        why = f"nothing measured stays within {p99_ms:g} ms: at best {fastest:g} ms, at {at:,.0f}/s, {workers} workers."
    return Plan(
        rate=rate, p99_ms=p99_ms, headroom=headroom, spare=spare, replicas=None, workers=0, per_replica=0.0, low=0.0,
        high=0.0, used=0.0, load=0.0, p99_then_ms=None, p99_measured_ms=None, cpu_cores=0.0, memory_mb=0.0,
        extrapolated=False, notes=(why,),
    )  # fmt: skip
