"""Splits of a ranking: no group is ever on both sides, without time; with time, straddling groups are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from fairlead.contract.errors import ConfigInvalid, InputInvalid
from fairlead.contract.settings import ModelSettings, Settings, TrainSettings
from fairlead.lab.train import train
from fairlead.lab.train.bench import Bench
from fairlead.lab.train.folding import folds_of
from fairlead.lab.train.grouped import dealt_groups, gain_by_group, kept_groups, straddling
from fairlead.lab.train.material import Material, material_of, split_holdout
from fairlead.lab.train.stopping import parted
from fairlead.lab.train.suspects.answers import folds_of_copies
from fairlead.lab.train.training import fold_lines

MODEL = ModelSettings(name="shown", task="regression", target="gain", group="query")
SETTINGS = Settings(model=MODEL, train=TrainSettings(learners=("ridge",), trials=1, folds=3))


def shown(groups: int = 40, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    sizes = random.integers(2, 7, groups)
    query = np.repeat([f"q{g}" for g in range(groups)], sizes)
    near = random.normal(size=len(query)).round(3)
    frame = pd.DataFrame({"query": query, "near": near, "gain": np.maximum(np.round(near + 1), 0.0)})
    return frame.sample(frac=1.0, random_state=seed).reset_index(drop=True)


@pytest.fixture(scope="module")
def material() -> Material:
    return material_of(shown(), SETTINGS)


def whole(material: Material, left: np.ndarray, right: np.ndarray) -> bool:
    assert material.clusters is not None
    return not set(material.clusters[left]) & set(material.clusters[right])


def test_the_group_is_passed_through_and_no_feature(material: Material) -> None:
    signature = material.signature
    assert (signature.names, signature.group, signature.passthrough) == (("near",), "query", ("query",))
    assert signature.sticky == "query"


def test_holdout_folds_repeats_and_inner_folds_keep_groups_whole(material: Material) -> None:
    learn, kept = split_holdout(material, 0.25, 0)
    assert whole(material, learn, kept)
    assert 0.15 < len(kept) / material.rows < 0.35
    part = material.take(learn)
    for fold in folds_of(part, 3, 0, repeats=2):
        assert whole(part, fold.fit, fold.judge)
        inner = part.take(fold.fit)
        assert all(whole(inner, f.fit, f.judge) for f in folds_of(inner, 3, 0))
    fold = folds_of_copies(part, 3, 0)
    assert whole(part, np.flatnonzero(fold == 0), np.flatnonzero(fold > 0))


def test_folds_have_gains_alike(material: Material) -> None:
    means = [material.truth[f.judge].mean() for f in folds_of(material, 3, 0)]
    assert max(means) - min(means) < 0.5 * material.truth.std()


@examples(max_examples=40, deadline=None)
@given(st.integers(2, 30), st.integers(0, 5), st.floats(0.05, 0.95))
def test_every_group_is_dealt_once_and_neither_side_is_empty(groups: int, seed: int, share: float) -> None:
    random = np.random.default_rng(seed)
    clusters = np.concatenate([np.arange(groups), random.integers(0, groups, 3 * groups)])
    gain = random.random(groups)
    kept = kept_groups(clusters, gain, share, random)
    assert kept.any()
    assert not kept.all()
    assert not set(clusters[kept]) & set(clusters[~kept])
    count = min(groups, 5)
    fold = dealt_groups(clusters, gain, count, random)
    sizes = np.bincount([fold[clusters == g][0] for g in range(groups)], minlength=count)
    assert sizes.max() - sizes.min() <= 1
    assert all(len(set(fold[clusters == g])) == 1 for g in range(groups))


def test_metrics_of_folds_hold_those_of_the_order(material: Material) -> None:
    bench = Bench(material, folds_of(material, 3, 0))
    lines = fold_lines(bench, material.truth.reshape(-1, 1))
    assert all(line["metrics"]["ndcg_at_5"] == 1.0 for line in lines)


def test_by_time_straddling_groups_are_counted() -> None:
    clusters = np.array([0, 0, 1, 2, 1, 3])
    assert straddling(clusters, np.arange(4), np.arange(4, 6)) == (1, 2)
    frame = shown(12).assign(at=pd.date_range("2024-01-01", periods=len(shown(12)), freq="h").astype(str))
    timed = replace_model(time="at")
    material = material_of(frame, timed)
    learn, kept = split_holdout(material, 0.3, 0)
    assert material.times is not None
    assert material.times[learn].max() < material.times[kept].min()


def replace_model(**changes: object) -> Settings:
    from msgspec.structs import replace as changed

    return changed(SETTINGS, model=changed(MODEL, **changes))


def test_what_is_no_ranking_is_refused_by_name() -> None:
    frame = shown()
    with pytest.raises(InputInvalid, match="gains of 0 or more; the smallest is -2"):
        material_of(frame.assign(gain=frame["gain"] - 2), SETTINGS)
    three = frame.assign(gain=np.resize(["a", "b", "c"], len(frame)))
    with pytest.raises(ConfigInvalid, match="has 3"):
        material_of(three, replace_model(task="classification"))
    with pytest.raises(InputInvalid, match="one group"):
        split_holdout(material_of(frame.assign(query="q"), SETTINGS), 0.2, 0)
    few = material_of(frame.assign(query=np.resize(["a", "b"], len(frame))), SETTINGS)
    with pytest.raises(InputInvalid, match="2 groups are too few for 3 folds"):
        folds_of(few, 3, 0)
    with pytest.raises(ConfigInvalid, match="Did you mean 'query'"):
        material_of(frame, replace_model(group="querry"))


def test_rows_without_a_group_are_learned_from_as_groups_of_their_own() -> None:
    frame = shown()
    frame.loc[[3, 5], "query"] = None
    material = material_of(frame, SETTINGS)
    assert material.clusters is not None
    counts = np.bincount(material.clusters)
    assert counts[material.clusters[3]] == counts[material.clusters[5]] == 1
    assert len(gain_by_group(material.clusters, material.truth, material.signature)) == len(counts)
    assert replace(material, clusters=None).take(np.arange(3)).clusters is None


def test_rounds_are_sought_on_groups_that_were_not_learned_from(material: Material) -> None:
    clusters = material.clusters
    assert clusters is not None
    marks = clusters.astype(float).reshape(-1, 1)
    found = parted(marks, material.truth, None, False, False, 0, clusters)
    assert found is not None
    learned, judged = found
    assert not set(learned.features[:, 0]) & set(judged.features[:, 0])
    assert len(judged.truth) >= 0.15 * material.rows
    assert parted(marks, material.truth, None, False, False, 0, np.zeros(material.rows, dtype=int)) is None


def test_a_ranking_with_patience_is_timed_and_trained() -> None:
    rules = TrainSettings(learners=("hist_gradient_boosting",), trials=1, folds=2, patience=10)
    training = train(shown(60), replace_train(rules))
    assert training.metrics["ndcg_at_5"] > 0.8


def replace_train(rules: TrainSettings) -> Settings:
    from msgspec.structs import replace as changed

    return changed(SETTINGS, train=rules)
