"""The judge of challengers: right in the long run, at any time, and honest about what it does not know."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import ShapeMismatch
from fairlead.ops.rollout import in_random_order, judge, judge_two, ratio_mismatch, undecided

RUNS = 300
SLACK = 2 * np.sqrt(0.05 * 0.95 / RUNS)


def losses(rng: np.random.Generator, mean: float, n: int) -> np.ndarray:
    """Brier-like losses in [0, 1] with this mean."""
    return rng.beta(2 * mean, 2 * (1 - mean), n)


def test_harm_beyond_the_limit_is_rarely_passed_under_continuous_looking() -> None:
    # A verdict, once reached, is kept (below): the last look has what any look before it would have said.
    rng = np.random.default_rng(0)
    passed = [judge(np.clip(rng.normal(0.02, 0.15, 500), -1, 1), 0.02).outcome == "pass" for _ in range(RUNS)]
    assert np.mean(passed) <= 0.05 + SLACK


def test_an_equal_challenger_is_rarely_failed_under_continuous_looking() -> None:
    rng = np.random.default_rng(1)
    failed = [judge(losses(rng, 0.2, 500) - losses(rng, 0.2, 500), 0.02).outcome == "fail" for _ in range(RUNS)]
    assert np.mean(failed) <= 0.05 + SLACK


def test_broken_challengers_are_blocked_and_better_ones_pass() -> None:
    rng = np.random.default_rng(2)
    old = losses(rng, 0.15, 500)
    assert judge(losses(rng, 0.25, 500) - old, 0.01).outcome == "fail"
    assert judge(losses(rng, 0.08, 500) - old, 0.01).outcome == "pass"


def test_an_inconclusive_verdict_says_how_many_rows_are_still_needed() -> None:
    rng = np.random.default_rng(3)
    short = judge(np.clip(rng.normal(0.0, 0.1, 200), -1, 1), 0.01)
    assert short.outcome == "inconclusive"
    assert short.needed > 0
    assert str(short.needed) in short.why
    longer = judge(np.clip(np.random.default_rng(3).normal(0.0, 0.1, 200 + 6 * short.needed), -1, 1), 0.01)
    assert longer.outcome == "pass"


def test_nothing_known_is_said() -> None:
    verdict = judge(np.zeros(0), 0.01)
    assert (verdict.outcome, verdict.n, verdict.needed) == ("inconclusive", 0, -1)
    assert judge_two(np.zeros(5), np.zeros(0), 0.01).n == 0


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=200), st.floats(0.001, 0.5))
@settings(max_examples=60, deadline=None)
def test_a_verdict_once_reached_is_kept_as_rows_are_added(values: list[float], max_loss: float) -> None:
    x = np.asarray(values)
    seen = [judge(x[:n], max_loss).outcome for n in range(1, len(x) + 1, 7)]
    decided = [o for o in seen if o != "inconclusive"]
    assert len(set(decided)) <= 1
    if decided:
        assert all(o == decided[0] for o in seen[seen.index(decided[0]) :])
    whole = judge(x, max_loss)
    assert -1.0 <= whole.low <= whole.high <= 1.0
    assert (whole.e_worse >= 20.0 * (1 - 1e-9)) or whole.outcome != "fail"


def test_unpaired_rows_are_judged_without_more_errors() -> None:
    rng = np.random.default_rng(4)
    failed = 0
    for _ in range(RUNS):
        old, new = losses(rng, 0.2, 1900), losses(rng, 0.2, 100)
        looks = (judge_two(old[: 19 * n], new[:n], 0.05, ratio=19).outcome for n in range(10, 101, 15))
        failed += any(o == "fail" for o in looks)
    assert failed / RUNS <= 0.05 + SLACK
    assert judge_two(losses(rng, 0.1, 3800), losses(rng, 0.4, 200), 0.01, ratio=19).outcome == "fail"
    assert judge_two(losses(rng, 0.4, 200), losses(rng, 0.1, 3800), 0.01, ratio=19).outcome == "pass"


def test_an_order_of_its_own_is_the_same_each_time() -> None:
    x = np.arange(50) / 50
    assert np.array_equal(in_random_order(x, 7), in_random_order(x, 7))
    assert sorted(in_random_order(x, 7)) == sorted(x)


def test_an_undecided_rollout_is_promoted_only_over_a_champion_in_alarm() -> None:
    open_ = judge(np.zeros(3), 0.01)
    assert open_.outcome == "inconclusive"
    assert undecided(open_, 5, 28, floor_holds=True, alarm_stands=True) == "wait"
    assert undecided(open_, 28, 28, floor_holds=True, alarm_stands=True) == "promote_unproven"
    assert undecided(open_, 28, 28, floor_holds=True, alarm_stands=False) == "end"
    assert undecided(open_, 28, 28, floor_holds=False, alarm_stands=True) == "end"


def test_a_split_that_was_not_meant_stops_the_comparison() -> None:
    assert not ratio_mismatch([950, 50], [0.95, 0.05]).mismatch
    found = ratio_mismatch([9000, 1000], [0.95, 0.05])
    assert found.mismatch
    assert "mismatch" in found.why
    assert not ratio_mismatch([0, 0], [0.95, 0.05]).mismatch


def test_differences_out_of_bounds_are_refused() -> None:
    with pytest.raises(ShapeMismatch, match="within"):
        judge(np.array([0.0, 3.0]), 0.01)
