"""Mitigated models, sealed: as they were trained, with smaller gaps; thresholds go by a column of the request."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from fairlead.contract.decisions import Decisions
from fairlead.contract.errors import ConfigInvalid, InputInvalid
from fairlead.contract.evidence import Check, Interval, Verdict
from fairlead.contract.settings import MitigateSettings, ModelSettings, Settings, TrainSettings
from fairlead.lab.compile import Compiled, compile_pipeline, write_bundle
from fairlead.lab.evaluate.evidence import Report
from fairlead.lab.evaluate.page import render
from fairlead.lab.train import fit_once, train
from fairlead.lab.train.training import Training
from fairlead.runtime.bundle import Model, SigningKey, load

PLAIN = Settings(
    model=ModelSettings(
        name="loans", task="classification", target="paid", positive="yes", sensitive=("sex",),
        features=("income", "near"),
    ),
    train=TrainSettings(learners=("logistic",), trials=1, folds=2),
)  # fmt: skip


def asked(**parts: Any) -> Settings:
    return msgspec.structs.replace(
        PLAIN, train=msgspec.structs.replace(PLAIN.train, mitigate=MitigateSettings(**parts))
    )


def loans(rows: int = 1500, seed: int = 0, names: tuple[str, str] = ("no", "yes")) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    sex = random.choice(["f", "m"], rows)
    near = (sex == "m") + random.normal(scale=0.7, size=rows)
    income = random.normal(size=rows)
    odds = income + 1.6 * (sex == "m") - 0.8
    paid = np.where(random.random(rows) < 1 / (1 + np.exp(-odds)), names[1], names[0])
    return pd.DataFrame({"income": income, "near": near, "sex": sex, "paid": paid})


@dataclass(frozen=True)
class Made:
    training: Training
    model: Model
    parity: dict[str, Any]


def made(settings: Settings, folder: Path) -> Made:
    key = SigningKey.create(folder / "key")
    training = train(loans(), settings)
    (folder / "bundle").mkdir()
    write_bundle(training.candidate, folder / "bundle", key)
    parity = msgspec.json.decode((folder / "bundle" / "parity.json").read_bytes())
    return Made(training, load(folder / "bundle", (key.public,)), parity)


@pytest.fixture(scope="module")
def thresholded(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(asked(by="threshold_optimiser"), tmp_path_factory.mktemp("thresholds"))


@pytest.fixture(scope="module")
def averaged(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(asked(by="exponentiated_gradient", rounds=5), tmp_path_factory.mktemp("mean"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(msgspec.structs.replace(PLAIN), tmp_path_factory.mktemp("plain"))


def gap(model: Model, rows: pd.DataFrame) -> float:
    told = model.predict(rows[list(model.signature.names)])
    said = pd.Series([answer["label"] == "yes" for answer in told]).groupby(rows["sex"].to_numpy()).mean()
    return float(abs(said["m"] - said["f"]))


@pytest.mark.parametrize("way", ["thresholded", "averaged"])
def test_the_sealed_model_treats_groups_alike_and_says_so_with_intervals(
    way: str, plain: Made, request: pytest.FixtureRequest
) -> None:
    even: Made = request.getfixturevalue(way)
    rows = loans(3000, seed=1)
    assert gap(even.model, rows) < 0.3 * gap(plain.model, rows)
    assert even.parity["flipped"] == 0
    found = even.training.decisions
    assert found is not None
    assert found.mitigation is not None
    (parity,) = [one for one in found.mitigation.gaps if one.measure == "demographic_parity"]
    assert parity.before is not None
    assert parity.after is not None
    assert parity.after.high < parity.before.low
    assert found.calibration is None or not found.calibration.method
    assert "demographic parity" in found.mitigation.why
    assert found.mitigation.accuracy.low <= found.mitigation.accuracy.value <= found.mitigation.accuracy.high


def test_the_mean_is_told_apart_from_the_draw_that_it_stands_for(averaged: Made) -> None:
    decisions = averaged.training.decisions
    assert decisions is not None
    assert decisions.mitigation is not None
    lot = decisions.mitigation.lot
    assert decisions.mitigation.members > 1
    assert lot is not None
    assert 0.0 <= lot.differs < 0.2
    assert abs(lot.accuracy[0] - lot.accuracy[1]) < 0.1
    assert averaged.model.signature.names == ("income", "near")


def test_requests_carry_the_column_that_decides_and_no_group_means_the_threshold_of_everyone(
    thresholded: Made, plain: Made
) -> None:
    model = thresholded.model
    assert model.signature.names == ("income", "near", "sex")
    with pytest.raises(InputInvalid, match="sex"):
        model.predict([{"income": 0.1, "near": 0.2}])
    cells = {"income": [0.1, -0.4], "near": [0.2, 1.0]}
    frame = pd.DataFrame(cells)
    unknown = model.predict(frame.assign(sex="x"))
    base = plain.model.predict(frame)
    # The model itself learned without the column: for a row of no group it is the unmitigated model.
    for ours, theirs in zip(unknown, base, strict=True):
        assert ours["probabilities"]["yes"] == pytest.approx(theirs["probabilities"]["yes"], abs=0.03)
    told = [model.predict(frame.assign(sex=sex)) for sex in ("f", "m")]
    assert told[0][0]["probabilities"]["yes"] > unknown[0]["probabilities"]["yes"] > told[1][0]["probabilities"]["yes"]
    decisions = thresholded.training.decisions
    assert decisions is not None
    assert decisions.mitigation is not None
    ends = {one.group: one.threshold for one in decisions.mitigation.thresholds}
    moved = np.log(told[0][0]["probabilities"]["yes"] / told[0][0]["probabilities"]["no"])
    start = np.log(unknown[0]["probabilities"]["yes"] / unknown[0]["probabilities"]["no"])
    assert moved - start == pytest.approx(-np.log(ends["f"] / (1 - ends["f"])))


@pytest.mark.parametrize("learner", ["hist_gradient_boosting", "lightgbm", "elastic_net"])
@pytest.mark.parametrize("names", [("no", "yes"), ("refused", "paid")])
def test_sums_of_log_odds_and_groups_compile_exactly(learner: str, names: tuple[str, str]) -> None:
    """Of both orders of the classes: the positive one is the second, and the first."""
    settings = msgspec.structs.replace(
        asked(by="threshold_optimiser"), model=msgspec.structs.replace(PLAIN.model, positive=names[1])
    )
    _same(settings, learner, names, {"max_iter": 10} if learner.startswith("hist") else {})


@pytest.mark.parametrize(
    ("learner", "names"),
    [("logistic", ("refused", "paid")), ("random_forest", ("no", "yes")), ("random_forest", ("refused", "paid")),
     ("hist_gradient_boosting", ("no", "yes")), ("lightgbm", ("refused", "paid"))],
)  # fmt: skip
def test_means_of_models_compile_exactly(learner: str, names: tuple[str, str]) -> None:
    settings = msgspec.structs.replace(
        asked(by="exponentiated_gradient", rounds=3), model=msgspec.structs.replace(PLAIN.model, positive=names[1])
    )
    few = {
        "random_forest": {"n_estimators": 5},
        "hist_gradient_boosting": {"max_iter": 10},
        "lightgbm": {"n_estimators": 10},
    }
    _same(settings, learner, names, few.get(learner, {}))


def _same(settings: Settings, learner: str, names: tuple[str, str], parameters: dict[str, Any]) -> None:
    from fairlead.lab.tables import signature_of
    from fairlead.lab.train import score_pipeline
    from fairlead.lab.train.material import material_of

    rows = loans(400, names=names)
    pipeline = fit_once(rows, settings, learner, parameters)
    material = material_of(rows, settings, signature_of(rows, settings))
    compiled: Compiled = compile_pipeline(pipeline, material.signature)
    expected = score_pipeline(pipeline, material.columns, material.signature)
    assert compiled.scores(material.columns) == pytest.approx(expected, abs=1e-9)
    assert len(np.unique(expected[:, 0])) > 5


def test_a_learner_whose_answers_are_no_log_odds_is_refused_by_name() -> None:
    with pytest.raises(ConfigInvalid, match="random_forest cannot be sealed under threshold_optimiser"):
        fit_once(loans(200), asked(by="threshold_optimiser"), "random_forest", {"n_estimators": 2})


def test_thresholds_need_a_column_of_few_groups() -> None:
    rows = loans(200).assign(sex=lambda table: np.arange(len(table)) % 40)
    with pytest.raises(ConfigInvalid, match="2 to 12 groups"):
        fit_once(rows, asked(by="threshold_optimiser"), "logistic", {})


@pytest.mark.parametrize("way", ["thresholded", "averaged"])
def test_the_report_shows_gaps_before_and_after(way: str, request: pytest.FixtureRequest) -> None:
    even: Made = request.getfixturevalue(way)
    names = ("accuracy", "roc_auc", "precision", "recall", "log_loss")
    signature = even.model.signature
    report = Report(
        model="loans", bundle="b" * 64, task="classification", target="paid", rows=300,
        metrics=dict.fromkeys(names, Interval(0.8, 0.7, 0.9)), loss=Interval(0.1, 0.0, 0.2), baselines=(),
        classes=signature.classes, positive=signature.positive, decisions=even.training.decisions,
    )  # fmt: skip
    page = render(report, Verdict("pass", (Check("rows", 300, 30, "pass", "enough"),)))
    assert "did to the gaps between groups" in page
    assert "surely smaller" in page
    assert ("People are decided differently by sex" in page) == (way == "thresholded")
    assert ("a draw among them would decide" in page) == (way == "averaged")
    again = msgspec.convert(even.training.decisions.plain(), Decisions)  # type: ignore[union-attr]
    assert again == even.training.decisions
