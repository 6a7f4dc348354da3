"""Replicas for a volume and a latency, by results of load tests made up so that the answer is known."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from fairlead.contract.errors import ConfigInvalid, SourceUnreadable, UsageError
from fairlead.doors.cli.capacity import milliseconds_of, rate_of, whole_numbers
from fairlead.reach.capacity import Measured, Run, Step, plan_for, read_measured
from fairlead.reach.capacity.laddering import CLOSE, climbed
from fairlead.reach.capacity.latencies import Latencies
from fairlead.reach.capacity.loadtest import bodies_of, kept, per_replica
from fairlead.reach.capacity.measured import Machine

LIMIT = 20.0


def made(rate: float, p99: float, **more: object) -> Step:
    found = {
        "rate": rate, "answered": rate, "requests": int(rate * 4), "errors": {}, "p50_ms": p99 / 4, "p90_ms": p99 / 2,
        "p99_ms": p99, "p999_ms": p99 * 2, "max_ms": p99 * 3, "p99_low_ms": p99 * 0.9, "p99_high_ms": p99 * 1.1,
        "late_p99_ms": 0.1, "cpu_cores": rate / 1000, "memory_mb": 80.0, **more,
    }  # fmt: skip
    return msgspec.convert(found, Step)


def server(capacity: float) -> Run:
    """A server whose p99 is 5 ms until its capacity, and 500 ms beyond."""
    return climbed(1, lambda rate: made(rate, 5.0 if rate <= capacity else 500.0), LIMIT)


def measured(*capacities: tuple[int, float], shared: bool = False) -> Measured:
    runs = tuple(msgspec.structs.replace(server(capacity), workers=n) for n, capacity in capacities)
    return Measured(
        model="loans", bundle="0" * 64, version=1, fairlead="0.1.0", at=0.0, server="own", p99_ms=LIMIT, seconds=4.0,
        connections=64, rows=1, runs=runs, per_replica=per_replica(runs, LIMIT),
        machine=Machine(cores=4, processor="one", memory_mb=8000.0, shared=shared),
    )  # fmt: skip


@pytest.mark.parametrize("capacity", [12.0, 333.0, 4000.0, 97_000.0])
def test_the_ladder_brackets_what_is_carried(capacity: float) -> None:
    run = server(capacity)
    good, bad = run.bracket(LIMIT)
    assert good <= capacity <= bad
    assert bad / good <= CLOSE * 1.01
    assert len(run.steps) <= 24


def test_one_bad_moment_of_the_machine_is_no_limit_of_the_server() -> None:
    hiccups = iter([True, *[False] * 100])
    run = climbed(1, lambda rate: made(rate, 500.0 if rate > 1000 or next(hiccups) else 5.0), LIMIT)
    assert run.bracket(LIMIT)[0] > 900


def test_replicas_carry_the_volume_with_room_and_one_lost() -> None:
    plan, law = plan_for(measured((1, 1000.0), (2, 1900.0), (4, 3400.0)), 5000.0, LIMIT, headroom=0.3, spare=1)
    assert law is not None
    assert plan.replicas is not None
    assert not plan.extrapolated
    assert (plan.replicas - plan.spare) * plan.low >= 5000.0 * 1.3
    assert (plan.replicas - plan.spare - 1) * plan.low < 5000.0 * 1.3, "not one more than needed"
    assert plan.workers == 1, "one worker each is cheapest where more of them wait for each other"
    assert plan.used == pytest.approx(5000.0 / (plan.replicas * plan.low))


def test_further_out_than_measured_is_said() -> None:
    plan, _ = plan_for(measured((1, 1000.0), (2, 1900.0), (4, 3400.0)), 5000.0, LIMIT, workers=16)
    assert plan.extrapolated
    assert any("not measured so far out: 16 workers, where 1 to 4 were measured" in note for note in plan.notes)
    between, _ = plan_for(measured((1, 1000.0), (2, 1900.0), (4, 3400.0)), 5000.0, LIMIT, workers=3)
    assert not between.extrapolated
    assert 1900.0 < between.per_replica < 3400.0


def test_a_latency_that_nothing_reached_gives_no_replicas() -> None:
    plan, law = plan_for(measured((1, 1000.0)), 5000.0, 2.0)
    assert (plan.replicas, law) == (None, None)
    assert "at best 5.5 ms" in plan.notes[0]


def test_few_requests_say_nothing_of_a_percentile() -> None:
    assert not made(100.0, 5.0, p99_high_ms=None).carried(LIMIT)
    assert not made(100.0, 5.0, errors={"HTTP 503": 4}).carried(LIMIT)
    assert made(1000.0, 5.0, errors={"HTTP 503": 4}).carried(LIMIT)


def test_doubts_about_the_test_are_said() -> None:
    plan, _ = plan_for(measured((1, 1000.0), shared=True), 100.0, LIMIT)
    assert any("on the server's machine" in note for note in plan.notes)


def test_workers_that_carry_less_than_fewer_do_are_said() -> None:
    plan, _ = plan_for(measured((1, 1000.0), (2, 700.0)), 100.0, LIMIT)
    assert plan.workers == 1
    assert any("what they share is used up" in note for note in plan.notes)


def test_results_go_to_a_file_and_come_back(tmp_path: Path) -> None:
    found = measured((1, 1000.0))
    assert read_measured(kept(found, tmp_path / "a" / "loadtest.json")) == found
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["loadtest.json"]
    with pytest.raises(SourceUnreadable, match="loadtest --workers"):
        read_measured(tmp_path / "none.json")
    (tmp_path / "other.json").write_text('{"format": 1}')
    with pytest.raises(ConfigInvalid, match="no result of"):
        read_measured(tmp_path / "other.json")


def test_bodies_repeat_rows_where_there_are_few() -> None:
    rows = [{"x": 1}, {"x": 2}, {"x": 3}]
    assert bodies_of(rows, 1) == ('{"x": 1}', '{"x": 2}', '{"x": 3}')
    assert bodies_of(rows, 5) == ('[{"x": 1}, {"x": 2}, {"x": 3}, {"x": 1}, {"x": 2}]',)
    with pytest.raises(UsageError):
        bodies_of([], 1)


@pytest.mark.parametrize(
    ("text", "expected"), [("5000/s", 5000), ("300/min", 5), ("2M/d", 2e6 / 86400), ("5k/s", 5000), ("7", 7)]
)
def test_rates_as_people_write_them(text: str, expected: float) -> None:
    assert rate_of(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "fast", "5/fortnight", "-3/s", "5//s"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write 5000/s"):
        rate_of(text)


def test_times_and_numbers_of_workers() -> None:
    assert (milliseconds_of("20ms"), milliseconds_of("0.5s"), milliseconds_of("20")) == (20.0, 500.0, 20.0)
    assert whole_numbers("1,2, 4", "workers") == (1, 2, 4)
    for wrong in ("0ms", "20 days", "soon"):
        with pytest.raises(UsageError):
            milliseconds_of(wrong)
    with pytest.raises(UsageError):
        whole_numbers("1,two", "workers")


def queued(rate: float, seconds: float, seed: int) -> Step:
    """What a server of one worker that takes 4 ms a request would be measured to do: random arrivals, one queue."""
    random = np.random.default_rng(seed)
    gaps = random.exponential(1 / rate, int(rate * seconds))
    took = 0.004 * random.gamma(8.0, 1 / 8.0, len(gaps))
    latencies, busy, now = Latencies(), 0.0, 0.0
    for gap, work in zip(gaps.tolist(), took.tolist(), strict=True):
        now += gap
        busy = max(busy, now) + work
        latencies.add(busy - now)
    low, high = (1000 * value for value in latencies.bounds(0.99))
    return made(rate, 1000 * latencies.quantile(0.99), p99_low_ms=low, p99_high_ms=high)


def test_p99_at_a_load_that_was_not_measured_lies_where_it_is_said_to_lie() -> None:
    held, widths = 0, []
    for seed in range(60):
        run = Run(workers=1, steps=tuple(queued(rate, 20.0, 100 * seed + at) for at, rate in enumerate((50, 120, 180))))
        for rate in (80.0, 150.0):
            between = run.p99_at(rate)
            assert between is not None
            truth = queued(rate, 400.0, 7000 + seed).p99_ms
            assert truth is not None
            held += between[0] <= truth <= between[1]
            widths.append(between[1] / between[0])
    assert held >= 0.95 * 120, f"{held} of 120"
    assert np.median(widths) < 4
    assert run.p99_at(181.0) is None, "nothing is said of what lies beyond"
    assert run.p99_at(20.0) is not None
    low, high = run.p99_at(120.0) or (0.0, 0.0)
    assert low <= run.steps[1].p99_ms <= high


def test_a_plan_says_what_p99_each_replica_will_have() -> None:
    plan, _ = plan_for(measured((1, 1000.0)), 3000.0, LIMIT)
    assert plan.load == pytest.approx(3000 / plan.replicas)
    assert plan.p99_then_ms == pytest.approx((4.5, 5.5))
    none, _ = plan_for(measured((1, 1000.0)), 3000.0, 0.1)
    assert none.p99_then_ms is None
