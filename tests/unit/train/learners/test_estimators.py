"""Estimators of our own: against scikit-learn's where it has the same, against their own promise where it has not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import ElasticNet, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.svm import SVC, LinearSVC

from fairlead.contract.errors import InputInvalid
from fairlead.lab.train.estimators.additive import AdditiveClassifier
from fairlead.lab.train.estimators.counts import PoissonCounts
from fairlead.lab.train.estimators.margins import MarginClassifier
from fairlead.lab.train.estimators.neighbours import NeighbourClassifier, NeighbourRegressor
from fairlead.lab.train.estimators.platt import platt
from fairlead.lab.train.estimators.relative_logistic import RelativeLogistic
from fairlead.lab.train.estimators.relative_net import RelativeNet


def rows(seed: int = 0, n: int = 200):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 4))
    pull = x[:, 0] * 2 - x[:, 1] + random.normal(0, 1, n)
    return x, pull


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 100.0))
def test_a_sigmoid_is_that_of_a_logistic_regression_towards_platts_targets(seed, size):
    random = np.random.default_rng(seed)
    margins = random.normal(size=80) * size
    events = (margins / size + random.normal(0, 1.5, 80) > 0.3).astype(float)
    if events.min() == events.max():
        return
    weights = random.uniform(0.1, 3.0, 80)
    slope, offset = platt(margins, events, weights)
    yes = weights @ events
    no = weights.sum() - yes
    high, low = (yes + 1) / (yes + 2), 1 / (no + 2)
    # A row with the target t is t of an event and 1 - t of none.
    aim = np.where(events > 0.5, high, low)
    both = LogisticRegression(C=1e12, tol=1e-10, max_iter=5000)
    both.fit(
        np.tile(margins / size, 2)[:, None],
        np.repeat([1, 0], 80),
        sample_weight=np.concatenate((weights * aim, weights * (1 - aim))),
    )
    assert slope * size == pytest.approx(both.coef_[0, 0], rel=1e-3, abs=1e-3)
    assert offset == pytest.approx(both.intercept_[0], rel=1e-3, abs=1e-3)


def test_probabilities_of_margins_are_near_those_of_scikit_learns_calibration():
    x, pull = rows(n=600)
    y = np.where(pull > 0, "yes", "no")
    for kernel, inner in (("linear", LinearSVC(dual=False)), ("rbf", SVC(gamma=1 / (4 * x.var())))):
        ours = MarginClassifier(kernel).fit(x, y).predict_proba(x)
        theirs = CalibratedClassifierCV(inner, ensemble=False, cv=4).fit(x, y).predict_proba(x)
        assert np.abs(ours - theirs).max() < 0.06
        assert np.abs(ours - theirs).mean() < 0.01


def test_a_machine_of_few_rows_of_a_class_still_answers():
    x, pull = rows(n=60)
    y = np.where(np.arange(60) == 5, "rare", np.where(pull > 0, "yes", "no"))
    found = MarginClassifier("rbf").fit(x, y).predict_proba(x)
    assert np.isfinite(found).all()
    assert found.sum(axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize("k", [1, 7])
def test_neighbours_are_those_of_scikit_learn_where_there_are_no_ties(k):
    x, pull = rows()
    y = np.where(pull > 0, "yes", "no")
    asked = rows(seed=1)[0]
    theirs = KNeighborsClassifier(k).fit(x, y).predict_proba(asked)
    assert np.allclose(NeighbourClassifier(k, shrink=0.0).fit(x, y).predict_proba(asked), theirs)
    numbers = KNeighborsRegressor(k).fit(x, pull).predict(asked)
    assert np.allclose(NeighbourRegressor(k).fit(x, pull).predict(asked), numbers)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_all_places_as_near_as_the_last_are_asked_whatever_the_order_of_rows(seed, k):
    random = np.random.default_rng(seed)
    x = random.integers(0, 2, size=(40, 3)).astype(float)
    y = random.choice(["a", "b"], 40)
    if len(set(y)) < 2:
        return
    order = random.permutation(40)
    first = NeighbourClassifier(k).fit(x, y).predict_proba(x)
    again = NeighbourClassifier(k).fit(x[order], y[order]).predict_proba(x)
    assert np.allclose(first, again, rtol=0, atol=1e-14)
    # By the definition: of distinct places, all within the distance of the k-th.
    model = NeighbourClassifier(k, shrink=0.0).fit(x, y)
    places = np.unique(x, axis=0)
    for at in range(5):
        apart = ((places - x[at]) ** 2).sum(axis=1)
        near = places[apart <= np.sort(apart)[min(k, len(places)) - 1]]
        chosen = (x[:, None, :] == near[None]).all(axis=2).any(axis=1)
        assert model.predict_proba(x[at : at + 1])[0, 0] == pytest.approx((y[chosen] == "a").mean())


def test_no_more_places_are_kept_than_stated_and_the_same_for_a_seed():
    x, pull = rows()
    first, second = (NeighbourRegressor(3, most=50, random_state=4).fit(x, pull) for _ in range(2))
    assert len(first.places_) == 50
    assert np.array_equal(first.places_, second.places_)


@settings(max_examples=20, deadline=None)
@given(st.floats(1e-6, 1e6), st.floats(0.1, 1.0))
def test_the_penalty_that_leaves_nothing_leaves_nothing_whatever_the_unit_of_the_target(unit, l1_ratio):
    x, pull = rows()
    weights = np.random.default_rng(3).uniform(0.1, 2.0, len(x))
    assert not RelativeNet(1.0001, l1_ratio).fit(x, pull * unit, sample_weight=weights).coef_.any()
    some = RelativeNet(0.9, l1_ratio).fit(x, pull * unit, sample_weight=weights)
    assert some.coef_.any()
    assert some.coef_ / unit == pytest.approx(RelativeNet(0.9, l1_ratio).fit(x, pull, weights).coef_, abs=1e-6)


def test_a_relative_net_is_an_elastic_net_of_that_penalty():
    x, pull = rows()
    found = RelativeNet(0.05, 0.5).fit(x, pull)
    same = ElasticNet(alpha=found.alpha_, l1_ratio=0.5).fit(x, (pull - pull.mean()) / pull.std())
    assert found.predict(x) == pytest.approx(same.predict(x) * pull.std() + pull.mean())


@pytest.mark.parametrize("classes", [2, 3])
def test_the_penalty_that_leaves_nothing_of_a_classifier(classes):
    x, pull = rows()
    y = np.digitize(pull, [0.0, 1.5][: classes - 1]).astype(str)
    assert np.abs(RelativeLogistic(1.05).fit(x, y).model_.coef_).max() < 1e-3
    assert np.abs(RelativeLogistic(0.5).fit(x, y).model_.coef_).max() > 1e-2


def test_additive_models_do_not_see_what_two_columns_say_together():
    x = np.random.default_rng(0).normal(size=(500, 2))
    y = np.where(x[:, 0] * x[:, 1] > 0, "same", "apart")
    found = AdditiveClassifier(bags=2, max_iter=40).fit(x, y).predict_proba(x)
    assert np.abs(found - 0.5).max() < 0.45
    assert (AdditiveClassifier(bags=2, max_iter=40).fit(x, y).predict(x) == y).mean() < 0.75


def test_counts_are_not_negative():
    x, pull = rows()
    with pytest.raises(InputInvalid, match=r"targets are negative"):
        PoissonCounts().fit(x, pull)
