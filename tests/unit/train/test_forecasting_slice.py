"""A forecast from a long table to a sealed bundle that answers as it was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from tests.unit.train.demand import DAYS, HORIZON, LAGS, demand, settings

from fairlead.contract.errors import ConfigInvalid, InputInvalid
from fairlead.lab.compile import write_bundle
from fairlead.lab.compile.forecasting.plan import Plan, features_of, level_of, signals_of
from fairlead.lab.stats.forecasts import seasonal_naive
from fairlead.lab.train import score_pipeline, train
from fairlead.lab.train.fitting import fit
from fairlead.lab.train.forecasting.rows import due_before, honest_folds, material_from, rows_of, signature_from
from fairlead.lab.train.recorded import Trial
from fairlead.lab.train.training import Training
from fairlead.runtime.bundle import SigningKey, load
from fairlead.runtime.bundle.manifest import canonical


@pytest.fixture(scope="module")
def trained() -> Training:
    return train(demand(), settings())


@pytest.fixture(scope="module")
def sealed(trained: Training, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("forecast")
    key = SigningKey.create(folder / "key")
    write_bundle(trained.candidate, folder / "bundle", key)
    return load(folder / "bundle", [key.public]), folder / "bundle"


def test_the_signature_says_what_is_asked(trained: Training) -> None:
    signature = trained.candidate.signature
    assert signature.outputs == tuple(f"t+{step}" for step in range(1, HORIZON + 1))
    assert (signature.step, signature.time, signature.series) == (3600.0, ("origin",), None)
    history, origin = signature.columns
    assert (history.name, history.shape, history.dtype) == ("history", (LAGS, 1), "float64")
    assert (origin.name, origin.kind) == ("origin", "time")


def test_what_is_written_and_what_is_usual_seal_alike(trained: Training) -> None:
    written = "".join(["v", "1"])
    rows = rows_of(demand(), settings(definition=written, timezone="".join(["UT", "C"])))
    made = signature_from(rows, settings(definition=written, timezone="".join(["UT", "C"])))
    assert canonical(made) == canonical(signature_from(rows, settings()))


def test_sealed_it_answers_as_it_was_trained(trained: Training, sealed: Any) -> None:
    model, folder = sealed
    candidate = trained.candidate
    expected = score_pipeline(candidate.pipeline, candidate.columns, candidate.signature)
    found = model.score_columns(candidate.columns)
    assert found.shape == (len(candidate.columns["origin"]), HORIZON)
    assert np.abs(found - expected).max() <= 1e-9
    parity = msgspec.json.decode((folder / "parity.json").read_bytes())
    assert parity["form"] == "forecast"
    assert parity["max_difference"] <= 1e-9
    rows = [[candidate.columns["history"][at].tobytes(), float(candidate.columns["origin"][at])] for at in range(3)]
    assert model.score_rows(rows) == pytest.approx(expected[:3], abs=1e-9)


def test_it_learns_more_than_the_last_season_says(trained: Training) -> None:
    board = {row["name"]: row["score"] for row in trained.leaderboard}
    assert trained.leaderboard[0]["name"] == "ridge"
    assert board["ridge"] < board["seasonal_naive_24"]
    assert board["seasonal_naive_24"] < board["last_value"]
    assert trained.metrics["mase"] == pytest.approx(board["ridge"])


def test_a_search_that_was_made_before_is_taken_up(trained: Training, tmp_path: Path) -> None:
    first = train(demand(), settings(), home=tmp_path)
    again = train(demand(), settings(), home=tmp_path)
    assert again.metrics == first.metrics == trained.metrics
    assert [row["score"] for row in again.leaderboard] == [row["score"] for row in first.leaderboard]


def test_what_is_kept_for_judging_begins_where_learning_ends(trained: Training) -> None:
    rows = rows_of(trained.holdout, settings())
    learned = trained.candidate.lineage.trained_to
    assert rows.origins[0] >= learned + HORIZON * 3600
    assert rows.rows == pytest.approx(0.2 * (DAYS * 24 - LAGS - HORIZON), abs=2)


@pytest.mark.parametrize("way", ["each", "spans"])
@pytest.mark.parametrize(("learner", "parameters"), [
    ("ridge", {"alpha": 1.0}), ("hist_gradient_boosting", {"max_iter": 5}), ("random_forest", {"n_estimators": 3}),
])  # fmt: skip
def test_any_regressor_either_way_seals_exactly(learner: str, parameters: Any, way: str, tmp_path: Path) -> None:
    frame = pd.concat([demand(12, 1, "north", growth=2.0), demand(12, 2, "south")], ignore_index=True)
    chosen = settings(series="shop", covariates=("heat",), lags=30, horizon=4)
    made = train(frame, chosen, trial=Trial(learner, {**parameters, "steps": way}))
    assert made.candidate.lineage.parameters["steps"] == way
    key = SigningKey.create(tmp_path / "key")
    write_bundle(made.candidate, tmp_path / "bundle", key)
    model = load(tmp_path / "bundle", [key.public])
    assert model.signature.passthrough == ("shop",)
    expected = score_pipeline(made.candidate.pipeline, made.candidate.columns, model.signature)
    assert np.abs(model.score_columns(made.candidate.columns) - expected).max() <= 1e-9
    rows = material_from(rows_of(frame, chosen), chosen)
    assert fit(rows, learner, {**parameters, "steps": way}).predict(rows.frame).shape == (rows.rows, 4)


def test_trees_follow_a_series_to_where_it_never_was() -> None:
    frame = demand(25, growth=4.0)
    trial = Trial("hist_gradient_boosting", {"max_iter": 40, "steps": "spans"})
    made = train(frame, settings(), trial=trial)
    rows = rows_of(made.holdout, settings())
    seen = made.candidate.signature.columns[0].high
    assert seen is not None
    assert (rows.truth > 0.95 * seen).any()
    said = made.candidate.pipeline.predict(material_from(rows, settings()).frame)
    naive = seasonal_naive(rows.history[:, :, 0], HORIZON, 24)
    assert np.abs(said - rows.truth).mean() < np.abs(naive - rows.truth).mean()


def test_no_fold_learns_from_what_came_after() -> None:
    rows = rows_of(demand(), settings())
    material = material_from(rows, settings())
    for fold in honest_folds(material, 3, 0):
        newest = material.times[fold.fit].max()
        assert newest + HORIZON * 3600 <= material.times[fold.judge].min()
        left_out = material.times[fold.fit[-1] + 1]
        assert not due_before(np.array([left_out]), material.signature, material.times[fold.judge].min())[0]


def test_signals_do_not_change_with_the_size_of_a_series() -> None:
    plan = Plan(30, 1, 3, (24,), ("hour", "weekday", "month"), classes=True)
    random = np.random.default_rng(0)
    rows = np.abs(random.normal(size=(5, plan.width)))
    rows[:, plan.dates] = 3.0
    larger = rows.copy()
    larger[:, plan.values] *= 1024.0
    one, level = signals_of(rows, plan)
    other, higher = signals_of(larger, plan)
    assert (one == other).all()
    assert (higher == 1024.0 * level).all()
    assert features_of(one, np.arange(5) % 3, plan).shape == (5, 24 + 3 + 1 + 2 + 1 + 1 + 24 + 7 + 12)
    assert level_of(np.zeros((1, 30))) > 0.0


def test_what_no_forecast_can_be_learned_from_is_said() -> None:
    with pytest.raises(InputInvalid, match="need 54 steps in a row, the longest series has 48"):
        train(demand(2), settings())
    with pytest.raises(ConfigInvalid, match="logistic cannot do forecasting"):
        train(demand(5), settings(train={"learners": ("logistic",)}))
