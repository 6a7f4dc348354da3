"""Early stopping: rounds are sought on rows held back, and the fit of all rows makes as many."""

from __future__ import annotations

import numpy as np
import pytest

from fairlead.contract.plugins import variant
from fairlead.lab.train.learning import learn
from fairlead.lab.train.stopping import best_rounds, parted
from fairlead.lab.train.terms import Terms

BOOSTERS = ["hist_gradient_boosting", "explainable_boosting", "xgboost", "lightgbm"]


def rounds_of(estimator) -> int:
    if hasattr(estimator, "members_"):
        return estimator.members_[0].n_iter_
    if hasattr(estimator, "booster_") and hasattr(estimator.booster_, "get_booster"):
        return estimator.booster_.get_booster().num_boosted_rounds()
    if hasattr(estimator, "get_booster"):
        return estimator.get_booster().num_boosted_rounds()
    return estimator.n_iter_ if hasattr(estimator, "_predictors") else estimator.n_estimators


@pytest.mark.parametrize("name", BOOSTERS)
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_noise_stops_boosting_soon_and_something_to_learn_later(name, task):
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 3))
    learner = variant("learner", name)()
    found = {}
    for kind, pull in (("noise", random.normal(size=300)), ("signal", np.sin(3 * x[:, 0]) * 4 + x[:, 1])):
        y = np.where(pull > 0, "yes", "no") if task == "classification" else pull
        parameters = {"learning_rate": 0.1}
        fitted = learn(learner, task, parameters, 0, x, y, terms=Terms(patience=10))
        found[kind] = rounds_of(fitted)
        again = learn(learner, task, parameters, 0, x, y, terms=Terms(patience=10))
        ask = "predict_proba" if task == "classification" else "predict"
        assert np.array_equal(getattr(fitted, ask)(x), getattr(again, ask)(x))
    assert found["noise"] < 50
    assert found["noise"] < found["signal"] < 1000


def test_rows_held_back_are_the_newest_where_there_is_time():
    x, y = np.arange(400.0)[:, None], np.arange(400.0)
    learned, judged = parted(x, y, None, False, ordered=True, seed=0)
    assert learned.truth.max() < judged.truth.min()
    assert len(judged.truth) == 60
    drawn = parted(x, y, None, False, ordered=False, seed=0)
    assert drawn[1].truth.min() < 100


def test_where_a_class_would_be_missing_or_rows_are_few_rounds_are_not_sought():
    x, y = np.zeros((200, 1)), np.array(["a"] * 199 + ["b"])
    assert parted(x, y, None, True, ordered=True, seed=0) is None
    assert parted(x[:50], y[:50], None, True, ordered=False, seed=0) is None


def test_the_rounds_taken_are_those_of_the_least_loss():
    losses = {10: 3.0, 20: 2.0, 30: 1.0, 40: 1.5, 50: 1.4, 60: 0.5}
    asked = iter(losses.items())
    assert best_rounds(asked, patience=20) == 30
    assert next(asked)[0] == 60, "what comes after is not asked for"
    assert best_rounds(losses.items(), patience=30) == 60
