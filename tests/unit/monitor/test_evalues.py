"""Anytime-valid evidence keeps its promise: errors under continuous looking, coverage, run length."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import ShapeMismatch
from fairlead.lab.stats import evalues

RUNS = 400


def bounded(rng: np.random.Generator, mean: float, n: int) -> np.ndarray:
    """Skewed values in [-1, 1] with this mean: what a betting test finds hardest."""
    share = (mean + 1.0) / 2.0
    return np.where(rng.random(n) < share, 1.0, -1.0)


@pytest.mark.parametrize("mean", [0.0, -0.02])
def test_a_true_hypothesis_is_rarely_rejected_however_often_one_looks(mean: float) -> None:
    rng = np.random.default_rng(1)
    rejected = [evalues.log_wealth(bounded(rng, mean, 1000), 0.0).max() >= np.log(20.0) for _ in range(RUNS)]
    assert np.mean(rejected) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / RUNS)


def test_a_false_hypothesis_is_rejected() -> None:
    rng = np.random.default_rng(2)
    found = [evalues.log_wealth(np.clip(rng.normal(0.05, 0.2, 800), -1, 1), 0.0).max() >= np.log(20) for _ in range(50)]
    assert np.mean(found) >= 0.95


def test_bounds_cover_the_mean_at_all_times_together() -> None:
    rng = np.random.default_rng(3)
    missed = 0
    for _ in range(RUNS):
        low, high = evalues.empirical_bernstein_bounds(rng.beta(2, 5, 500))
        missed += bool(np.any((low > 2 / 7) | (high < 2 / 7)))
    assert missed / RUNS <= 0.05


def test_betting_bounds_cover_and_are_tighter_than_closed_ones() -> None:
    rng = np.random.default_rng(4)
    missed, narrower = 0, 0
    for _ in range(100):
        x = np.clip(rng.normal(0.03, 0.1, 400), -1, 1)
        low, high = evalues.mean_bounds(x)
        missed += not low <= 0.03 <= high
        closed = evalues.empirical_bernstein_bounds(x, low=-1.0, high=1.0)
        narrower += (high - low) < closed[1][-1] - closed[0][-1]
    assert missed <= 7
    assert narrower >= 90


def test_the_shift_bet_is_the_ratio_of_t_densities() -> None:
    from scipy import stats

    before, after = np.array([1.0, 2.0, 4.0, 3.0, 2.5]), np.array([5.0, 6.0])
    n, m = len(before), len(after)
    pooled = np.sqrt((((before - before.mean()) ** 2).sum() + ((after - after.mean()) ** 2).sum()) / (n + m - 2))
    factor = np.sqrt(n * m / (n + m))
    t = (after.mean() - before.mean()) / pooled * factor
    expected = stats.nct.pdf(t, n + m - 2, 1.5 * factor) / stats.t.pdf(t, n + m - 2)
    assert evalues.shift_evidence(before, after, shifts=(1.5,))[0] == pytest.approx(expected, rel=1e-6)


@given(
    st.lists(st.floats(0, 1), min_size=4, max_size=12, unique=True),
    st.lists(st.floats(0, 1), min_size=1, max_size=6),
    st.floats(-3, 3),
    st.floats(0.5, 20),
)
@settings(max_examples=60, deadline=None)
def test_the_shift_bet_knows_no_unit(before: list[float], after: list[float], shift: float, scale: float) -> None:
    b, a = np.array(before), np.array(after)
    if b.std() < 1e-3:
        return
    plain = evalues.shift_evidence(b, a)
    assert np.all(np.isfinite(plain))
    assert np.all(plain >= 0)
    assert evalues.shift_evidence(b * scale + shift, a * scale + shift) == pytest.approx(plain, rel=1e-4)


def test_the_detector_alarms_at_most_once_in_its_threshold_on_average() -> None:
    rng = np.random.default_rng(5)
    waits = []
    for _ in range(120):
        before, after = rng.normal(0.2, 0.02, 8), rng.normal(0.2, 0.02, 90)
        hits = (k for k in range(3, 91, 3) if evalues.shiryaev_roberts(before, after[:k]) >= 30.0)
        waits.append(next(hits, 90))
    assert np.mean(waits) >= 30.0


def test_a_split_that_was_meant_is_accepted_and_another_is_not() -> None:
    rng = np.random.default_rng(6)
    false = 0
    for _ in range(200):
        draws = np.cumsum(rng.random(2000) < 0.05)
        looks = range(100, 2000, 50)
        false += any(evalues.split_evidence([k - draws[k], draws[k]], [0.95, 0.05]) >= 20 for k in looks)
    assert false / 200 <= 0.05 + 0.03
    assert evalues.split_evidence([9200, 800], [0.95, 0.05]) > 1000
    assert evalues.split_evidence([10, 1], [1.0, 0.0]) == np.inf


def test_values_out_of_bounds_are_refused() -> None:
    with pytest.raises(ShapeMismatch, match="within"):
        evalues.log_wealth(np.array([0.0, 1.5]), 0.0)
    with pytest.raises(ShapeMismatch, match="at least 3"):
        evalues.shift_evidence(np.array([1.0, 2.0]), np.array([1.0]))
