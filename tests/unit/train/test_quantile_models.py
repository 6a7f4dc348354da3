"""`[train] quantile`: every learner that can answers it, sealed with parity; the others are refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.plugins import names, variant
from fairlead.contract.settings import EvaluateSettings, GateSettings, ModelSettings, Settings, TrainSettings
from fairlead.lab.compile import write_bundle
from fairlead.lab.evaluate import evaluate, gate, write_report
from fairlead.lab.train import train
from fairlead.lab.train.stopping import Part, loss_on
from fairlead.ops.project.combinations import check_combinations
from fairlead.runtime.bundle import SigningKey, load

SETTINGS = Settings(
    model=ModelSettings(name="spread", task="regression", target="y"),
    train=TrainSettings(trials=1, folds=2, quantile=0.9),
    gate=GateSettings(min={"coverage": 0.8}),
    evaluate=EvaluateSettings(find_slices=False, robustness=False),
)
ABLE = [name for name in names("learner") if hasattr(variant("learner", name), "at_quantile")]


def spread(rows: int = 600) -> pd.DataFrame:
    """A target whose spread grows: its 0.9 quantile rises faster than its mean."""
    random = np.random.default_rng(0)
    x, kind = random.uniform(0, 3, rows), random.choice(["a", "b"], rows)
    y = 2 * x + (kind == "a") + (0.3 + x) * random.normal(size=rows)
    return pd.DataFrame({"x": x, "kind": kind, "y": y})


def with_train(**changes: object) -> Settings:
    return replace(SETTINGS, train=replace(SETTINGS.train, **changes))


def test_those_that_can_are_known() -> None:
    assert set(ABLE) >= {"linear_quantile", "hist_gradient_boosting", "lightgbm", "xgboost"}


@pytest.mark.parametrize("learner", ABLE)
def test_the_sealed_model_answers_the_quantile(learner: str, tmp_path: Path) -> None:
    if learner in ("lightgbm", "xgboost"):
        pytest.importorskip(learner)
    patience = 10 if learner in ("lightgbm", "xgboost") else 0
    settings = with_train(learners=(learner,), patience=patience)
    training = train(spread(), settings)
    assert training.leaderboard[0]["metric"] == "pinball"
    assert {row["name"] for row in training.leaderboard} == {learner, "constant_quantile"}
    key = SigningKey.create(tmp_path / "key")
    (tmp_path / "bundle").mkdir()
    write_bundle(training.candidate, tmp_path / "bundle", key)
    model = load(tmp_path / "bundle", (key.public,))
    assert model.signature.quantile == 0.9
    parity = json.loads((tmp_path / "bundle" / "parity.json").read_text())
    report = evaluate(model, training.holdout, settings, parity=parity)
    assert 0.75 <= report.metrics["coverage"].value <= 0.98
    assert "r2" not in report.metrics
    assert report.baselines[0].name == "constant_quantile"
    assert report.baselines[0].difference.high < 0
    verdict = gate(report, settings)
    assert next(c for c in verdict.checks if c.name == "parity").verdict == "pass"
    page = write_report(report, verdict, tmp_path).read_text()
    assert "was at or below its answer; 90% was asked for" in page
    assert "the 0.9 quantile of `y`" in (tmp_path / "bundle" / "model_card.md").read_text()


def test_rounds_of_a_quantile_are_sought_by_its_own_loss() -> None:
    part = Part(np.zeros((2, 1)), np.array([10.0, 0.0]), np.array([1.0, 3.0]))
    answers = np.array([8.0, 4.0])
    assert loss_on(part, None, 0.9)(answers) == pytest.approx((0.9 * 2 + 3 * 0.1 * 4) / 4)
    assert loss_on(part, None)(answers) == pytest.approx((4 + 3 * 16) / 4)


def test_learners_without_a_quantile_are_refused_by_name() -> None:
    with pytest.raises(ConfigInvalid, match="ridge cannot answer a quantile") as refused:
        train(spread(80), with_train(learners=("ridge",)))
    assert "linear_quantile" in str(refused.value)


def test_without_learners_those_that_can_are_tried() -> None:
    from fairlead.lab.tables import signature_of
    from fairlead.lab.train.search import learners_for

    found = learners_for((), signature_of(spread(80), SETTINGS))
    assert [learner.name for learner in found] == ["linear_quantile", "hist_gradient_boosting"]


def test_settings_that_cannot_be_are_refused() -> None:
    check_combinations(SETTINGS)
    plain = replace(SETTINGS, gate=GateSettings())
    for changed, what in (
        (replace(plain, model=replace(SETTINGS.model, task="classification")), "no quantile to answer"),
        (replace(SETTINGS, gate=GateSettings(min={"r2": 0.5})), "no metric of answers that mean a quantile"),
        (with_train(quantile=None), "is of a model that answers a quantile"),
        (replace(plain, model=replace(SETTINGS.model, group="q")), "put in order by what is expected"),
    ):
        with pytest.raises(ConfigInvalid, match=what):
            check_combinations(changed)
