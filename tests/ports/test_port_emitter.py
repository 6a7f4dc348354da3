"""What every variant of the port `emitter` must do, ours and third parties' alike."""

from __future__ import annotations

import numpy as np
import pytest
from lightgbm import LGBMRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVR
from xgboost import XGBClassifier

from fairlead.contract.plugins import names, variant
from fairlead.contract.ports import Emitter
from fairlead.lab.train.estimators.additive import AdditiveClassifier, AdditiveRegressor
from fairlead.lab.train.estimators.labelled_booster import LabelledBooster
from fairlead.lab.train.estimators.margins import MarginClassifier, MarginRegressor
from fairlead.lab.train.estimators.neighbours import NeighbourClassifier, NeighbourRegressor
from fairlead.lab.train.estimators.relative_logistic import RelativeLogistic
from fairlead.lab.train.estimators.relative_net import RelativeNet
from fairlead.lab.train.estimators.scaled_mlp import ScaledMLP
from fairlead.runtime.bundle.manifest import TAILS
from fairlead.runtime.bundle.tail import load_tail

FEATURES = 4


def data(kind):
    random = np.random.default_rng(0)
    x = random.normal(size=(200, FEATURES))
    score = x[:, 0] * 2 - x[:, 1] + random.normal(0, 0.3, 200)
    return x, (score > 0).astype(int) if kind == "classifier" else score


ESTIMATORS = [
    LogisticRegression(),
    HistGradientBoostingClassifier(max_iter=5),
    RandomForestRegressor(5, random_state=0),
    XGBClassifier(n_estimators=5),
    LGBMRegressor(n_estimators=5, verbose=-1),
    MLPClassifier((4,), max_iter=20, random_state=0),
    RidgeClassifier(),
    KNeighborsClassifier(),
    GaussianNB(),
    SVR(),
    RelativeNet(),
    RelativeLogistic(),
    MarginClassifier(),
    MarginClassifier("rbf"),
    MarginRegressor("rbf"),
    NeighbourClassifier(3),
    NeighbourRegressor(3),
    AdditiveClassifier(2, max_iter=5),
    AdditiveRegressor(2, max_iter=5),
    ScaledMLP(hidden_layer_sizes=(4,), max_iter=20, random_state=0),
    LabelledBooster({"n_estimators": 5}),
]


@pytest.fixture(params=names("emitter"))
def emitter(request) -> Emitter:
    return variant("emitter", request.param)()


@pytest.fixture(params=ESTIMATORS, ids=lambda e: type(e).__name__)
def fitted(request):
    return request.param.fit(*data(kind_of(request.param)))


def kind_of(estimator):
    from sklearn.base import is_classifier

    return "classifier" if is_classifier(estimator) else "regressor"


def test_it_says_what_it_is(emitter):
    assert emitter.form in names("emitter")
    assert emitter.file in TAILS
    assert 0 < emitter.tolerance < 1


def test_what_it_accepts_it_reproduces_and_the_rest_it_refuses_with_a_reason(emitter, fitted):
    reason = emitter.accepts(fitted)
    if reason is not None:
        assert len(reason) > 10
        return
    x, _ = data(kind_of(fitted))
    emitted = emitter.emit(fitted, FEATURES)
    found = load_tail({emitter.file: emitted}, FEATURES).scores(x)
    expected = fitted.predict_proba(x) if kind_of(fitted) == "classifier" else fitted.predict(x).reshape(-1, 1)
    assert found.shape == expected.shape
    assert found.dtype == np.float64
    assert np.abs(found - expected).max() <= emitter.tolerance
    assert emitter.emit(fitted, FEATURES) == emitted


def test_some_emitter_accepts_each_family_and_none_what_has_no_form():
    emitters = [variant("emitter", name)() for name in names("emitter")]
    for estimator in ESTIMATORS:
        taken = [e for e in emitters if e.accepts(estimator.fit(*data(kind_of(estimator)))) is None]
        assert len(taken) == (0 if isinstance(estimator, RidgeClassifier | KNeighborsClassifier) else 1)
