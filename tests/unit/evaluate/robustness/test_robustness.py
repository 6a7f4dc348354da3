"""Robustness of models whose weaknesses are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.evidence import Interval
from fairlead.contract.settings import EvaluateSettings, ModelSettings, Settings
from fairlead.lab.compile import write_bundle
from fairlead.lab.evaluate.robustness import robustness_checks, robustness_of
from fairlead.lab.evaluate.robustness.hop_skip_jump import hop_skip_jump
from fairlead.lab.evaluate.robustness.leaking import membership
from fairlead.lab.evaluate.rows import judged_rows
from fairlead.lab.train import candidate_of
from fairlead.runtime.bundle import SigningKey, load


def people(rows: int = 600, seed: int = 4) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    strong, weak = random.normal(50, 10, rows), random.normal(5, 1, rows)
    town = random.choice(["north", "south"], rows)
    pull = 0.4 * (strong - 50) + 0.5 * (town == "north") + random.logistic(size=rows)
    return pd.DataFrame({"strong": strong, "weak": weak, "town": town, "left": np.where(pull > 0, "yes", "no")})


FEATURES = ["strong", "weak", "town"]


def sealed(folder: Path, fitted: Any, frame: pd.DataFrame, settings: Settings) -> Any:
    key = SigningKey.create(folder / "key")
    (folder / "bundle").mkdir()
    write_bundle(candidate_of(fitted, frame, settings), folder / "bundle", key)
    return load(folder / "bundle", [key.public])


def settings_of(target: str = "left", task: str = "classification", **model: Any) -> Settings:
    return Settings(
        model=ModelSettings(
            name="m", task=task, target=target, features=tuple(FEATURES), positive="yes" if target == "left" else None,
            **model,
        )
    )  # type: ignore[arg-type]  # fmt: skip


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Any:
    frame = people()
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    prepare = make_column_transformer((numbers, ["strong", "weak"]), (OneHotEncoder(handle_unknown="ignore"), ["town"]))
    fitted = make_pipeline(prepare, LogisticRegression()).fit(frame[FEATURES], frame["left"])
    return sealed(tmp_path_factory.mktemp("linear"), fitted, frame, settings_of())


def test_the_column_that_matters_does_the_harm(linear: Any) -> None:
    found = robustness_of(judged_rows(linear, people(seed=5), settings_of()), settings_of())
    worst = {(d.kind, d.column): d for d in found.damages if d.kind != "noise"}
    assert worst["units", "strong"].rise.low > 0.2
    assert worst["missing", "strong"].rise.low > 0.1
    assert worst["missing", "strong"].visible > 0.95
    assert worst["unseen", "town"].visible == 1.0
    noise = {d.what: d.rise.value for d in found.damages if d.kind == "noise"}
    assert noise["0.01 standard deviations"] < noise["0.3 standard deviations"]
    assert all(d.visible == 0.0 for d in found.damages if d.kind == "noise")
    assert [d.rise.value for d in found.damages] == sorted((d.rise.value for d in found.damages), reverse=True)


def test_who_may_change_what_matters_turns_decisions(linear: Any) -> None:
    judged = judged_rows(linear, people(seed=5), settings_of())
    free = robustness_of(judged, settings_of()).evasion[0]
    assert free.within[0].value == 1.0
    assert free.columns[0] == ("strong", 1.0)
    bound = settings_of()
    bound = Settings(model=bound.model, evaluate=EvaluateSettings(immutable=("strong",)))
    held = robustness_of(judged, bound).evasion[0]
    assert held.fixed == ("strong",)
    assert held.within[0].value < 0.4
    assert [w.value for w in held.within] == sorted(w.value for w in held.within)


def test_shares_of_turned_rows_are_true(linear: Any) -> None:
    """With strong alone to change, a row turns just where its other columns allow it: tried out exhaustively."""
    bound = Settings(model=settings_of().model, evaluate=EvaluateSettings(immutable=("weak", "town")))
    frame = people(120, seed=6)
    judged = judged_rows(linear, frame, bound)
    found = robustness_of(judged, bound).evasion[0]
    column = next(c for c in linear.signature.columns if c.name == "strong")
    before = [a["label"] for a in linear.predict(frame[FEATURES])]
    ends = [[a["label"] for a in linear.predict(frame[FEATURES].assign(strong=e))] for e in (column.low, column.high)]
    turned = np.mean([any(e[i] != b for e in ends) for i, b in enumerate(before)])
    assert found.within[0].value == pytest.approx(turned)


def test_the_least_change_of_a_linear_model_is_near_the_known_one(linear: Any) -> None:
    pytest.importorskip("art")
    frame = people(300, seed=7)
    judged = judged_rows(linear, frame, settings_of())
    found = hop_skip_jump(judged, (), seed=0)
    assert found is not None
    assert found.within[0].value > 0.9
    again = hop_skip_jump(judged, (), seed=0)
    assert again == found
    # The distance of a row to a plane: its margin by the length of the weights.
    scores = judged.scores[:, 1]
    margins = np.abs(np.log(scores / (1 - scores)))
    moved = people(300, seed=7)
    moved["strong"] += moved["strong"].std()
    after = np.asarray([a["probabilities"]["yes"] for a in linear.predict(moved[FEATURES])])
    slope = np.median(np.abs(np.log(after / (1 - after)) - np.log(scores / (1 - scores))))
    assert found.distance is not None
    assert 0.5 * np.median(margins) / slope < found.distance < 3.0 * np.median(margins) / slope


def test_a_model_that_knows_its_rows_by_heart_gives_them_away(tmp_path: Path, linear: Any) -> None:
    learned, others = people(seed=8), people(seed=9)
    random = np.random.default_rng(0)
    learned["left"] = random.permutation(learned["left"])
    prepare = make_column_transformer((OneHotEncoder(), ["town"]), ("passthrough", ["strong", "weak"]))
    fitted = make_pipeline(prepare, DecisionTreeClassifier(random_state=0)).fit(learned[FEATURES], learned["left"])
    tree = sealed(tmp_path, fitted, learned, settings_of())
    told = robustness_of(judged_rows(tree, others, settings_of()), settings_of(), learned).membership
    assert told is not None
    assert told.auc.low > 0.65
    assert told.advantage.low > 0.3
    quiet = robustness_of(judged_rows(linear, others, settings_of()), settings_of(), people()).membership
    assert quiet is not None
    assert quiet.auc.low < 0.5 < quiet.auc.high


def test_membership_of_the_same_world_is_found_no_more_often_than_promised() -> None:
    random = np.random.default_rng(1)
    alarms = sum(
        found is not None and found.auc.low > 0.5
        for seed in range(60)
        for found in [membership(random.random(80) ** 2, random.random(80) ** 2, seed)]
    )
    assert alarms <= 6


def test_a_column_that_the_answer_shows_can_be_guessed(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    frame = people()
    frame["amount"] = 10.0 * (frame["town"] == "north") + 0.01 * frame["weak"] + random.normal(scale=1.0, size=600)
    prepare = make_column_transformer((OneHotEncoder(), ["town"]), ("passthrough", ["strong", "weak"]))
    fitted = make_pipeline(prepare, LinearRegression()).fit(frame[FEATURES], frame["amount"])
    settings = settings_of("amount", "regression", sensitive=("town",))
    model = sealed(tmp_path, fitted, frame.drop(columns="left"), settings)
    found = robustness_of(judged_rows(model, frame.drop(columns="left"), settings), settings)
    assert found.inversion[0].guessed > 0.95
    assert found.inversion[0].gain.low > 0.3
    assert found.evasion == ()
    assert any(text.startswith("greedy") for text in found.left_out)
    shown = settings_of(sensitive=("town",))
    hidden = robustness_of(judged_rows(model, frame.drop(columns="left"), settings), shown).inversion[0]
    assert hidden.column == "town"


def test_checks_refuse_only_on_evidence(linear: Any) -> None:
    found = robustness_of(judged_rows(linear, people(seed=5), settings_of()), settings_of(), people())
    checks = robustness_checks(
        found, {"noise": 0.5, "units": 0.05, "evasion": 0.5, "membership": 0.6, "inversion": 0.1, "missing": 0.0}
    )
    verdicts = {c.name.removeprefix("robustness."): c.verdict for c in checks}
    assert verdicts == {
        "noise": "pass", "units": "fail", "evasion": "fail", "membership": "pass", "inversion": "inconclusive",
        "missing": "fail",
    }  # fmt: skip
    assert not any(c.refuses for c in checks)
    assert "strong" in next(c.why for c in checks if c.name == "robustness.units")
    assert robustness_checks(None, {"noise": 0.1})[0].verdict == "inconclusive"
    with pytest.raises(ConfigInvalid, match="Did you mean 'noise'"):
        robustness_checks(found, {"nois": 0.1})


def test_an_attack_that_is_none(linear: Any) -> None:
    settings = Settings(model=settings_of().model, evaluate=EvaluateSettings(attacks=("gredy",)))
    with pytest.raises(ConfigInvalid, match="Known: greedy, hop_skip_jump"):
        robustness_of(judged_rows(linear, people(), settings), settings)


def test_the_same_seed_finds_the_same(linear: Any) -> None:
    judged = judged_rows(linear, people(200, seed=5), settings_of())
    assert robustness_of(judged, settings_of()) == robustness_of(judged, settings_of())
    assert isinstance(robustness_of(judged, settings_of()).damages[0].rise, Interval)
