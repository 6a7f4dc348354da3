"""What a live retraining learns from: weights by age beside those of the project, and where a known change began."""

from __future__ import annotations

import msgspec
import numpy as np
import pandas as pd
import pytest

from fairlead.contract.settings import ModelSettings, Settings, TrainSettings
from fairlead.lab.tables import signature_of
from fairlead.lab.train import fit_once
from fairlead.ops.flow.history import History
from fairlead.ops.flow.picker import age_weights
from fairlead.ops.flow.retrain import AGE_WEIGHT, able_ways, sliced, weighted_rows
from fairlead.ops.project.learning_from import AUTO

SETTINGS = Settings(model=ModelSettings(name="m", task="regression", target="y", time="at"))


def past() -> History:
    """Ten windows of ten rows; the target falls by one at the sixth."""
    windows = np.repeat(np.arange(10), 10)
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=100), "own": 2.0, "y": np.where(windows < 5, 1.0, 0.0)})
    frame["at"] = pd.to_datetime(windows * 604_800 + np.tile(np.arange(10), 10), unit="s")
    return History(frame, windows * 604_800.0, windows, 100)


def test_rows_weigh_less_the_older_they_are_and_the_weight_is_no_feature() -> None:
    rows, settings = weighted_rows(past(), 0, 2.0, SETTINGS)
    weights = rows[AGE_WEIGHT].to_numpy()
    assert weights[-1] == 1.0
    assert weights[-21] == pytest.approx(0.5)
    assert settings.train.weight == AGE_WEIGHT
    assert AGE_WEIGHT not in signature_of(rows, settings).names
    plain = fit_once(past().frame, SETTINGS, "ridge", {"alpha": 1.0}).predict(past().frame).mean()
    signature = signature_of(past().frame, SETTINGS)
    faded = fit_once(rows, settings, "ridge", {"alpha": 1.0}, signature=signature).predict(rows).mean()
    assert plain == pytest.approx(0.5, abs=0.01)
    assert faded < 0.2


def test_weights_of_the_project_stay_in_force() -> None:
    own = msgspec.structs.replace(SETTINGS, train=TrainSettings(weight="own"))
    rows, _ = weighted_rows(past(), 50, 2.0, own)
    assert len(rows) == 50
    assert rows[AGE_WEIGHT].to_numpy() == pytest.approx(2.0 * age_weights(np.repeat(np.arange(5), 10), 2.0))
    same, untouched = weighted_rows(past(), 50, 0.0, own)
    assert untouched is own
    assert AGE_WEIGHT not in same


def test_a_part_of_a_history_is_whole() -> None:
    part = sliced(past(), 20, 40)
    assert (len(part.frame), len(part.times), part.windows.tolist()) == (20, 20, [2] * 10 + [3] * 10)


def test_weights_are_not_tried_with_a_learner_that_cannot_weigh() -> None:
    assert able_ways(AUTO, "ridge", "regression") == AUTO
    assert [way.kind for way in able_ways(AUTO, "gaussian_mixture", "clustering")] == [
        "all", "last", "last", "since_change",
    ]  # fmt: skip
