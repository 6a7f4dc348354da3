"""Pinball loss and coverage: against sklearn, against their own definition, and against every other constant."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_pinball_loss

from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats.baselines import constant_scores
from fairlead.lab.stats.further import further_metrics
from fairlead.lab.stats.intervals import metric_intervals
from fairlead.lab.stats.loss import losses
from fairlead.lab.stats.measures import metrics
from fairlead.lab.stats.pinball import constant_quantile, errors_of, pinball

numbers = st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=1, max_size=30)


def signature(quantile: float) -> Signature:
    return Signature("regression", (Column("x", "number"),), target="y", quantile=quantile)


@given(numbers, st.floats(0.01, 0.99))
def test_metrics_are_those_of_sklearn_and_of_counting(rows: list[tuple[float, float]], quantile: float) -> None:
    truth, said = np.array(rows).T
    found = metrics("regression", truth, said.reshape(-1, 1), signature(quantile))
    assert found["pinball"] == pytest.approx(mean_pinball_loss(truth, said, alpha=quantile), abs=1e-9)
    assert found["coverage"] == pytest.approx(np.mean(truth <= said))
    assert found["coverage_error"] == pytest.approx(abs(np.mean(truth <= said) - quantile))
    assert further_metrics("regression", truth, said.reshape(-1, 1), signature(quantile)) == {}


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=20), st.floats(0.05, 0.95), st.integers(-10, 10))
def test_no_other_constant_loses_less_than_the_quantile(truth: list[int], quantile: float, other: int) -> None:
    best = constant_quantile(truth, quantile)
    assert pinball(truth, np.full(len(truth), best), quantile).mean() <= (
        pinball(truth, np.full(len(truth), float(other)), quantile).mean() + 1e-12
    )
    scores = constant_scores("regression", np.array(truth, dtype=float), 3, 0, quantile)
    assert scores.tolist() == [[best]] * 3


def test_losses_are_shares_of_the_clip_and_means_keep_theirs() -> None:
    truth, said = [10.0, 10.0, 10.0], [[8.0], [12.0], [-90.0]]
    assert losses("regression", truth, said, signature(0.9), clip=4.0).tolist() == pytest.approx([0.45, 0.05, 1.0])
    assert losses("regression", truth, said, signature(0.0), clip=4.0).tolist() == pytest.approx([0.5, 0.5, 1.0])
    assert errors_of(truth[:1], np.array([8.0]), signature(0.0)).tolist() == [2.0]


@pytest.mark.long
@pytest.mark.parametrize("quantile", [0.5, 0.9])
def test_intervals_of_coverage_and_loss_hold_what_they_promise(quantile: float) -> None:
    """Truths are standard normal and the answer is their quantile, so what is right is known."""
    from scipy.stats import norm

    at = float(norm.ppf(quantile))
    # E max(q (Y - a), (q - 1) (Y - a)) of a standard normal at its own quantile a is its density there.
    right = {"coverage": quantile, "pinball": float(norm.pdf(at))}
    held = dict.fromkeys(right, 0)
    for seed in range(400):
        truth = np.random.default_rng([seed, 4]).normal(size=200)
        found = metric_intervals("regression", truth, np.full((200, 1), at), signature(quantile), draws=400, seed=seed)
        for name, value in right.items():
            held[name] += found[name].low <= value <= found[name].high
    assert all(0.92 <= count / 400 <= 0.98 for count in held.values()), held
