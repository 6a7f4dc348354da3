"""Mitigation: reweighing makes class and group independent, what cannot be is refused, and evidence tells the gaps."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import MitigateSettings, ModelSettings, Settings, TrainSettings
from fairlead.lab.compile import write_bundle
from fairlead.lab.train import train
from fairlead.lab.train.mitigating import reweighed
from fairlead.ops.project.combinations import check_combinations
from fairlead.runtime.bundle import SigningKey, load

PLAIN = Settings(
    model=ModelSettings(
        name="loans", task="classification", target="paid", positive="yes", sensitive=("sex",),
        features=("income", "near"),
    ),
    train=TrainSettings(learners=("logistic",), trials=1, calibrate=False),
)  # fmt: skip


def mitigating(**parts: object) -> Settings:
    return msgspec.structs.replace(PLAIN, train=msgspec.structs.replace(PLAIN.train, mitigate="reweighing", **parts))


def loans(rows: int = 3000, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    sex = random.choice(["f", "m"], rows)
    near = (sex == "m") + random.normal(scale=0.7, size=rows)
    income = random.normal(size=rows)
    odds = income + 1.6 * (sex == "m") - 0.8
    return pd.DataFrame(
        {"income": income, "near": near, "sex": sex,
         "paid": np.where(random.random(rows) < 1 / (1 + np.exp(-odds)), "yes", "no")}
    )  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(some.integers(0, 10_000), some.integers(2, 3), some.integers(2, 4))
def test_class_and_group_become_independent_and_keep_their_weight(seed: int, classes: int, groups: int) -> None:
    random = np.random.default_rng(seed)
    truth = np.concatenate([np.repeat(np.arange(classes), groups * 10), random.integers(0, classes, 200)]).astype(str)
    member = np.concatenate([np.tile(np.repeat(np.arange(groups), 10), classes), random.integers(0, groups, 200)])
    own = random.uniform(0.5, 2.0, len(truth))
    found = pd.DataFrame({"w": reweighed(truth, member, own), "o": own, "y": truth, "g": member})
    table = found.pivot_table(index="g", columns="y", values="w", aggfunc="sum").to_numpy()
    assert table == pytest.approx(np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum())
    assert found.groupby("g")["w"].sum().to_numpy() == pytest.approx(found.groupby("g")["o"].sum().to_numpy())
    assert found.groupby("y")["w"].sum().to_numpy() == pytest.approx(found.groupby("y")["o"].sum().to_numpy())


def test_the_sealed_model_treats_groups_more_alike(tmp_path: Path) -> None:
    key = SigningKey.create(tmp_path / "key")
    gaps = {}
    for name, chosen in (("plain", PLAIN), ("reweighed", mitigating())):
        made = train(loans(), chosen)
        (tmp_path / name).mkdir()
        write_bundle(made.candidate, tmp_path / name, key)
        rows = loans(2000, seed=1)
        answers = load(tmp_path / name, (key.public,)).predict(rows[["income", "near"]])
        said = pd.Series([a["label"] == "yes" for a in answers]).groupby(rows["sex"].to_numpy()).mean()
        gaps[name] = abs(said["m"] - said["f"])
    assert gaps["reweighed"] < 0.6 * gaps["plain"]


def test_small_cells_keep_their_weights() -> None:
    truth, groups = np.array(["a"] * 50 + ["b"] * 50), np.array([0] * 50 + [0] * 45 + [1] * 5)
    assert reweighed(truth, groups)[-5:].tolist() == [1.0] * 5


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"mitigate": "reweihing"}, "Did you mean 'reweighing'"),
        ({"mitigate": MitigateSettings(by="threshold_optimiser", column="near")}, "'near' is not sensitive"),
        ({"mitigate": "threshold_optimiser", "costs": {"false_positive": 1, "false_negative": 5}}, "cannot stand"),
        ({"mitigate": "exponentiated_gradient", "threshold": 0.3}, "cannot stand beside exponentiated_gradient"),
        ({"mitigate": "exponentiated_gradient", "calibrate": "isotonic"}, "it would move decisions again"),
        ({"mitigate": "exponentiated_gradient", "class_weight": "balanced"}, "which weighs rows itself"),
    ],
)
def test_what_cannot_be_is_refused_by_name(parts: dict[str, object], words: str) -> None:
    asked = msgspec.structs.replace(PLAIN, train=msgspec.structs.replace(PLAIN.train, **parts))
    with pytest.raises(ConfigInvalid, match=words):
        check_combinations(asked)


def test_groups_are_needed_in_the_settings_and_in_the_rows() -> None:
    bare = msgspec.structs.replace(mitigating(), model=msgspec.structs.replace(PLAIN.model, sensitive=()))
    with pytest.raises(ConfigInvalid, match="Name columns"):
        check_combinations(bare)
    with pytest.raises(ConfigInvalid, match="needs the sensitive column 'sex'"):
        train(loans(300).drop(columns="sex"), mitigating())
