"""Bundles whose models contain training rows say so, whoever trained them; all others do not."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC

from fairlead.lab.compile.holding import holds_training_rows
from fairlead.lab.train.estimators.margins import MarginClassifier
from fairlead.lab.train.estimators.neighbours import NeighbourClassifier

HOLD = [
    NeighbourClassifier(3),
    MarginClassifier("rbf"),
    SVC(),
    SVC(kernel="linear"),
    make_pipeline(StandardScaler(), KNeighborsClassifier(3)),
    GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [3, 5]}, cv=2),
    CalibratedClassifierCV(SVC(), cv=2),
    VotingClassifier([("a", LogisticRegression()), ("b", KNeighborsClassifier(3))]),
]
FREE = [
    MarginClassifier("linear"),
    LogisticRegression(),
    make_pipeline(StandardScaler(), LinearSVC()),
    RandomForestClassifier(3),
    SVR(kernel="linear"),
]


@pytest.mark.parametrize(("estimator", "holds"), [*((e, True) for e in HOLD), *((e, False) for e in FREE)])
def test_a_model_that_answers_from_rows_it_kept_is_found_wherever_it_is(estimator, holds):
    x = np.random.default_rng(0).normal(size=(60, 3))
    assert holds_training_rows(estimator.fit(x, (x[:, 0] > 0).astype(int))) is holds
