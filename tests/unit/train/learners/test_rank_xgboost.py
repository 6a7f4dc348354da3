"""A booster that learns the order: better than the same trees row by row where only the order can be learned."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import AugmentSettings, ModelSettings, Settings, TrainSettings
from fairlead.lab.compile import write_bundle
from fairlead.lab.stats.ranking import ranking_metrics
from fairlead.lab.train import train
from fairlead.ops.project.combinations import check_combinations
from fairlead.runtime.bundle import SigningKey, load

pytest.importorskip("xgboost")
SETTINGS = Settings(
    model=ModelSettings(name="shown", task="regression", target="gain", group="query"),
    train=TrainSettings(learners=("rank_xgboost",), trials=1, folds=2),
)


def shown(groups: int, seed: int) -> pd.DataFrame:
    """Gains differ far more between groups than within one: what they have in common drowns what orders them."""
    random = np.random.default_rng(seed)
    query = np.repeat(np.arange(groups), 8)
    near, other = random.normal(size=len(query)), random.normal(size=len(query))
    level = np.repeat(random.choice([0.0, 3.0, 9.0], groups), 8)
    gain = np.maximum(
        np.round(level + 2.0 * np.sign(near) * (other > 0) + random.normal(scale=0.5, size=len(query))), 0
    )
    return pd.DataFrame({"query": query, "near": near.round(3), "other": other.round(3), "gain": gain})


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return shown(120, 0)


def test_it_is_sealed_with_parity_and_orders_better_than_rows_alone(frame: pd.DataFrame, tmp_path: Path) -> None:
    later, found = shown(150, 1), {}
    for learner in ("rank_xgboost", "xgboost"):
        training = train(frame, replace(SETTINGS, train=replace(SETTINGS.train, learners=(learner,))))
        key = SigningKey.create(tmp_path / f"{learner}.key")
        (tmp_path / learner).mkdir()
        write_bundle(training.candidate, tmp_path / learner, key)
        parity = json.loads((tmp_path / learner / "parity.json").read_text())
        assert (parity["form"], parity["flipped"]) == ("xgboost", 0)
        model = load(tmp_path / learner, (key.public,))
        scores = model.score_columns({name: later[name].to_numpy() for name in ("near", "other")})
        found[learner] = ranking_metrics(later["gain"], scores, later["query"], model.signature)["ndcg_at_3"]
        # On the scale of the gains, so that errors mean something.
        assert abs(float(np.mean(scores)) - float(frame["gain"].mean())) < 1.0
    assert found["rank_xgboost"] > found["xgboost"] + 0.01, found


def test_without_groups_it_is_refused_by_the_project() -> None:
    with pytest.raises(ConfigInvalid, match=r"there is no model\.group"):
        check_combinations(replace(SETTINGS, model=replace(SETTINGS.model, group=None)))
    check_combinations(SETTINGS)


def test_rows_that_are_made_have_no_group(frame: pd.DataFrame) -> None:
    rules = replace(SETTINGS.train, augment=AugmentSettings(by="noise"))
    with pytest.raises(ConfigInvalid, match="belong to no group"):
        train(frame, replace(SETTINGS, train=rules))
