"""Shares that the evidence allows, guardrails by hand, and plans in words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.ops.rollout import judge
from fairlead.ops.rollout.guardrails import (
    Counted,
    counted_latency_guard,
    decisions_guard,
    errors_guard,
    latency_guard,
    part_of_stage,
)
from fairlead.ops.rollout.planning import in_days, plan
from fairlead.ops.rollout.shares import bandit_shares, next_share
from fairlead.ops.rollout.values import fewest, judge_values

STEPS = (0.05, 0.2, 0.5)


def test_a_share_is_given_once_harm_times_share_is_excluded() -> None:
    rng = np.random.default_rng(0)
    x = np.clip(rng.normal(0.0, 0.05, 3000), -1, 1)
    seen = [next_share([judge(x[:n], 0.01)], [()], 0.05, STEPS, 0.01) for n in (20, 150, 3000)]
    assert seen[0] is None
    assert seen[-1] == 0.5
    assert next_share([judge(x, 0.01)], [()], 0.5, STEPS, 0.01) is None
    assert next_share([judge(np.full(300, 0.3), 0.01)], [()], 0.05, STEPS, 0.01) is None


def test_a_few_answered_requests_allow_no_larger_share() -> None:
    harmless = judge(np.zeros(2000), 0.01)
    few = errors_guard(Counted(0, 300), Counted(0, 15), 0.01)
    many = errors_guard(Counted(0, 90_000), Counted(0, 9_000), 0.01)
    assert next_share([harmless], [(few,)], 0.05, STEPS, 0.01) is None
    assert next_share([harmless], [(many,)], 0.05, STEPS, 0.01) == 0.5


def test_a_broken_challenger_fails_after_a_handful_of_requests() -> None:
    assert errors_guard(Counted(0, 95), Counted(5, 5), 0.01).outcome == "fails"
    assert errors_guard(Counted(0, 95), Counted(1, 5), 0.01).outcome == "undecided"
    # Where both fail alike it is not the challenger's fault.
    assert errors_guard(Counted(50, 100), Counted(50, 100), 0.01).outcome == "undecided"
    assert errors_guard(Counted(0, 0), Counted(0, 0), 0.01).outcome == "undecided"


def test_latency_is_of_the_tail_and_any_distribution() -> None:
    rng = np.random.default_rng(1)
    old = rng.lognormal(-4, 0.3, 4000)
    assert latency_guard(old, rng.lognormal(-4, 0.3, 1000) * 3.0, 1.5).outcome == "fails"
    assert latency_guard(old, rng.lognormal(-4, 0.3, 4000), 1.5).outcome == "holds"
    assert latency_guard(old, [], 1.5).outcome == "undecided"
    assert latency_guard([], old, 1.5).outcome == "undecided"


def test_decisions_that_move_are_told_by_their_name() -> None:
    found = decisions_guard({"yes": 3000, "no": 7000}, {"yes": 500, "no": 500}, 0.1)
    assert found.outcome == "fails"
    assert "no" in found.why
    assert decisions_guard({"a": 4000, "b": 4000, "c": 4000}, {"a": 990, "b": 1000, "c": 1010}, 0.1).outcome == "holds"
    assert decisions_guard({}, {}, 0.1).outcome == "undecided"


@given(st.integers(2, 5), st.floats(0.02, 0.9), st.integers(0, 10_000))
@settings(max_examples=30)
def test_a_bandits_shares_add_up_and_keep_their_floor(k: int, explore: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.normal(rng.normal(0, 1, k), 1.0, (200, k))
    found = bandit_shares(table, [50] * k, explore, seed)
    assert sum(found) == pytest.approx(1.0)
    assert min(found) >= explore / k - 1e-9
    assert found == bandit_shares(table, [50] * k, explore, seed)
    assert bandit_shares(table, [50] * (k - 1) + [3], explore, seed) == [1.0 / k] * k


def test_values_wait_until_the_mean_of_a_heavy_tail_says_something() -> None:
    rng = np.random.default_rng(2)
    assert fewest(rng.random(1000)) == 200
    assert fewest(rng.lognormal(0, 1.5, 1000)) > 400
    assert fewest(np.ones(10)) == 200
    none = judge_values(np.ones(5), np.zeros(5, dtype=int), np.tile([0.5, 0.5], (5, 1)), 0.01)
    assert (none.outcome, none.n) == ("inconclusive", 0)


def test_twenty_requests_an_hour_at_five_percent_mean_months() -> None:
    slow = plan(1.2, 0.05, 480.0, 0.05, paired=False, what="values")
    assert slow.days > 90
    assert "months" in slow.why or "years" in slow.why
    assert "50% would take" in slow.why
    half = next(one for one in slow.shares if one.share == 0.5)
    assert half.days < slow.days / 4
    paired = plan(0.1, 0.01, 480.0, 0.05, paired=True)
    assert "another share would not shorten it" in paired.why
    assert {one.days for one in paired.shares} == {paired.days}
    assert math.isinf(plan(0.1, 0.01, 0.0, 0.05, paired=True).days)


def test_two_hundred_requests_a_second_mean_an_hour() -> None:
    quick = plan(1.2, 0.05, 200 * 86_400.0, 0.05, paired=False, what="values")
    assert quick.days < 1 / 24
    assert "17,280,000 a day 1 hour with 5%" in quick.why


@pytest.mark.parametrize(
    ("days", "said"), [(0.001, "1 hour"), (1.0, "24 hours"), (59.0, "59 days"), (math.inf, "for ever")]
)
def test_spans_are_told_as_people_say_them(days: float, said: str) -> None:
    assert in_days(days) == said


def test_stages_share_one_error_however_many_they_are() -> None:
    parts = [part_of_stage(0.05, number) for number in range(1, 5000)]
    assert 0.0499 < sum(parts) < 0.05
    assert parts == sorted(parts, reverse=True)


def test_counted_latencies_are_judged_as_the_latencies_are() -> None:
    rng = np.random.default_rng(5)
    edges = np.concatenate([[0.0], np.geomspace(1e-5, 1e3, 931), [np.inf]])

    def counts(seconds: np.ndarray) -> np.ndarray:
        return np.bincount(np.searchsorted(edges, seconds, side="left") - 1, minlength=len(edges) - 1)

    old, alike = rng.lognormal(-4, 0.3, 4000), rng.lognormal(-4, 0.3, 4000)
    assert counted_latency_guard(counts(old), counts(alike * 3), edges, 1.5).outcome == "fails"
    held = counted_latency_guard(counts(old), counts(alike), edges, 1.5)
    assert (held.outcome, held.n) == ("holds", 4000)
    # Three times as long and still quick enough for anybody.
    quick = counted_latency_guard(counts(old / 20), counts(alike * 3 / 20), edges, 1.5, least_s=0.01 / 1.5)
    assert quick.outcome == "holds"
    assert counted_latency_guard(counts(old), np.zeros(len(edges) - 1), edges, 1.5).outcome == "undecided"
