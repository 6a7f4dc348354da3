"""What a compression tries, how it chooses, and what it says of both models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from fairlead.contract.plugins import variant
from fairlead.contract.settings import ModelSettings, Settings, TrainSettings
from fairlead.lab.compile import write_bundle
from fairlead.lab.compress import (
    Search,
    Smaller,
    gained,
    is_smaller,
    measured_together,
    smaller_than,
    smallest,
)
from fairlead.lab.compress.measuring import Measured
from fairlead.lab.compress.searching import ALIKE, ranked
from fairlead.lab.train import material_of, train
from fairlead.lab.train.bench import Bench
from fairlead.lab.train.folding import folds_of
from fairlead.lab.train.journal import Journal
from fairlead.lab.train.recorded import Trial, without_search
from fairlead.runtime.bundle import SigningKey, load


def shop(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    size, idle = random.normal(size=rows), random.normal(size=rows)
    colour = random.choice(["red", "blue"], rows)
    odds = 2.0 * size + (colour == "red")
    bought = np.where(random.random(rows) < 1 / (1 + np.exp(-odds)), "yes", "no")
    return pd.DataFrame({"size": size, "idle": idle, "colour": colour, "bought": bought, "odds": odds})


def settings_of(target: str) -> Settings:
    task = "classification" if target == "bought" else "regression"
    other = "odds" if target == "bought" else "bought"
    model = ModelSettings(name="m", task=task, target=target, exclude=(other,))  # type: ignore[arg-type]
    return Settings(model=model, train=TrainSettings(folds=3))


FOREST = {"n_estimators": 24, "max_depth": 8, "min_samples_leaf": 3, "max_features": 0.6}


def bench_of(target: str) -> Bench:
    material = material_of(shop(), settings_of(target))
    return Bench(material, folds_of(material, 3, 0))


def searched(target: str, tries: Any, max_loss: float, seconds: float = 600.0, **more: Any) -> Any:
    search = Search(bench_of(target), max_loss=max_loss, seed=0, journal=more.pop("journal", None))
    return smallest(search, "random_forest", FOREST, tries, seconds=seconds, **more)


def test_every_way_is_smaller_and_none_is_tried_twice() -> None:
    tries = smaller_than("random_forest", FOREST, "classification")
    assert {one.way for one in tries} == {"fewer_trees", "less_deep", "pruned", "unhelpful", "unused", "distilled"}
    assert len({repr((t.learner, t.parameters)) for t in tries}) == len(tries)
    assert all(t.parameters != FOREST for t in tries)
    assert [t.parameters["n_estimators"] for t in tries if t.way == "fewer_trees"] == [12, 6, 5]
    boosted = smaller_than("hist_gradient_boosting", {"max_iter": 100, "max_leaf_nodes": 31}, "regression")
    assert {one.way for one in boosted} == {"fewer_trees", "fewer_leaves", "unhelpful", "unused", "distilled"}
    network = smaller_than("mlp", {"layers": "32x16", "alpha": 0.1}, "classification")
    assert [t.parameters["layers"] for t in network if t.way == "narrower"] == ["16x8", "8x4"]
    assert [t.way for t in smaller_than("ridge", {"alpha": 1.0}, "regression")] == ["distilled", "distilled"]


@pytest.mark.parametrize("target", ["bought", "odds"])
def test_the_smallest_that_costs_little_is_chosen(target: str) -> None:
    task = "classification" if target == "bought" else "regression"
    tries = [t for t in smaller_than("random_forest", FOREST, task) if t.way in ("fewer_trees", "distilled")]
    best, tried = searched(target, tries, 0.05)
    sizes = {t.what: t.bytes for t in tried if t.bytes is not None}
    assert sizes[best[0].what] <= min(sizes.values()) * ALIKE
    assert {one.what for one in best} <= set(sizes)
    assert len(tried) == len(tries)


def test_nothing_is_chosen_where_everything_costs_too_much() -> None:
    tries = smaller_than("random_forest", FOREST, "classification")[:2]
    chosen, tried = searched("bought", tries, 0.0)
    assert chosen == ()
    assert all(t.bytes is None and "worse" in t.why for t in tried)


def test_what_is_no_smaller_is_not_called_so() -> None:
    more = Smaller("more", "more trees", "random_forest", {**FOREST, "n_estimators": 60})
    chosen, tried = searched("bought", [more], 1.0)
    assert chosen == ()
    assert tried[0].why == "no smaller once compiled"


def test_time_ends_the_search_and_what_was_left_out_is_said() -> None:
    tries = smaller_than("random_forest", FOREST, "classification")[:3]
    _, tried = searched("bought", tries, 0.05, seconds=1e-9)
    assert [t.why.startswith("not tried") for t in tried] == [False, True, True]


def test_a_student_that_cannot_be_fitted_is_said() -> None:
    tries = [t for t in smaller_than("random_forest", FOREST, "classification") if t.way == "distilled"][:1]
    broken = type(tries[0])("distilled", "no such", "distilled", {**tries[0].parameters, "student": "nobody"})
    chosen, tried = searched("bought", [broken], 1.0)
    assert chosen == ()
    assert "nobody" in tried[0].why


def test_students_learn_their_teachers_answers() -> None:
    random = np.random.default_rng(1)
    features = random.normal(size=(800, 3))
    truth = np.where(random.random(800) < 1 / (1 + np.exp(-2 * features[:, 0])), "b", "a")
    given = {
        "teacher": "hist_gradient_boosting", "teacher_parameters": {"max_iter": 20},
        "student": "logistic", "student_parameters": {"C": 1.0},
    }  # fmt: skip
    distilled = variant("learner", "distilled")()
    built = distilled.build("classification", given, 0)
    student = built.fit(features, truth)
    assert type(student) is LogisticRegression
    teacher = built.teacher.predict_proba(features)[:, 1]
    assert np.corrcoef(student.predict_proba(features)[:, 1], teacher)[0, 1] > 0.9
    weights = np.where(features[:, 0] > 0, 1.0, 0.0)
    half = distilled.build("classification", given, 0).fit(features, truth, sample_weight=weights)
    assert not np.allclose(half.coef_, student.coef_)

    numbers = variant("learner", "distilled")().build(
        "regression",
        {
            "teacher": "hist_gradient_boosting", "teacher_parameters": {"max_iter": 20},
            "student": "ridge", "student_parameters": {"alpha": 1.0},
        },
        0,
    )  # fmt: skip
    line = numbers.fit(features, features[:, 0] * 2)
    assert type(line) is Ridge
    assert np.allclose(
        line.predict(features), Ridge(alpha=1.0).fit(features, numbers.teacher.predict(features)).predict(features)
    )


def sealed(folder: Path, learner: str, parameters: dict[str, Any]) -> tuple[Any, Path, str]:
    settings = without_search(settings_of("bought"))
    training = train(shop(), settings, trial=Trial(learner, parameters))
    key = SigningKey.create(folder / "key")
    (folder / "bundle").mkdir()
    write_bundle(training.candidate, folder / "bundle", key)
    return load(folder / "bundle", [key.public]), folder / "bundle", key.public


def test_a_smaller_forest_measures_smaller(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    large = sealed(tmp_path / "a", "random_forest", FOREST)
    small = sealed(tmp_path / "b", "random_forest", {**FOREST, "n_estimators": 5, "max_depth": 3})
    columns = material_of(shop(), settings_of("bought")).columns
    before, after = measured_together(
        (large[0], small[0]), (large[1], small[1]), columns, (large[2], small[2]), rounds=1
    )
    share = gained(before, after)
    assert share["bytes"] < 0.2
    assert after.row_us > 0
    assert before.memory_mb >= 0
    assert before.cpu_s_per_million > 0


def test_figures_and_the_verdict_on_them() -> None:
    before = Measured(bytes=1000, memory_mb=10.0, row_us=4.0, cpu_s_per_million=1.0)
    share = gained(before, Measured(bytes=500, memory_mb=5.0, row_us=4.1, cpu_s_per_million=0.5))
    assert share == {"bytes": 0.5, "memory": 0.5, "latency": 1.025, "cpu": 0.5}
    assert is_smaller(share)
    assert not is_smaller({**share, "bytes": 0.97})
    assert not is_smaller({**share, "latency": 1.5})
    assert not is_smaller({**share, "cpu": 1.2})


def test_a_search_that_ended_early_goes_on_and_fits_nothing_twice(tmp_path: Path) -> None:
    tries = [t for t in smaller_than("random_forest", FOREST, "classification") if t.way in ("fewer_trees", "unused")]
    whole, all_tried = searched("bought", tries, 0.05)
    folder = tmp_path / "searches" / "one"
    searched("bought", tries[:2], 0.05, journal=Journal(folder))
    before = (folder / "trials.jsonl").read_text()
    resumed = Journal(folder)
    best, tried = searched("bought", tries, 0.05, journal=resumed)
    assert [one.what for one in best] == [one.what for one in whole]
    assert [(t.what, t.difference, t.bytes) for t in tried] == [(t.what, t.difference, t.bytes) for t in all_tried]
    after = (folder / "trials.jsonl").read_text()
    assert after.startswith(before)
    again = Search(bench_of("bought"), max_loss=0.05, seed=0, journal=Journal(folder))
    again._losses = again._size = None  # type: ignore[method-assign,assignment]  # nothing is left to be fitted
    assert smallest(again, "random_forest", FOREST, tries, seconds=600)[0] == best


def test_of_models_of_nearly_the_same_bytes_the_much_faster_one_goes_first() -> None:
    small, near, large = (Smaller("w", name, "l", {}) for name in ("small", "near", "large"))
    assert ranked([(2000, 0.1, large), (1030, 0.5, near), (1000, 1.0, small)]) == [
        (1030, 0.5, near), (1000, 1.0, small), (2000, 0.1, large),
    ]  # fmt: skip
    assert [one for _, _, one in ranked([(1030, 0.9, near), (1000, 1.0, small)])] == [small, near]
    assert ranked([]) == []


def test_where_answers_keep_to_an_order_what_cannot_promise_that_is_refused_by_name() -> None:
    settings = settings_of("bought")
    terms = msgspec.structs.replace(settings.train, monotone={"size": 1})
    material = material_of(shop(), msgspec.structs.replace(settings, train=terms))
    search = Search(Bench(material, folds_of(material, 3, 0)), max_loss=0.5, seed=0)
    few = {"max_iter": 12, "max_leaf_nodes": 8}
    tries = [
        next(t for t in smaller_than("hist_gradient_boosting", few, "classification") if t.way == way)
        for way in ("fewer_leaves", "unused", "distilled")
    ]
    best, tried = smallest(search, "hist_gradient_boosting", few, tries, seconds=600)
    assert [one.way for one in best] == ["fewer_leaves"]
    assert [("monotone" in one.why) for one in tried] == [False, True, True]
