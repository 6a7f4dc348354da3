"""Minutes judged: limits, changes against earlier days, and each fault named for what it is."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from infrastructure_samples import NOON, answered, beat, minute

from fairlead.contract.beats import LATENCIES, Answered
from fairlead.contract.settings import ModelSettings, Settings
from fairlead.ops.monitor.infrastructure import limits, usual
from fairlead.ops.monitor.infrastructure.limiting import in_words, resources
from fairlead.ops.monitor.infrastructure.minutes import minute_of, minutes_of, newest_minute, quantile_ms
from fairlead.ops.monitor.infrastructure.naming import Deployment, Usual, name_causes

QUEUE = 512


def judged(beats: Any, given: dict[str, float] | None = None, **more: Any) -> list[Any]:
    found = minute_of(beats, "m")
    assert found is not None
    in_force = limits.limits_of(given or {})
    return limits.findings_of("m", found, (), in_force, QUEUE, name_causes(found, queue=QUEUE, **more))


def blamed(beats: Any, **more: Any) -> str:
    found = minute_of(beats, "m")
    assert found is not None
    causes = name_causes(found, queue=QUEUE, **more)
    assert sum(cause.weight for cause in causes) == pytest.approx(1.0, abs=0.01) if causes else True
    return causes[0].name if causes else ""


def test_a_healthy_minute_breaks_nothing_and_blames_nobody() -> None:
    assert judged(minute()) == []
    assert blamed(minute()) == ""


FAULTS: dict[str, tuple[list[Any], str]] = {
    "disk that is slow": (minute(sync_s=4.0, sync_most_s=3.0), "slow disk"),
    "disk that is full": (minute(disk_free=0, dropped={"disk_full": 40}), "disk full"),
    "nobody collects": (minute(dropped={"spool_full": 40}, spool_bytes=1 << 30), "spool full"),
    "worker beside a hog": (minute(NOON, answered(ms=400.0), waited_s=3.5, cpu_s=0.5), "starved worker"),
    "worker that is stopped": (minute(held_s=3.5, held_most_s=3.4, cpu_s=0.1, sync_most_s=3.3), "starved worker"),
    "little memory": (minute(memory_free=50 << 20), "memory"),
    "too many requests": (minute(NOON, answered(9000, ms=80.0), cpu_s=4.9, turned_away=900), "too much traffic"),
    "a wrong challenger": (
        minute(NOON, answered(90), answered(20, variant="challenger", version="2", failed=20)),
        "challenger (version 2)",
    ),
    "a slow challenger": (
        minute(NOON, answered(90), answered(20, ms=700.0, variant="challenger", version="2")),
        "challenger (version 2)",
    ),
}


@pytest.mark.parametrize(("beats", "name"), FAULTS.values(), ids=FAULTS)
def test_each_fault_is_named_for_what_it_is(beats: list[Any], name: str) -> None:
    assert blamed(beats) == name


def test_a_champion_that_fails_since_it_was_deployed_is_the_code() -> None:
    beats = minute(NOON, answered(30, failed=30))
    (finding,) = judged(beats, deployments=[Deployment("champion", "1", "b", NOON - 300)])
    assert finding.area == "code"
    assert finding.severity == "critical"
    assert finding.causes[0].kind == "version"
    assert "since 5 minutes" in finding.causes[0].why
    assert blamed(beats, deployments=[Deployment("champion", "1", "b", NOON - 86_400)]) == "champion (version 1)"


def test_traffic_as_usual_that_keeps_a_worker_busy_is_not_blamed_on_traffic() -> None:
    beats = minute(NOON, answered(500), cpu_s=4.9)
    assert blamed(beats, usual=Usual(requests_per_s=100.0)) == "costlier requests"
    assert blamed(beats, usual=Usual(requests_per_s=20.0)) == "too much traffic"


def test_a_limit_says_what_was_seen_since_when_and_why() -> None:
    earlier = minutes_of(minute(NOON - 120) + minute(NOON - 60, sync_most_s=6.0) + minute(NOON, sync_most_s=6.0))
    found = minute_of(minute(NOON, sync_most_s=6.0), "m")
    assert found is not None
    (finding,) = limits.findings_of("m", found, earlier, limits.limits_of({}), QUEUE, name_causes(found))
    assert finding.area == "infrastructure"
    assert finding.check == "limit_sync_ms"
    assert finding.first == pytest.approx(NOON - 120)
    assert finding.size == pytest.approx(5995.0)
    assert finding.evidence["limit"] == 5000.0
    assert "slow disk" in finding.message
    assert finding.causes[0].name == "slow disk"


def test_limits_of_a_project_replace_the_usual_ones_and_zero_switches_off() -> None:
    slow = minute(NOON, answered(ms=80.0))
    assert judged(slow) == []
    assert [f.check for f in judged(slow, {"p99_ms": 50.0})] == ["limit_p99_ms"]
    assert judged(minute(sync_most_s=9.0), {"sync_ms": 0.0}) == []


def test_few_failures_are_no_share() -> None:
    assert judged([beat(NOON, answered(4, failed=4))]) == []


def test_the_newest_minute_ends_at_the_newest_beat_and_is_none_when_all_are_silent() -> None:
    beats = minute(NOON - 60) + minute(NOON, answered(7))
    found = newest_minute(beats, NOON + 3, "m")
    assert found is not None
    assert found.requests == 84
    assert newest_minute(beats, NOON + 120, "m") is None
    assert newest_minute(beats, NOON + 3, "another") is not None


def test_variants_and_workers_are_added_up() -> None:
    found = minute_of([beat(NOON, answered(3), slot=0), beat(NOON, answered(4), answered(5, variant="b"), slot=1)], "m")
    assert found is not None
    assert [(one.variant, one.requests) for one in found.answered] == [("b", 5), ("champion", 7)]
    assert [worker.name for worker in found.workers] == ["here/0", "here/1"]


@given(st.lists(st.floats(0.0004, 9.9), min_size=1, max_size=60), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(values: list[float], share: float) -> None:
    counts = np.histogram(values, bins=[0.0, *LATENCIES, np.inf])[0]
    true = float(np.quantile(values, share, method="inverted_cdf"))
    end = int(np.searchsorted(LATENCIES, true, side="right"))
    low = LATENCIES[end - 1] if end else 0.0
    found = quantile_ms([counts.tolist()], share) / 1e3
    assert low <= found <= LATENCIES[min(end, len(LATENCIES) - 1)] + 1e-12
    assert quantile_ms([], share) == 0.0


def test_the_scarcest_resource_is_told_with_its_figures_and_the_next() -> None:
    found = minute_of(minute(NOON, answered(5000), cpu_s=4.85), "m")
    assert found is not None
    words = in_words(resources(found, QUEUE))
    assert words == "CPU of worker here/0: 97% busy; next memory: 50% used, 4.0 GB left"
    assert in_words([]) == "nothing is known of what it uses"


def hours(values: np.ndarray, first: int = 500_000) -> list[usual.Hour]:
    """Hours with these p99 in ms; all other figures are constant."""
    return [usual.Hour(first + n, 60, 6000, 2.0, float(v), 0.5, 100.0) for n, v in enumerate(values)]


def test_a_change_against_the_same_hour_of_earlier_days_is_told_once_days_are_known() -> None:
    day = 10.0 + 5.0 * np.sin(np.arange(24) / 24 * 2 * np.pi)
    random = np.random.default_rng(3)
    known = hours(np.tile(day, 8) * np.exp(0.05 * random.standard_normal(192)))
    allowed = usual.allowed_a_look(Settings(model=ModelSettings(name="m", task="regression", target="y")))
    assert usual.changes("m", known[-1], known[:-1], allowed) == []
    (finding,) = usual.changes("m", hours(np.array([80.0]), known[-1].number)[0], known[:-1], allowed)
    assert finding.check == "usual_p99_ms"
    assert finding.low < finding.size < finding.high
    assert "usually" in finding.message
    assert finding.first == known[-1].number * 3600.0
    assert usual.changes("m", hours(np.array([80.0]), known[60].number)[0], known[:60], allowed) == []


def test_false_alarms_of_changes_keep_within_what_is_allowed() -> None:
    """Thirty servers for 20 days, days that differ, hours that hang together and long tails."""
    random = np.random.default_rng(11)
    allowed, looks, alarms = 0.002, 0, 0
    for _ in range(30):
        days = np.repeat(0.15 * random.standard_normal(20), 24)
        noise = 0.1 * random.standard_t(5, size=480)
        known = hours(20.0 * np.exp(days + noise))
        for at in range(200, 480, 8):
            looks += 1
            alarms += bool(usual.changes("m", known[at], known[max(at - usual.KEPT, 0) : at], allowed))
    assert alarms <= looks * allowed + 3 * np.sqrt(looks * allowed)


def test_a_full_hour_is_folded_once() -> None:
    start = 3600.0 * 497_300
    minutes = minutes_of([b for n in range(1, 61) for b in minute(start + 60.0 * n, answered(50, ms=3.0))], "m")
    kept, made = usual.fold([], minutes, start + 3605.0)
    assert made is not None
    assert made.minutes == 60
    assert made.requests == 60 * 12 * 50
    assert usual.fold(kept, minutes, start + 3610.0) == (kept, None)
    ahead = msgspec.structs.replace(made, number=made.number + 9000)
    assert usual.fold([ahead], minutes, start + 3610.0) == (kept, made)
    assert usual.decode(usual.encode(kept)) == kept
    assert usual.decode(None) == []
    assert usual.decode(b"?") == []


def test_what_nobody_asked_has_no_latency() -> None:
    found = minute_of([beat(NOON, Answered("m", "", "", 3, refused=3))], "m")
    assert found is not None
    assert found.quantile_ms(0.99) == 0.0
    assert found.failed == 0
