"""Settings that a learner wants tried early lie within its space, are tried after its defaults, and are worth it."""

from __future__ import annotations

import warnings

import numpy as np
import optuna
import pandas as pd
import pytest

from fairlead.contract.plugins import names, variant
from fairlead.contract.settings import ModelSettings, Settings, TrainSettings
from fairlead.lab.train import train
from fairlead.lab.train.bench import Bench
from fairlead.lab.train.fitting import learner_of
from fairlead.lab.train.folding import folds_of
from fairlead.lab.train.material import material_of

MODEL = ModelSettings(name="shop", task="classification", target="bought", positive="yes")


def table(rows: int, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    columns = {f"x{i}": random.normal(size=rows) for i in range(8)}
    odds = columns["x0"] + 0.5 * columns["x1"] - 0.5 * columns["x2"]
    return pd.DataFrame({**columns, "bought": np.where(random.random(rows) < 1 / (1 + np.exp(-odds)), "yes", "no")})


@pytest.mark.parametrize("name", [n for n in names("learner") if hasattr(variant("learner", n), "starts")])
@pytest.mark.parametrize("rows", [20, 300, 5_000, 1_000_000])
def test_starts_lie_within_the_space(name: str, rows: int) -> None:
    learner = learner_of(name)
    for start in learner.starts(rows):
        with warnings.catch_warnings():
            # Optuna warns of a value that is out of range, and raises where one is missing.
            warnings.simplefilter("error")
            assert learner.space(optuna.trial.FixedTrial(start), rows) == start


def test_they_are_tried_after_the_defaults_and_before_settings_are_drawn() -> None:
    rules = TrainSettings(learners=("hist_gradient_boosting",), trials=3, folds=2, calibrate=False)
    found = train(table(80), Settings(model=MODEL, train=rules))
    learner, rows = learner_of("hist_gradient_boosting"), len(table(80)) - len(found.holdout)
    asked = [one["parameters"] for one in found.searched]
    assert asked[:2] == [learner.default(rows), *learner.starts(rows)]
    assert asked[2] not in asked[:2]


def test_small_trees_answer_better_than_the_defaults_on_a_small_table_of_noise() -> None:
    settings = Settings(model=MODEL)
    for seed in range(2):
        material = material_of(table(400, seed), settings)
        bench, learner = Bench(material, folds_of(material, 2, 0)), learner_of("hist_gradient_boosting")
        ways = (learner.default(400), learner.starts(400)[0])
        plain, small = (np.mean([bench.score(i, bench.answers(i, learner, way, 0)) for i in (0, 1)]) for way in ways)
        assert small < plain
