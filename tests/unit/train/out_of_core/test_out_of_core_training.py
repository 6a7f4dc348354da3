"""Tables larger than memory: the model is that of all rows, whoever chose it; every kept row judges it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace

from fairlead.contract.errors import CellInvalid
from fairlead.contract.settings import DataSettings, ModelSettings, Settings, TrainSettings
from fairlead.lab.tables import open_table
from fairlead.lab.train import train
from fairlead.lab.train.fitting import fit
from fairlead.lab.train.material import material_of, split_holdout
from fairlead.lab.train.out_of_core.large import Large, Plan, open_large
from fairlead.lab.train.out_of_core.sizing import size_of
from fairlead.lab.train.training import Training

ROWS, SAMPLE = 6_000, 900
MODEL = ModelSettings(name="shop", task="classification", target="bought", positive="yes", time="at", id="key")


def shop(rows: int = ROWS) -> pd.DataFrame:
    random = np.random.default_rng(5)
    age, spent = random.integers(18, 80, rows), random.gamma(2.0, 30.0, rows)
    town = random.choice(["Bonn", "Köln", "Ulm"], rows, p=[0.5, 0.3, 0.2])
    odds = (age - 50) / 15 + np.log(spent / 60) + np.where(town == "Ulm", 1.0, 0.0)
    at = pd.date_range("2024-01-01", periods=rows, freq="17min").astype(str)
    frame = pd.DataFrame({
        "key": [f"k{i}" for i in range(rows)], "at": at,
        "age": age, "spent": np.round(spent, 2), "town": town,
        "bought": np.where(random.random(rows) < 1 / (1 + np.exp(-odds)), "yes", "no"),
    })  # fmt: skip
    frame.loc[random.random(rows) < 0.1, "spent"] = np.nan
    frame.loc[:40, "bought"] = None
    return frame


def settings_for(*learners: str, **more: Any) -> Settings:
    rules = TrainSettings(learners=learners, trials=max(len(learners), 1), folds=3, calibrate=False, **more)
    return Settings(model=MODEL, data=DataSettings(holdout=0.25), train=rules)


def written(folder: Path, frame: pd.DataFrame, kind: str) -> Path:
    path = folder / f"shop.{kind}"
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path, index=False, row_group_size=700)
    return path


def opened(path: Path, settings: Settings, folder: Path, at_once: int = 1_500) -> Large:
    table = open_table(path)
    size = size_of(table)
    folder.mkdir()
    return open_large(table, settings, size, size.needed // 4, folder, lambda *a, **k: None, Plan(SAMPLE, at_once))


def trained(path: Path, settings: Settings, folder: Path) -> Training:
    large = opened(path, settings, folder)
    return train(large.frame, settings, large=large)


@pytest.fixture(scope="module")
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("rows"), shop(), "csv")


def test_from_every_row_it_is_the_model_that_memory_would_have_given(csv: Path, tmp_path: Path) -> None:
    settings = settings_for("logistic")
    found = trained(csv, settings, tmp_path / "large")
    scale = found.scale
    assert scale is not None
    assert (scale.way, scale.rows, scale.prepared) == ("every row", ROWS - 41, "the sample")
    assert scale.learned + scale.judged == scale.rows
    assert found.unlabelled == 41
    whole = material_of(csv, settings)
    learned, kept = split_holdout(whole, 0.25, 0)
    assert (len(learned), len(kept)) == (scale.learned, scale.judged)
    assert found.candidate.lineage.rows == len(learned)
    assert found.candidate.lineage.trained_to == whole.times[learned[-1]]  # type: ignore[index]
    # The same rows prepared by the same statistics, all at once: the same coefficients.
    prepared = found.candidate.pipeline.named_steps["preparation"]
    features = prepared.transform(whole.frame.iloc[learned])
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1.0, tol=1e-10, max_iter=5000).fit(features, whole.truth[learned].astype(str))
    ours = found.candidate.pipeline.named_steps["model"]
    assert np.abs(ours.coef_ - model.coef_).max() < 1e-6
    # Prepared by all rows, too, it would answer nearly alike.
    other = fit(whole, "logistic", {"C": 1.0}, rows=learned).predict_proba(whole.frame.iloc[kept])
    assert np.abs(found.candidate.pipeline.predict_proba(whole.frame.iloc[kept]) - other).max() < 0.02


def test_what_is_sealed_knows_every_row(csv: Path, tmp_path: Path) -> None:
    settings = settings_for("logistic")
    large = opened(csv, settings, tmp_path / "large")
    assert large.signature == material_of(csv, settings).signature
    found = train(large.frame, settings, large=large)
    profile = found.candidate.reference.profile
    assert profile.rows == found.scale.learned  # type: ignore[union-attr]
    ages = next(c for c in profile.columns if c.bins.name == "age")
    assert sum(ages.counts) == profile.rows
    assert profile.scores
    assert found.candidate.lineage.out_of_core == {
        "rows": ROWS - 41,
        "way": "every row",
        "sample": 900,
        "at_once": 1500,
    }
    # The newest part is for judging, of the sample as of all rows.
    assert found.holdout["at"].min() > pd.Timestamp(found.candidate.lineage.trained_to, unit="s").isoformat(" ")


def test_every_kept_row_judges(csv: Path, tmp_path: Path) -> None:
    settings = settings_for("naive_bayes")
    found = trained(csv, settings, tmp_path / "large")
    scale = found.scale
    assert scale is not None
    whole = material_of(csv, settings)
    _, kept = split_holdout(whole, 0.25, 0)
    shares = found.candidate.pipeline.predict_proba(whole.frame.iloc[kept])[:, 1]
    truth = whole.truth[kept] == "yes"
    assert scale.loss.value == pytest.approx(np.mean((shares - truth) ** 2), rel=1e-9)
    assert scale.metrics["accuracy"] == pytest.approx(np.mean((shares > 0.5) == truth), abs=1e-3)
    assert scale.loss.low < scale.loss.value < scale.loss.high


def test_what_learns_in_memory_alone_says_what_its_sample_costs(csv: Path, tmp_path: Path) -> None:
    found = trained(csv, settings_for("decision_tree"), tmp_path / "large")
    scale = found.scale
    assert scale is not None
    assert scale.way == "the sample"
    assert scale.learned < SAMPLE
    assert "decision_tree learns from rows in memory alone" in scale.says
    assert [round(p.rows / scale.points[-1].rows, 2) for p in scale.points] == [0.25, 0.5, 1.0]
    assert scale.gain is not None
    assert scale.gain.low <= scale.gain.value <= scale.gain.high
    assert f"{scale.judged:,} rows kept back" in scale.says
    assert found.candidate.reference.profile.rows > scale.learned


def test_weights_of_rows_and_classes_are_those_of_memory(csv: Path, tmp_path: Path) -> None:
    settings = settings_for("logistic", class_weight="balanced", weight="age")
    settings = replace(settings, model=replace(MODEL, exclude=("age",)))
    found = trained(csv, settings, tmp_path / "large")
    whole = material_of(csv, settings)
    learned, _ = split_holdout(whole, 0.25, 0)
    prepared = found.candidate.pipeline.named_steps["preparation"]
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(tol=1e-10, max_iter=5000).fit(
        prepared.transform(whole.frame.iloc[learned]), whole.truth[learned].astype(str),
        sample_weight=whole.fit_weights(learned),
    )  # fmt: skip
    assert np.abs(found.candidate.pipeline.named_steps["model"].coef_ - model.coef_).max() < 1e-6


def test_where_none_are_named_those_are_tried_that_every_row_can_teach(csv: Path, tmp_path: Path) -> None:
    large = opened(csv, settings_for(), tmp_path / "large")
    assert large.learners == ("logistic", "lightgbm", "hist_gradient_boosting")
    rules = TrainSettings(trials=1, folds=2, calibrate=False)
    found = train(large.frame, replace(settings_for(), train=rules), large=large)
    assert found.candidate.lineage.learner == "logistic"


def test_a_cell_that_is_no_time_is_named_by_its_row_in_the_table(tmp_path: Path) -> None:
    frame = shop(4_000)
    frame.loc[3_210, "at"] = "soon"
    with pytest.raises(CellInvalid, match=r"row 3210, column 'at'"):
        opened(written(tmp_path, frame, "csv"), settings_for("logistic"), tmp_path / "large")


def test_the_sample_is_the_same_however_the_table_passes_by(csv: Path, tmp_path: Path) -> None:
    settings = settings_for("logistic")
    first, again = opened(csv, settings, tmp_path / "a"), opened(csv, settings, tmp_path / "b", at_once=77)
    pd.testing.assert_frame_equal(first.frame, again.frame)
    other = opened(written(tmp_path, shop(), "parquet"), settings, tmp_path / "c")
    assert (other.index.parts == first.index.parts).all()
    assert other.index.cut == first.index.cut
    assert other.frame["key"].tolist() == first.frame["key"].tolist()
    assert (other.kept == first.kept).all()
