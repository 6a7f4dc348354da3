"""Weights move probabilities: training says whether calibration brought them back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from fairlead.contract.settings import ModelSettings, Settings, TrainSettings
from fairlead.lab.train import train
from fairlead.lab.train.training import Training
from fairlead.lab.train.weighing import weighing_notes

RARE = 0.1


def trained(**rules: Any) -> tuple[Settings, Training, np.ndarray]:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(3_000, 3)), columns=list("abc"))
    odds = frame["a"] + 0.5 * frame["b"] - 2.6
    frame["fraud"] = np.where(random.random(3_000) < 1 / (1 + np.exp(-odds)), "yes", "no")
    settings = Settings(
        model=ModelSettings(name="m", task="classification", target="fraud", positive="yes"),
        train=TrainSettings(learners=("logistic",), trials=1, folds=3, **rules),
    )
    found = train(frame, settings)
    rows = frame.drop(columns="fraud")
    shares = found.candidate.pipeline.predict_proba(rows)
    if found.candidate.calibration is not None:
        shares = found.candidate.calibration.reference(shares)
    return settings, found, shares[:, 1]


def test_auto_brings_weighted_classes_back_to_the_true_base_rate() -> None:
    settings, found, shares = trained(class_weight="balanced")
    assert abs(shares.mean() - RARE) < 0.02
    (note,) = weighing_notes(settings, found.decisions)
    assert "[train] class_weight moved the probabilities" in note
    assert "brought them back to shares of what happens" in note


def test_without_calibration_they_are_shares_among_weighted_rows_and_it_says_so() -> None:
    settings, found, shares = trained(class_weight="balanced", calibrate=False)
    assert shares.mean() > 3 * RARE
    (note,) = weighing_notes(settings, found.decisions)
    assert "calibration is off: they are shares among weighted rows" in note


@pytest.mark.parametrize("rules", [{}, {"calibrate": False}])
def test_where_all_weigh_the_same_nothing_is_said(rules: dict[str, Any]) -> None:
    model = ModelSettings(name="m", task="classification", target="y")
    assert weighing_notes(Settings(model=model, train=TrainSettings(**rules)), None) == ()
    number = ModelSettings(name="m", task="regression", target="y")
    assert weighing_notes(Settings(model=number, train=TrainSettings(weight="w")), None) == ()
