"""The fast gradient sign method: its gradient, its limits, the toolbox as reference; and what answers give away."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from fairlead.contract.evidence import Interval, Verdict
from fairlead.contract.settings import EvaluateSettings, ModelSettings, Settings
from fairlead.lab.compile import write_bundle
from fairlead.lab.evaluate.evidence import Report
from fairlead.lab.evaluate.page import render
from fairlead.lab.evaluate.robustness import robustness_checks, robustness_of
from fairlead.lab.evaluate.robustness.gradient_sign import STEPS, against, fgsm, gradient_of
from fairlead.lab.evaluate.robustness.inferring import inferred
from fairlead.lab.evaluate.rows import Judged, judged_rows
from fairlead.lab.train import candidate_of
from fairlead.runtime.bundle import SigningKey, load, verify

NAMES = ["a", "b", "whole"]


def rows(count: int = 400, seed: int = 0, classes: int = 2) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": random.normal(size=count), "b": random.normal(5, 2, count)})
    frame["whole"] = random.integers(0, 50, count)
    pull = 2 * frame["a"] - 0.5 * (frame["b"] - 5) + 0.1 * (frame["whole"] - 25) + random.logistic(size=count)
    labels = ["no", "yes"] if classes == 2 else ["high", "low", "mid"]
    frame["y"] = np.array(labels)[np.digitize(pull, [0.0] if classes == 2 else [-1.5, 1.5])]
    frame["sex"] = np.where(random.random(count) < np.where(pull > 0, 0.9, 0.1), "m", "f")
    return frame


def settings_of(**evaluate: Any) -> Settings:
    return Settings(
        model=ModelSettings(name="m", task="classification", target="y", features=tuple(NAMES), sensitive=("sex",)),
        evaluate=EvaluateSettings(**evaluate),
    )


def sealed(estimator: Any, folder: Path, classes: int = 2) -> tuple[Judged, dict[str, bytes]]:
    frame = rows(classes=classes)
    fitted = make_pipeline(StandardScaler(), estimator).fit(frame[NAMES], frame["y"])
    key = SigningKey.create(folder / "key")
    (folder / "bundle").mkdir()
    write_bundle(candidate_of(fitted, frame, settings_of()), folder / "bundle", key)
    model = load(folder / "bundle", [key.public])
    files = verify(folder / "bundle", [key.public]).files
    return judged_rows(model, rows(300, 1, classes), settings_of()), dict(files)


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> tuple[Judged, dict[str, bytes]]:
    return sealed(LogisticRegression(), tmp_path_factory.mktemp("linear"))


def _network(activation: str) -> MLPClassifier:
    return MLPClassifier((6, 4), activation=activation, max_iter=60, random_state=0)


@pytest.mark.parametrize(
    ("estimator", "classes"),
    [(_network("relu"), 2), (_network("tanh"), 3), (_network("logistic"), 2), (LogisticRegression(), 3)],
)
def test_the_gradient_is_that_of_the_loss_by_each_column(estimator: Any, classes: int, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        judged, files = sealed(estimator, tmp_path, classes)
    columns = list(judged.signature.columns)
    here = {name: np.asarray(values)[:40].copy() for name, values in judged.columns.items()}
    first = judged.scores[:40].argmax(axis=1)
    found = against(judged, gradient_of(files), here, columns, first)

    def loss(given: dict[str, Any]) -> np.ndarray:
        return -np.log(judged.model.score_columns(given)[np.arange(40), first])

    for at, column in enumerate(columns):
        apart = 1e-5 * (column.high - column.low)  # type: ignore[operator]
        sides = [loss({**here, column.name: here[column.name] + way * apart}) for way in (1, -1)]
        assert found[:, at] == pytest.approx((sides[0] - sides[1]) / (2 * apart), rel=2e-3, abs=1e-4)


def test_steps_are_those_of_the_adversarial_robustness_toolbox(linear: tuple[Judged, dict[str, bytes]]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from art.attacks.evasion import FastGradientMethod
        from art.estimators.classification import SklearnClassifier

    judged, files = linear
    form = gradient_of(files).layers[0]
    reference = LogisticRegression()
    reference.classes_ = np.array([0, 1])
    reference.coef_, reference.intercept_ = form.weights.T.copy(), form.bias.copy()
    reference.n_features_in_ = len(form.weights)
    features = np.asarray(judged.model.front.encode(judged.columns), dtype=np.float64)[:100]
    attack = FastGradientMethod(SklearnClassifier(reference), norm=np.inf, eps=0.1)
    theirs = np.sign(attack.generate(features.astype(np.float32)) - features.astype(np.float32))
    here = {name: np.asarray(values)[:100].copy() for name, values in judged.columns.items()}
    first = judged.scores[:100].argmax(axis=1)
    ours = np.sign(against(judged, gradient_of(files), here, list(judged.signature.columns), first))
    # Scaling keeps signs, so a step in features is a step in columns.
    assert np.array_equal(ours, theirs)


def test_more_rows_turn_with_larger_steps_within_what_training_saw(
    linear: tuple[Judged, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    judged, files = linear
    asked: list[dict[str, Any]] = []
    score = judged.model.score_columns
    monkeypatch.setattr(judged.model, "score_columns", lambda given: asked.append(given) or score(given))
    found = fgsm(judged, ("b",), 0, files)
    assert found is not None
    assert [step for step, _ in found.steps] == list(STEPS)
    shares = [share.value for _, share in found.steps]
    assert shares == sorted(shares)
    assert shares[-1] > 0.5
    assert found.distance is not None
    assert found.distance > 0.0
    assert "b" in found.fixed
    seen = {c.name: (c.low, c.high) for c in judged.signature.columns}
    whole = np.sort(np.asarray(judged.columns["b"]))
    for given in asked:
        assert np.isin(given["b"], whole).all()
        assert (given["whole"] == np.round(given["whole"])).all()
        inside = (given["a"] >= seen["a"][0]) & (given["a"] <= seen["a"][1])  # type: ignore[operator]
        assert inside.mean() > 0.98  # but for rows that lie beyond already


def test_it_is_a_part_of_the_evidence_and_of_the_gate(linear: tuple[Judged, dict[str, bytes]]) -> None:
    judged, files = linear
    asked = settings_of(attacks=("greedy", "fgsm"))
    found = robustness_of(judged, asked, files=files)
    assert [one.attack for one in found.evasion] == ["greedy", "fgsm"]
    (check,) = robustness_checks(found, {"gradient": 0.001})
    assert check.verdict == "fail"
    assert "a tenth of each range" in check.why
    (loose,) = robustness_checks(found, {"gradient": 1.0})
    assert loose.verdict == "pass"


def test_trees_have_no_gradient_and_that_is_said(tmp_path: Path) -> None:
    judged, files = sealed(DecisionTreeClassifier(max_depth=3), tmp_path)
    found = robustness_of(judged, settings_of(attacks=("fgsm",)), files=files)
    assert found.evasion == ()
    assert any("fgsm: only linear models and networks" in text for text in found.left_out)


def test_answers_give_away_a_column_that_the_model_does_not_take(linear: tuple[Judged, dict[str, bytes]]) -> None:
    judged, _ = linear
    found = inferred(judged, "sex")
    assert found is not None
    assert found.rows == judged.rows
    assert found.guessed > 0.7
    assert found.knows == "the truth and the answer, but not the row,"
    # Of a column drawn by lot nothing is given away.
    lot = np.random.default_rng(3).choice(["x", "y"], judged.rows)
    blind = inferred(with_sex(judged, lot), "sex")
    assert blind is not None
    assert blind.gain.low <= 0.0


def with_sex(judged: Judged, cells: np.ndarray) -> Judged:
    from dataclasses import replace

    return replace(judged, source=judged.source.assign(sex=cells))


def test_the_promise_of_inference_by_simulation(linear: tuple[Judged, dict[str, bytes]]) -> None:
    judged, _ = linear
    wrong = 0
    for seed in range(60):
        lot = np.random.default_rng(seed).choice(["x", "y", "z"], judged.rows)
        found = inferred(with_sex(judged, lot), "sex", seed)
        assert found is not None
        wrong += found.gain.low > 0.0
    assert wrong <= 6
    assert inferred(judged, "nobody") is None
    assert inferred(with_sex(judged, np.arange(judged.rows)), "sex") is None
    plain = msgspec.json.encode(inferred(judged, "sex"))
    assert b"knows" in plain


def test_the_page_shows_what_leaks_beside_its_limit(linear: tuple[Judged, dict[str, bytes]]) -> None:
    judged, files = linear
    found = robustness_of(judged, settings_of(attacks=("fgsm",)), members=rows(400, 0), files=files)
    names = ("accuracy", "roc_auc", "precision", "recall", "log_loss")
    report = Report(
        model="m", bundle="b" * 64, task="classification", target="y", rows=judged.rows,
        metrics=dict.fromkeys(names, Interval(0.8, 0.7, 0.9)), loss=Interval(0.1, 0.0, 0.2), baselines=(),
        classes=judged.signature.classes, robustness=found,
    )  # fmt: skip
    page = render(report, Verdict("pass", tuple(robustness_checks(found, {"membership": 0.6}))))
    part = page[page.index("When inputs go wrong") :]
    assert "Limit 0.6" in part
    assert "No limit is set." in part
    assert "one step along the sign of the gradient" in part
    assert "Who knows the truth and the answer, but not the row, guesses" in part
