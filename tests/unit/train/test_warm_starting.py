"""Going on from a sealed model: tried fairly, chosen by out-of-fold loss, sealed with the older preparation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace

from fairlead.contract.errors import UsageError
from fairlead.contract.plugins import variant
from fairlead.contract.preparing import PreparationSettings, Treatment
from fairlead.contract.settings import AugmentSettings, DataSettings, ModelSettings, Settings, TrainSettings
from fairlead.lab.compile import compile_pipeline
from fairlead.lab.train import train
from fairlead.lab.train.training import Training
from fairlead.lab.train.warm.start import Start

MODEL = ModelSettings(name="shop", task="classification", target="bought", positive="yes", time="at")


def shop(rows: int, start: str, seed: int, towns: tuple[str, ...] = ("Bonn", "Ulm")) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(size=(rows, 6)), columns=list("abcdef"))
    frame["town"] = random.choice(list(towns), rows)
    frame["at"] = pd.date_range(start, periods=rows, freq="10min").astype(str)
    # Many weak signals, which few rows do not show.
    odds = frame[list("abcdef")].to_numpy() @ [0.8, -0.7, 0.6, 0.5, -0.4, 0.3] * 1.5
    odds += np.where(frame["a"] * frame["b"] > 0, 1.0, -1.0)
    frame["bought"] = np.where(random.random(rows) < 1 / (1 + np.exp(-odds)), "yes", "no")
    return frame


def settings_for(learner: str, **more: Any) -> Settings:
    rules = TrainSettings(learners=(learner,), trials=1, folds=3, calibrate=False, **more)
    return Settings(model=MODEL, data=DataSettings(holdout=0.2), train=rules)


def start_from(training: Training, learned: pd.DataFrame | None = None) -> Start:
    candidate = training.candidate
    compiled = compile_pipeline(candidate.pipeline, candidate.signature)
    way = variant("warm", candidate.lineage.learner)()
    kept = way.artefact(candidate.pipeline.steps[-1][1])
    sealed = compiled.tail if kept is None else kept
    front = compiled.front.to_json()
    return Start("b" * 64, "version 1", candidate.lineage, candidate.signature, front, sealed, learned)


OLD, NEW = shop(3_000, "2024-01-01", 0), shop(500, "2024-03-01", 1)


@pytest.fixture(scope="module")
def starts() -> dict[str, Start]:
    return {name: start_from(train(OLD, settings_for(name))) for name in ("lightgbm", "logistic")}


@pytest.mark.parametrize("name", ["lightgbm", "logistic"])
def test_where_new_rows_are_few_the_older_model_is_gone_on_from(name: str, starts: dict[str, Start]) -> None:
    found = train(NEW, settings_for(name), older=starts[name])
    warm = found.warm
    assert warm is not None
    assert warm.chosen
    assert warm.fair == "happened after its training ended"
    assert warm.warm is not None
    assert warm.anew is not None
    assert warm.warm < warm.anew
    assert warm.gain is not None
    assert warm.gain.value > 0
    assert warm.gain.low > 0 or name == "logistic"
    assert "gone on from version 1" in warm.says
    lineage = found.candidate.lineage
    assert (lineage.warm_start, lineage.parent, lineage.learner) == ("b" * 64, "b" * 64, name)
    assert lineage.preparation == starts[name].lineage.preparation
    assert found.leaderboard[0]["name"] == f"{name} from version 1"
    assert [row["name"] for row in found.leaderboard if row["chosen"]] == [f"{name} from version 1"]
    # It compiles, to the very preparation of the older one.
    compiled = compile_pipeline(found.candidate.pipeline, found.candidate.signature)
    assert compiled.front.to_json() == starts[name].front
    assert found.folds
    assert all(np.isfinite(line["metrics"]["log_loss"]) for line in found.folds)
    if name == "lightgbm":
        trees = found.candidate.pipeline.steps[-1][1].booster_.num_trees()
        assert trees == starts[name].lineage.parameters["n_estimators"] + lineage.parameters["n_estimators"]


def test_where_the_world_turned_and_rows_are_many_it_is_trained_anew(starts: dict[str, Start]) -> None:
    turned = shop(1_200, "2024-03-01", 2)
    turned["bought"] = np.where(turned["bought"] == "yes", "no", "yes")
    found = train(turned, settings_for("lightgbm"), older=starts["lightgbm"])
    assert found.warm is not None
    assert not found.warm.chosen
    assert found.candidate.lineage.warm_start == ""
    assert found.warm.says.startswith("trained anew, not on from version 1")


def test_rows_the_older_model_has_seen_judge_nothing(starts: dict[str, Start]) -> None:
    # The same rows again: going on would look splendid on what it has learned by heart.
    found = train(OLD, settings_for("lightgbm"), older=starts["lightgbm"])
    assert found.warm is not None
    assert not found.warm.chosen
    assert found.warm.rows == 0
    assert "too few" in found.warm.says
    assert found.warm.warm is None


def test_without_time_rows_are_known_by_what_they_hold() -> None:
    settings = settings_for("logistic")
    settings = replace(settings, model=replace(MODEL, time=None, exclude=("at",)))
    old = OLD.drop(columns="at")[:1_500]
    first = train(old, settings)
    both = pd.concat([old, NEW.drop(columns="at")], ignore_index=True)
    unknown = train(both, settings, older=start_from(first))
    assert unknown.warm is not None
    assert "is not known" in unknown.warm.says
    known = train(both, settings, older=start_from(first, old))
    assert known.warm is not None
    assert known.warm.fair == "are not among those it learned from"
    # Those that are new, but for a fifth kept for judging.
    assert 330 < known.warm.rows < 470


def test_what_differs_is_named(starts: dict[str, Start]) -> None:
    start = starts["lightgbm"]
    scaled = replace(settings_for("lightgbm"), preparation=PreparationSettings(numbers=Treatment(scale="minmax")))
    with pytest.raises(UsageError, match=r"\[preparation\] numbers is another one"):
        train(NEW, scaled, older=start)
    more = NEW.assign(g=1.5, town=np.arange(len(NEW))).drop(columns="f")
    with pytest.raises(
        UsageError, match=r"column f is gone; column g is new; column town was category, text and is in"
    ):
        train(more, settings_for("lightgbm"), older=start)
    with pytest.raises(UsageError, match="augment cannot be asked"):
        train(NEW, settings_for("lightgbm", augment=AugmentSettings(by="noise")), older=start)


def test_a_model_of_another_kind_is_refused_by_name(starts: dict[str, Start]) -> None:
    import dataclasses

    lineage = replace(starts["lightgbm"].lineage, learner="random_forest")
    with pytest.raises(UsageError, match="random_forest, which cannot be gone on from; these can: logistic"):
        train(NEW, settings_for("lightgbm"), older=dataclasses.replace(starts["lightgbm"], lineage=lineage))


def test_new_categories_are_told(starts: dict[str, Start]) -> None:
    found = train(
        shop(500, "2024-03-01", 1, ("Bonn", "Ulm", "Jena")), settings_for("logistic"), older=starts["logistic"]
    )
    assert found.warm is not None
    assert found.warm.chosen
    assert "town has 1 categories that version 1 never saw" in found.warm.says
