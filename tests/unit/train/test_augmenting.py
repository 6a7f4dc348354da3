"""Rows that never were: where they lie, how many, and that no fold is judged on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import AugmentSettings, ModelSettings, Settings, TrainSettings
from fairlead.lab.train import fit, material_of, score_pipeline
from fairlead.lab.train.augmenting import augmented, two_valued
from fairlead.lab.train.bench import Bench
from fairlead.lab.train.folding import folds_of

WAYS = ("smote", "borderline", "adasyn", "mixup", "noise")


def table(rows: int = 200, rare: int = 20, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = np.array(["no"] * (rows - rare) + ["yes"] * rare)
    numbers = random.normal(size=(rows, 2)) + (truth == "yes")[:, None] * 1.5
    flag = (random.random(rows) < 0.4).astype(float)
    return np.column_stack([numbers, flag]), truth


@pytest.mark.parametrize("way", WAYS)
def test_the_rows_themselves_stay_and_come_first(way: str) -> None:
    features, truth = table()
    rows, labels, weights = augmented(features, truth, None, AugmentSettings(by=way), "classification", 0)  # type: ignore[arg-type]
    assert np.array_equal(rows[:200], features)
    assert np.array_equal(labels[:200], truth)
    assert len(rows) == len(labels) > 200
    assert weights is None or len(weights) == len(rows)
    assert set(np.unique(rows[:, 2])) == {0.0, 1.0}
    again = augmented(features, truth, None, AugmentSettings(by=way), "classification", 0)  # type: ignore[arg-type]
    assert np.array_equal(again[0], rows)


@pytest.mark.parametrize("way", WAYS[:3])
@pytest.mark.parametrize("ratio", [0.5, 1.0])
def test_rare_classes_grow_to_the_ratio(way: str, ratio: float) -> None:
    features, truth = table()
    rules = AugmentSettings(by=way, ratio=ratio)  # type: ignore[arg-type]
    rows, labels, _ = augmented(features, truth, None, rules, "classification", 0)
    assert (labels == "yes").sum() == round(180 * ratio)
    assert (labels == "no").sum() == 180
    new, rare = rows[200:], features[truth == "yes"]
    assert (labels[200:] == "yes").all()
    for column in (0, 1):
        assert rare[:, column].min() <= new[:, column].min()
        assert new[:, column].max() <= rare[:, column].max()


def test_a_new_row_lies_between_a_rare_row_and_a_near_one() -> None:
    features, truth = table()
    rules = AugmentSettings(by="smote", neighbours=1)
    rows, _, _ = augmented(features, truth, None, rules, "classification", 0)
    rare = features[truth == "yes"]
    apart = [
        min(
            np.linalg.norm(new[:2] - a[:2]) + np.linalg.norm(new[:2] - b[:2]) - np.linalg.norm(a[:2] - b[:2])
            for i, a in enumerate(rare) for b in rare[i + 1 :]
        )
        for new in rows[200:230]
    ]  # fmt: skip
    assert max(apart) < 1e-9


def test_borderline_and_adasyn_prefer_rows_in_doubt() -> None:
    random = np.random.default_rng(1)
    safe, doubtful = random.normal(8, 0.3, (20, 2)), random.normal(0, 1.0, (20, 2))
    common = random.normal(0, 1.0, (300, 2))
    features = np.concatenate([common, safe, doubtful])
    truth = np.array(["no"] * 300 + ["yes"] * 40)
    share = {}
    for way in WAYS[:3]:
        rows, _, _ = augmented(features, truth, None, AugmentSettings(by=way), "classification", 0)  # type: ignore[arg-type]
        share[way] = float((rows[340:, 0] > 6).mean())
    assert 0.3 < share["smote"] < 0.7
    assert share["borderline"] < 0.05
    assert share["adasyn"] < 0.05


def test_mixup_weighs_both_labels_and_keeps_the_sum() -> None:
    features, truth = table()
    own = np.linspace(1, 2, 200)
    rows, labels, weights = augmented(features, truth, own, AugmentSettings(by="mixup"), "classification", 3)
    assert weights is not None
    assert len(rows) == 600
    assert np.array_equal(rows[200:400], rows[400:])
    assert weights[200:400] == pytest.approx(own * (1 - _shares(weights, own)))
    assert np.array_equal(labels[200:400], truth)
    numbers = features[:, 0] * 3
    _, mixed, none = augmented(features, numbers, None, AugmentSettings(by="mixup"), "regression", 3)
    assert none is None
    assert numbers.min() <= mixed.min()
    assert mixed.max() <= numbers.max()


def _shares(weights: np.ndarray, own: np.ndarray) -> np.ndarray:
    return 1 - weights[200:400] / own


@settings(max_examples=30)
@given(st.integers(2, 40), st.integers(2, 5), st.integers(0, 1000), st.sampled_from(WAYS))
def test_any_table_of_two_classes_gives_finite_rows_of_its_own_range(rare: int, wide: int, seed: int, way: str) -> None:
    random = np.random.default_rng(seed)
    features = np.round(random.normal(size=(60, wide)), 1)
    truth = np.array([0] * (60 - rare) + [1] * rare)
    rules = AugmentSettings(by=way, scale=1e-9)  # type: ignore[arg-type]
    rows, labels, weights = augmented(features, truth, None, rules, "classification", seed)
    assert np.isfinite(rows).all()
    assert set(labels) <= {0, 1}
    assert (rows.min(axis=0) >= features.min(axis=0) - 1e-6).all()
    assert (rows.max(axis=0) <= features.max(axis=0) + 1e-6).all()
    assert weights is None or ((weights >= 0).all() and weights.sum() > 0)


def test_columns_of_two_values_are_known() -> None:
    features, _ = table()
    assert two_valued(features).tolist() == [False, False, True]


def frame(rows: int = 240) -> pd.DataFrame:
    random = np.random.default_rng(5)
    size = random.normal(size=rows)
    kind = random.choice(["a", "b"], rows)
    rare = random.random(rows) < 1 / (1 + np.exp(3 - 2 * size))
    return pd.DataFrame({"size": size, "kind": kind, "fraud": np.where(rare, "yes", "no")})


def settings_of(**train: Any) -> Settings:
    model = ModelSettings(name="m", task="classification", target="fraud", positive="yes")
    return Settings(model=model, train=TrainSettings(**train))


def test_a_fit_learns_from_them_and_finds_more_of_the_rare() -> None:
    plain = material_of(frame(), settings_of())
    more = material_of(frame(), settings_of(augment=AugmentSettings(by="smote")))
    usual, grown = (score_pipeline(fit(m, "logistic", {"C": 1.0}), m.columns, m.signature) for m in (plain, more))
    assert grown[:, 1].mean() > usual[:, 1].mean() + 0.1


def test_folds_are_judged_on_their_own_rows_alone() -> None:
    material = material_of(frame(), settings_of(augment=AugmentSettings(by="smote")))
    bench = Bench(material, folds_of(material, 3, 0))
    from fairlead.lab.train.fitting import learner_of

    answers = [bench.answers(i, learner_of("logistic"), {"C": 1.0}, 0) for i in range(3)]
    assert [len(a) for a in answers] == [len(f.judge) for f in bench.folds]


@pytest.mark.parametrize(
    ("task", "by", "said"), [("regression", "smote", "a regression has none"), ("anomaly", "noise", "not augmented")]
)
def test_what_cannot_be_is_said(task: Any, by: Any, said: str) -> None:
    with pytest.raises(ConfigInvalid, match=said):
        augmented(np.zeros((4, 1)), np.zeros(4), None, AugmentSettings(by=by), task, 0)


def test_too_many_rows_are_refused() -> None:
    with pytest.raises(ConfigInvalid, match="more than 1,000,000"):
        augmented(
            np.zeros((60_000, 1)), np.zeros(60_000), None, AugmentSettings(by="noise", copies=20), "regression", 0
        )
