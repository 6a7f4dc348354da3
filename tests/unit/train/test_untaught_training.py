"""What is read of a target that only judges, what training settles without one, and how that is judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from fairlead.contract.errors import BundleRefused, ConfigInvalid
from fairlead.contract.settings import GateSettings, ModelSettings, Settings, TrainSettings
from fairlead.contract.signature import Column, Signature
from fairlead.lab.compile import write_bundle
from fairlead.lab.evaluate import evaluate, gate
from fairlead.lab.tables import target_of
from fairlead.lab.train import train
from fairlead.ops.project.reading import parse_settings
from fairlead.runtime.bundle import SigningKey, load
from fairlead.runtime.bundle.run import check_signature

PARITY = {"flipped": 0, "max_difference": 0.0, "tolerance": 1e-9, "rows": 1.0}


def odd(positive: str | None = None) -> Signature:
    return Signature("anomaly", (Column("x", "number"),), target="y", positive=positive)


@pytest.mark.parametrize(
    ("cells", "positive", "truth"),
    [
        ([True, False, None], None, [1.0, 0.0, np.nan]),
        ([1, 0, 1], None, [1.0, 0.0, 1.0]),
        ([1.0, np.nan, 0.0], None, [1.0, np.nan, 0.0]),
        (["TRUE", "false", ""], None, [1.0, 0.0, np.nan]),
        (["fraud", "fine", None], "fraud", [1.0, 0.0, np.nan]),
        ([-1, 1, 1], "-1", [1.0, 0.0, 0.0]),
        ([True, False, True], "true", [1.0, 0.0, 1.0]),
    ],
)
def test_what_a_target_says_of_anomalies(cells: list[Any], positive: str | None, truth: list[float]) -> None:
    found = target_of(pd.DataFrame({"y": pd.Series(cells, dtype=object)}), odd(positive))
    assert np.array_equal(found, truth, equal_nan=True)


def test_a_target_that_is_neither_yes_nor_no_is_refused_with_the_cure() -> None:
    with pytest.raises(ConfigInvalid, match="neither true nor false") as refused:
        target_of(pd.DataFrame({"y": ["fraud", "fine"]}), odd())
    assert "Name the value that an anomaly has" in str(refused.value)


def test_rows_without_the_column_are_rows_that_nobody_knows() -> None:
    assert np.isnan(target_of(pd.DataFrame({"x": [1.0, 2.0]}), odd())).all()
    groups = Signature("clustering", (Column("x", "number"),), target="g", classes=("0", "1"))
    assert list(target_of(pd.DataFrame({"x": [1.0, 2.0]}), groups)) == [None, None]
    assert list(target_of(pd.DataFrame({"g": ["a", None, 3]}), groups)) == ["a", None, "3"]


@pytest.mark.parametrize(
    ("signature", "why"),
    [
        (Signature("clustering", ()), "needs a cluster"),
        (Signature("clustering", (), classes=("0", "0")), "named once"),
        (Signature("clustering", (), classes=("0", "1"), positive="0"), "positive"),
        (Signature("anomaly", (), classes=("0", "1")), "has no classes"),
        (Signature("anomaly", (), threshold=float("inf")), "must be a number"),
    ],
)
def test_signatures_that_contradict_themselves_are_refused(signature: Signature, why: str) -> None:
    with pytest.raises(BundleRefused, match=why):
        check_signature(signature)


def test_settings_of_the_tasks() -> None:
    assert parse_settings('[model]\nname = "m"\ntask = "clustering"\n')[0].model.target == ""
    for text, why in (
        ('task = "regression"', "learns from a target"),
        ('task = "anomaly"\npositive = "x"', "there is none"),
        ('task = "clustering"\ntarget = "g"\npositive = "x"', "only a classification"),
        ('task = "anomaly"\n[train]\ncontamination = 0.6', "contamination"),
        ('task = "anomaly"\n[gate]\nmin = {accuracy = 0.5}', "accuracy"),
    ):
        with pytest.raises(ConfigInvalid, match=why):
            parse_settings(f'[model]\nname = "m"\n{text}\n')
    text = '[model]\nname = "m"\ntask = "anomaly"\n[gate]\nmin = {roc_auc = 0.5, alert_rate = 0.1}\n'
    assert parse_settings(text)[0].gate.min == {"roc_auc": 0.5, "alert_rate": 0.1}


def table(rows: int = 300) -> pd.DataFrame:
    random = np.random.default_rng(2)
    strange = np.arange(rows) % 15 == 4
    x = random.normal(size=rows) + np.where(strange, 7.0, 0.0)
    return pd.DataFrame({"x": x, "z": random.normal(size=rows), "y": strange})


def settings(*learners: str, **model: Any) -> Settings:
    chosen = ModelSettings(name="m", task="anomaly", **model)
    named = learners or ("pca_reconstruction", "one_class_svm")
    rules = TrainSettings(learners=named, trials=2, folds=3, contamination=0.1)
    return Settings(model=chosen, train=rules)


def sealed(folder: Path, training: Any) -> Any:
    key = SigningKey.create(folder / "key.pem")
    write_bundle(training.candidate, folder / "bundle", key)
    return load(folder / "bundle", [key.public])


def test_without_labels_the_stated_share_is_flagged_and_no_one_says_it_is_right(tmp_path: Path) -> None:
    training = train(table().drop(columns="y"), settings())
    assert {row["metric"] for row in training.leaderboard} == {"instability"}
    assert not [row for row in training.leaderboard if row["baseline"]]
    assert training.metrics["alert_rate"] == pytest.approx(0.1, abs=0.05)
    model = sealed(tmp_path, training)
    report = evaluate(model, training.holdout, settings(), parity=PARITY, leaderboard=training.leaderboard)
    assert report.baselines == ()
    assert "stability" in report.metrics
    verdict = gate(report, settings())
    assert verdict.outcome == "pass"
    asked = msgspec.structs.replace(settings(), gate=GateSettings(min={"roc_auc": 0.5}))
    assert gate(report, asked).outcome == "inconclusive"
    labelled = evaluate(model, table(), settings(target="y"), champion=model)
    assert labelled.champion is not None
    assert labelled.champion.difference.value == 0.0


def test_labels_choose_the_learner_and_the_threshold() -> None:
    asked = settings("pca_reconstruction", "isolation_forest", target="y")
    training = train(table(), asked)
    board = [row for row in training.leaderboard if row["chosen"]]
    assert board[0]["metric"] == "1 - pr_auc"
    assert board[0]["name"] == "isolation_forest"
    assert board[0]["score"] == min(row["score"] for row in training.leaderboard)
    assert training.metrics["f1"] > 0.8
    again = train(table(), asked)
    assert again.candidate.signature == training.candidate.signature
    assert again.leaderboard[0]["score"] == training.leaderboard[0]["score"]


def test_an_entrypoint_has_nothing_to_learn_from(tmp_path: Path) -> None:
    own = msgspec.structs.replace(settings(), train=TrainSettings(entrypoint="fit.py:fit"))
    with pytest.raises(ConfigInvalid, match="learns from a target"):
        train(table(), own, root=tmp_path)
