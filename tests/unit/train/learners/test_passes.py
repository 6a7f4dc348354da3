"""A network of scikit-learn stops when rows held back gain nothing more."""

from __future__ import annotations

import numpy as np
import pytest

from fairlead.contract.plugins import variant
from fairlead.lab.train.learning import learn
from fairlead.lab.train.terms import Terms


@pytest.mark.parametrize(("task", "weighted"), [("classification", True), ("regression", False)])
def test_noise_stops_it_soon_and_something_to_learn_later(task: str, weighted: bool) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 3))
    weights = random.uniform(0.5, 2.0, 300) if weighted else None
    learner, found = variant("learner", "mlp")(), {}
    parameters = {**learner.default(300), "max_iter": 77, "learning_rate_init": 1e-2}
    noise = random.normal(size=300)
    for kind, pull in (("noise", noise), ("signal", 40 * x[:, 0] + 20 * x[:, 1] + 5 * noise + 500)):
        y = np.where(pull > np.median(pull), "yes", "no") if task == "classification" else pull
        fitted = learn(learner, task, parameters, 0, x, y, weights=weights, terms=Terms(patience=10))
        found[kind] = fitted.max_iter
    assert found["noise"] < 25
    assert 1.5 * found["noise"] < found["signal"] <= 300
    if task == "regression":
        again = learn(learner, task, parameters, 0, x, y, weights=weights, terms=Terms(patience=10))
        assert np.array_equal(again.predict(x), fitted.predict(x))


def test_without_patience_it_makes_all_its_passes() -> None:
    x = np.random.default_rng(0).normal(size=(200, 2))
    learner = variant("learner", "mlp")()
    assert learn(learner, "regression", {"layers": "32", "max_iter": 5}, 0, x, x[:, 0]).max_iter == 5
