"""One suite for every learner that Spark fits: answers, seeds, weights, sealing, rows on the disk. One session."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.ports.test_port_learner import FEW, TARGETS, candidate, scores
from tests.ports.test_port_learner import prepared as material_for

from fairlead.contract.engines import EngineSettings
from fairlead.contract.errors import ConfigInvalid, InputInvalid
from fairlead.contract.plugins import names, variant
from fairlead.lab.compile import certify, compile_pipeline, write_bundle
from fairlead.lab.stats import metrics
from fairlead.lab.train import fit
from fairlead.lab.train.distributed.sessions import using
from fairlead.lab.train.out_of_core.stored import Stored
from fairlead.runtime.bundle import SigningKey, load

pytestmark = pytest.mark.long
LEARNERS = [name for name in names("learner") if "pyspark" in getattr(variant("learner", name), "libraries", ())]
SAME = {"spark_logistic": "logistic", "spark_linear": "ridge"}
"""Learners of one process that have the same optimum."""


def able(name: str, target: str) -> bool:
    boosts_two = name == "spark_boosting" and target == "three"
    return TARGETS[target] in variant("learner", name).tasks and not boosts_two


CASES = [(name, target) for name in LEARNERS for target in TARGETS if able(name, target)]


@pytest.fixture(scope="module", autouse=True)
def session() -> Iterator[Any]:
    pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'fairlead[spark]'")
    import shutil

    from fairlead.lab.tables.engines.session import session as opened

    if shutil.which("java") is None:
        pytest.skip("java is not installed: make test-deps")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = opened(EngineSettings(name="spark", master="local[2]"))
        with using(found):
            yield found
        found.stop()


def default(name: str) -> dict[str, Any]:
    few = {**FEW, "trees": 10, "max_depth": 5}
    given = variant("learner", name)().default(240)
    return {key: min(value, few[key]) if key in few else value for key, value in given.items()}


@cache
def fitted(name: str, target: str) -> Any:
    return fit(material_for(target), name, default(name), seed=3)


@pytest.mark.parametrize(("name", "target"), CASES)
@pytest.mark.verified(
    "engines", "Spark ML and xgboost.spark", how="run", by="pyspark 4, local[2]: fits read out, compiled and certified"
)
def test_what_spark_fits_is_sealed_and_answers_as_spark_does(name: str, target: str, tmp_path: Path) -> None:
    material = material_for(target)
    pipeline = fitted(name, target)
    answers = scores(pipeline, material)
    found = metrics(material.signature.task, material.truth, answers, material.signature)
    assert found["r2"] > 0.3 if target == "number" else found["accuracy"] > 0.6
    compiled = compile_pipeline(pipeline, material.signature, material.frame)
    certificate = certify(pipeline, compiled, material.signature, material.columns)
    assert certificate.flipped == 0
    assert certificate.max_difference <= (1e-5 if name == "spark_xgboost" else 1e-12)
    # Every fit asked Spark for its own answers.
    assert getattr(pipeline.named_steps["model"], "apart_", 0.0) <= 1e-12
    key = SigningKey.create(tmp_path / "key")
    made = candidate_of(name, target, pipeline)
    write_bundle(made, tmp_path / "bundle", key)
    sealed = load(tmp_path / "bundle", [key.public]).score_columns(made.columns)
    assert np.abs(sealed - answers).max() <= (1e-5 if name == "spark_xgboost" else 1e-9)


def candidate_of(name: str, target: str, pipeline: Any) -> Any:
    from dataclasses import replace

    # Everything about it but the model is that of a learner that needs no Spark.
    return replace(candidate("ridge" if target == "number" else "logistic", target), pipeline=pipeline, name=name)


@pytest.mark.parametrize("name", LEARNERS)
def test_same_seed_same_answers(name: str) -> None:
    target = "number" if name == "spark_linear" else "two"
    again = fit(material_for(target), name, default(name), seed=3)
    assert np.array_equal(scores(fitted(name, target), material_for(target)), scores(again, material_for(target)))


@pytest.mark.parametrize(("name", "other"), SAME.items())
def test_a_linear_model_is_that_of_one_process(name: str, other: str) -> None:
    for target in [target for target in TARGETS if able(name, target)]:
        material = material_for(target)
        alone = fit(material, other, default(name), seed=3)
        apart = np.abs(scores(fitted(name, target), material) - scores(alone, material)).max()
        assert apart <= (1e-4 if target == "number" else 1e-3), apart


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", LEARNERS)
def test_from_the_disk_and_from_memory_the_same(name: str, weighted: bool, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(600, 4))
    pull = x[:, 0] - x[:, 1] + random.normal(0, 0.3, 600)
    weights = random.uniform(0.3, 3.0, 600)
    labels = () if name == "spark_linear" else ("a", "b")
    truth = (pull > 0).astype(float) if labels else pull
    with Stored(tmp_path / "rows", 4, weighted) as stream:
        stream.add(x[:250], truth[:250], weights[:250])
        stream.add(x[250:], truth[250:], weights[250:])
    learner, task = variant("learner", name)(), "classification" if labels else "regression"
    ours = variant("streamed", name)().fit(learner.build(task, default(name), 0), stream, labels)
    given = {"sample_weight": weights} if weighted else {}
    theirs = learner.build(task, default(name), 0).fit(
        x, np.array(labels)[truth.astype(int)] if labels else truth, **given
    )
    ask = (lambda model: model.predict_proba(x)) if labels else (lambda model: model.predict(x))
    apart = np.abs(ask(ours) - ask(theirs))
    # Rows come in other parts: trees draw and bin them otherwise, and a forest of ten is mostly what it drew.
    assert apart.mean() <= (1e-5 if name in SAME else 0.1)
    assert not list((tmp_path / "rows").glob("spark-*"))


def test_trees_leave_nothing_where_all_executors_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "of all hosts"
    shared.mkdir()
    monkeypatch.setenv("FAIRLEAD_SPARK_SCRATCH", f"file://{shared}")
    x = np.random.default_rng(0).normal(size=(60, 2))
    model = variant("learner", "spark_forest")().build("regression", default("spark_forest"), 0)
    assert model.fit(x, x[:, 0]).apart_ <= 1e-12
    assert not list(shared.iterdir())


def test_what_spark_does_not_take_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.zeros((20, 2))
    x[7, 1] = np.nan
    model = variant("learner", "spark_forest")().build("regression", default("spark_forest"), 0)
    with pytest.raises(InputInvalid, match="row 7, prepared feature 1 is missing"):
        model.fit(x, np.zeros(20))
    with Stored(tmp_path / "rows", 2, False) as stream:
        # In parts of few rows, of which the second one has it.
        monkeypatch.setattr(Stored, "part_rows", 5)
        stream.add(x, np.zeros(20))
    with pytest.raises(InputInvalid, match="row 7, prepared feature 1 is missing"):
        model.fit_stored(stream, ())
    assert not list((tmp_path / "rows").glob("spark-*"))
    three = variant("learner", "spark_boosting")().build("classification", default("spark_boosting"), 0)
    with pytest.raises(ConfigInvalid, match="two classes or a number, and there are 3 classes"):
        three.fit(np.random.default_rng(0).normal(size=(30, 2)), np.arange(30) % 3)
