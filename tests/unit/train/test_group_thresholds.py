"""Thresholds of groups: rates within the bound, nothing better within it, as good as what fairlearn draws by lot."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from fairlearn.postprocessing import ThresholdOptimizer
from hypothesis import given, settings
from hypothesis import strategies as some
from sklearn.base import BaseEstimator, ClassifierMixin

from fairlead.lab.train.group_thresholds import CANDIDATES, fit_thresholds


def rows(seed: int, n: int = 600, groups: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    group = random.integers(0, groups, n)
    p = 1 / (1 + np.exp(-(random.normal(size=n) + 0.9 * group - 0.6)))
    return p, random.random(n) < p, group


def rates(p: np.ndarray, event: np.ndarray, group: np.ndarray, cuts: np.ndarray) -> tuple[list[float], list[float]]:
    said = p > cuts[group]
    every = range(len(cuts))
    return [float(said[group == g].mean()) for g in every], [float(said[(group == g) & event].mean()) for g in every]


@settings(max_examples=10, deadline=None)
@given(some.integers(0, 10_000), some.integers(2, 4), some.sampled_from([0.0, 0.02, 0.1]))
def test_the_rates_that_are_evened_out_lie_within_the_bound(seed: int, groups: int, bound: float) -> None:
    p, event, group = rows(seed, 500 * groups, groups)
    for at, constraint in enumerate(("demographic_parity", "equal_opportunity")):
        found = fit_thresholds(p, event, group, groups, constraint, bound)
        told = rates(p, event, group, found.thresholds)[at]
        assert max(told) - min(told) == pytest.approx(found.gap, abs=1e-9)
        assert found.met == (found.gap <= bound + 1e-12)
        # One row more or less on either side is the least that a threshold can move.
        assert found.gap <= max(bound, 0.02) + 1e-12


def test_of_few_rows_no_other_thresholds_within_the_bound_gain_more() -> None:
    p, event, group = rows(4, 90)
    bound = 0.1
    found = fit_thresholds(p, event, group, 2, "demographic_parity", bound)
    best = 0.0
    for pair in product(*(np.unique(np.concatenate([[0.0], p[group == g]])) for g in range(2))):
        cuts = np.array(pair)
        told = rates(p, event, group, cuts)[0]
        if abs(told[0] - told[1]) <= bound:
            best = max(best, float(((p > cuts[group]) == event).mean()))
    assert len(p) < CANDIDATES
    assert float(((p > found.thresholds[group]) == event).mean()) == pytest.approx(best)


class Known(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier that is fitted already: its only column is the probability."""

    classes_ = np.array([0, 1])

    def fit(self, features: np.ndarray, truth: np.ndarray) -> Known:
        return self

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        second = np.asarray(features, dtype=float)[:, 0]
        return np.column_stack([1 - second, second])

    def __sklearn_is_fitted__(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("constraint", "theirs"),
    [("demographic_parity", "demographic_parity"), ("equal_opportunity", "true_positive_rate_parity")],
)
def test_it_is_right_as_often_as_the_draw_of_fairlearn(constraint: str, theirs: str) -> None:
    p, event, group = rows(1, 4000)
    found = fit_thresholds(p, event, group, 2, constraint, 0.01)  # type: ignore[arg-type]
    reference = ThresholdOptimizer(estimator=Known(), constraints=theirs, prefit=True, predict_method="predict_proba")
    reference.fit(p[:, None], event.astype(int), sensitive_features=group)
    chance = reference._pmf_predict(p[:, None], sensitive_features=group)[:, 1]
    drawn = float(np.where(event, chance, 1 - chance).mean())
    ours = float(((p > found.thresholds[group]) == event).mean())
    assert found.met
    assert ours == pytest.approx(drawn, abs=0.01)


def test_two_rates_at_once_are_met_as_nearly_as_one_number_a_group_can() -> None:
    p, event, group = rows(2, 3000)
    plain = fit_thresholds(p, event, group, 2, "equalised_odds", 1.0)
    narrow = fit_thresholds(p, event, group, 2, "equalised_odds", 0.05)
    assert plain.met
    assert narrow.met
    assert narrow.gap <= 0.05 < plain.gap
    # A group that can be told apart, and one that cannot: no thresholds but those that decide all alike meet it.
    blind = np.where(group == 1, p, 0.3 + 0.4 * np.random.default_rng(0).random(len(p)))
    alike = fit_thresholds(blind, event, group, 2, "equalised_odds", 0.01)
    said = blind > alike.thresholds[group]
    assert alike.met
    assert said.mean() < 0.05 or said.mean() > 0.95


def test_a_small_group_keeps_the_threshold_of_everyone_and_is_named() -> None:
    p, event, group = rows(3, 900, 3)
    group[np.flatnonzero(group == 2)[20:]] = 1
    found = fit_thresholds(p, event, group, 3)
    assert found.small == (2,)
    assert found.thresholds[2] == 0.5
    assert (found.thresholds[:2] != 0.5).all()
    alone = fit_thresholds(p, event, np.zeros(len(p), dtype=np.int64), 2)
    assert alone.small == (1,)
    assert alone.thresholds.tolist() == [0.5, 0.5]
