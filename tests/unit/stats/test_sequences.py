"""Confidence sequences cover at all times together; group-sequential boundaries are those of the literature."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import ShapeMismatch
from fairlead.lab.stats.propensity import variant_scores, weighted_wealth
from fairlead.lab.stats.sequences import (
    asymptotic_bounds,
    counted_quantile_bounds,
    quantile_bounds,
    quantile_ranks,
    share_bounds,
)
from fairlead.lab.stats.spending import boundaries, looks_at, needed_rows, spent


@pytest.mark.parametrize("share", [0.01, 0.2])
def test_a_share_is_covered_at_all_times(share: float) -> None:
    rng = np.random.default_rng(0)
    hits = np.cumsum(rng.random((300, 2000)) < share, axis=1)[:, 19::20]
    tried = np.broadcast_to(np.arange(20, 2001, 20), hits.shape)
    low, high = share_bounds(hits, tried)
    assert ((low > share) | (high < share)).any(axis=1).mean() <= 0.05


@pytest.mark.parametrize("p", [0.5, 0.99])
def test_a_quantile_is_covered_at_all_times_whatever_the_tail(p: float) -> None:
    rng = np.random.default_rng(1)
    truth = np.tan(np.pi * (p - 0.5))  # Cauchy: it has no mean at all
    missed = 0
    for _ in range(100):
        x = rng.standard_cauchy(1200)
        bounds = [quantile_bounds(x[:n], p) for n in range(50, 1201, 50)]
        missed += any(not low <= truth <= high for _, low, high in bounds)
    assert missed / 100 <= 0.09


def test_a_mean_without_bounds_is_covered_from_some_hundreds_on() -> None:
    rng = np.random.default_rng(2)
    x = rng.exponential(1.0, (400, 2000))
    n = np.arange(1, 2001)
    mean = np.cumsum(x, axis=1) / n
    variance = np.cumsum(x**2, axis=1) / n - mean**2
    low, high = asymptotic_bounds(mean, variance, np.broadcast_to(n, x.shape))
    assert ((low > 1) | (high < 1))[:, 200:].any(axis=1).mean() <= 0.07


def test_what_is_not_known_is_said() -> None:
    assert [float(one) for one in share_bounds(0, 0)] == [0.0, 1.0]
    assert quantile_ranks(0, 0.5) == (0, 1)
    value, low, high = quantile_bounds([], 0.9)
    assert np.isnan(value)
    assert (low, high) == (-np.inf, np.inf)
    with pytest.raises(ShapeMismatch):
        share_bounds(3, 2)


@given(st.lists(st.floats(1e-4, 100.0), max_size=300), st.sampled_from([0.2, 0.5, 0.9]))
@settings(max_examples=60)
def test_cells_tell_a_quantile_no_narrower_than_values_do_and_hardly_wider(values: list[float], p: float) -> None:
    edges = np.concatenate([[0.0], np.geomspace(1e-4, 100.0, 500), [np.inf]])
    cells = np.clip(np.searchsorted(edges, values, side="left") - 1, 0, len(edges) - 2)
    value, low, high = counted_quantile_bounds(np.bincount(cells, minlength=len(edges) - 1), edges, p)
    exact, least, most = quantile_bounds(values, p)
    if not values:
        assert np.isnan(value)
        return
    assert exact <= value
    assert low <= least
    assert high >= most
    for wide, narrow in ((low, least), (high, most), (value, exact)):
        assert not np.isfinite(narrow) or wide == pytest.approx(narrow, rel=0.03, abs=1.1e-4)


def test_cells_have_as_many_ends_as_they_need() -> None:
    with pytest.raises(ShapeMismatch, match="have 4 ends"):
        counted_quantile_bounds([1, 2, 3], [0.0, 1.0, 2.0], 0.5)


@given(st.integers(0, 500), st.integers(0, 500), st.floats(0.001, 0.2))
@settings(max_examples=60)
def test_bounds_of_a_share_hold_it_and_narrow_with_alpha(hits: int, more: int, alpha: float) -> None:
    tried = hits + more
    low, high = share_bounds(hits, tried, alpha)
    assert 0.0 <= low <= high <= 1.0
    if tried:
        assert low <= hits / tried <= high
    wider = share_bounds(hits, tried, alpha / 10)
    assert wider[0] <= low + 1e-9
    assert wider[1] >= high - 1e-9


@given(st.integers(1, 3000), st.floats(0.01, 0.99))
@settings(max_examples=60)
def test_ranks_of_a_quantile_are_ordered_and_around_it(n: int, p: float) -> None:
    low, high = quantile_ranks(n, p)
    assert 0 <= low <= round(n * p) < high <= n + 1


def test_boundaries_are_those_of_the_literature() -> None:
    # Lan-DeMets O'Brien-Fleming and Pocock, five looks, one-sided 0.025: the tables of Jennison and Turnbull's book
    # and of the R packages gsDesign and ldbounds.
    expected = (4.8769, 3.3570, 2.6803, 2.2898, 2.0310)
    assert np.allclose(boundaries(looks_at(5), 0.025), expected, atol=2e-4)
    pocock = (2.4380, 2.4268, 2.4102, 2.3966, 2.3860)
    assert np.allclose(boundaries(looks_at(5), 0.025, "pocock"), pocock, atol=2e-3)
    assert np.allclose(boundaries((1.0,), 0.05), 1.6449, atol=1e-3)
    with pytest.raises(ShapeMismatch):
        boundaries((0.5, 0.4), 0.05)


@given(st.lists(st.floats(0.05, 1.0), min_size=1, max_size=6, unique=True), st.floats(0.005, 0.1))
@settings(max_examples=25)
def test_spending_ends_at_alpha_and_boundaries_are_finite(shares: list[float], alpha: float) -> None:
    t = tuple(sorted(shares))
    if min(np.diff((0.0, *t))) < 0.02:
        return
    assert all(0 <= one < 13 for one in boundaries(t, alpha))
    assert spent(1.0, alpha) == pytest.approx(alpha)
    assert spent(1.0, alpha, "pocock") == pytest.approx(alpha)


def test_rows_that_are_needed_follow_the_textbook() -> None:
    # (1.6449 + 1.2816)^2 x (0.2 / 0.01)^2
    assert needed_rows(0.2, 0.01) == pytest.approx(2.9264**2 * 400, rel=0.001)


def test_what_each_variant_would_have_brought_is_told_without_bias_although_shares_follow_outcomes() -> None:
    rng = np.random.default_rng(3)
    errors, naive = [], []
    for _ in range(300):
        share, arms, values, shares = 0.5, [], [], []
        for _look in range(10):
            a = (rng.random(50) < share).astype(int)
            y = rng.normal(np.where(a == 1, 1.0, 1.0), 1.0)
            arms.append(a)
            values.append(y)
            shares.append(np.tile([1 - share, share], (50, 1)))
            got = np.concatenate(values)[np.concatenate(arms) == 1]
            share = 0.9 if got.size and got.mean() > 1.0 else 0.1
        y, a, p = np.concatenate(values), np.concatenate(arms), np.concatenate(shares)
        errors.append(variant_scores(y, a, p)[:, 1].mean() - 1.0)
        naive.append(y[a == 1].mean() - 1.0)
    assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(len(errors))
    # The mean of what was seen is biased here: what did badly by chance is asked no more, and keeps its bad mean.
    assert np.mean(naive) < -3 * np.std(naive) / np.sqrt(len(naive))


def test_weighted_wealth_never_goes_broke_and_rarely_wins_against_the_truth() -> None:
    rng = np.random.default_rng(4)
    won = 0
    for _ in range(200):
        arms = (rng.random(800) < 0.1).astype(int)
        scores = variant_scores((rng.random(800) < 0.4).astype(float), arms, np.tile([0.9, 0.1], (800, 1)), 0.5)
        wealth = weighted_wealth(scores[:, 1] - scores[:, 0], 0.0, np.full(800, -(1 / 0.9 + 10.0)))
        assert np.isfinite(wealth).all()
        won += bool(wealth.max() >= np.log(20))
    assert won / 200 <= 0.08


def test_shares_that_cannot_be_are_refused() -> None:
    with pytest.raises(ShapeMismatch):
        variant_scores([1.0], [1], [[1.0, 0.0]])
    with pytest.raises(ShapeMismatch):
        variant_scores([1.0, 2.0], [0], [[1.0, 0.0]])
