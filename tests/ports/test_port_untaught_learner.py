"""One suite for every learner of clusters or anomalies, ours and third parties': settings, fits, seeds, sealing."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest

from fairlead.contract.evidence import Lineage
from fairlead.contract.plugins import names, variant
from fairlead.contract.profile import Reference
from fairlead.contract.settings import ModelSettings, Settings
from fairlead.contract.signature import UNSUPERVISED
from fairlead.lab.compile import Candidate, certify, compile_pipeline, write_bundle
from fairlead.lab.stats import bins_for, metrics, profile
from fairlead.lab.train import fit, material_of, score_pipeline
from fairlead.lab.train.untaught import settled, with_signature
from fairlead.ops.registry.pyfunc import Answers
from fairlead.runtime.bundle import SigningKey, inspect, load
from fairlead.runtime.wire.answer_columns import score_columns

optuna.logging.set_verbosity(optuna.logging.ERROR)


def frame(seed: int = 0, rows: int = 240) -> pd.DataFrame:
    """Two groups, and every twentieth row far from both; some cells missing, a category, a constant column."""
    random = np.random.default_rng(seed)
    group = random.integers(0, 2, rows)
    size = group * 6.0 + random.normal(size=rows)
    wide = group * -6.0 + random.normal(size=rows)
    odd = np.arange(rows) % 20 == 7
    size[odd] += random.choice([-25.0, 25.0], odd.sum())
    size[::17] = np.nan
    return pd.DataFrame(
        {
            "size": size,
            "wide": wide,
            "count": random.integers(0, 9, rows),
            "colour": random.choice(["red", "green", None], size=rows),
            "same": 3.0,
            "odd": odd,
            "group": np.where(group, "right", "left"),
        }
    )


def learners() -> list[Any]:
    """(learner, task) of each that answers for new rows."""
    every = [(name, variant("learner", name)) for name in names("learner")]
    return [
        pytest.param(name, task, id=name)
        for name, learner in every
        for task in UNSUPERVISED
        if task in learner.tasks and not getattr(learner, "explores", False)
    ]


CASES = learners()
TARGETS = {"clustering": "group", "anomaly": "odd"}


@cache
def prepared(task: str) -> Any:
    target = TARGETS[task]
    others = tuple(set(TARGETS.values()) - {target})
    model = ModelSettings(name="m", task=task, target=target, exclude=others)  # type: ignore[arg-type]
    return material_of(frame(), Settings(model=model))


@cache
def fitted(name: str, task: str) -> tuple[Any, Any]:
    """The pipeline, and the rows under the signature that it settles."""
    material = prepared(task)
    pipeline = fit(material, name, variant("learner", name)().default(material.rows), seed=3)
    answers = score_pipeline(pipeline, material.columns, material.signature)
    signature = settled(material, pipeline, answers, Settings(model=ModelSettings(name="m", task=task)))  # type: ignore[arg-type]
    return pipeline, with_signature(material, signature)


def candidate(name: str, task: str) -> Candidate:
    pipeline, material = fitted(name, task)
    reference = Reference(profile=profile(material.columns, bins_for(material.columns, material.signature)))
    lineage = Lineage("d", material.rows, name, {}, 3, "c", versions={"numpy": "2", "onnxruntime": "1"})
    return Candidate(pipeline, material.signature, lineage, reference, material.columns, name=name)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_it_says_what_it_is(name: str, task: str) -> None:
    learner = variant("learner", name)()
    assert learner.name == name
    assert task in learner.tasks
    assert learner.complexity >= 1


@pytest.mark.parametrize(("name", "task"), CASES)
def test_same_seed_same_answers(name: str, task: str) -> None:
    pipeline, material = fitted(name, task)
    again = fit(prepared(task), name, variant("learner", name)().default(material.rows), seed=3)
    one, other = (score_pipeline(p, material.columns, material.signature) for p in (pipeline, again))
    assert np.array_equal(one, other)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_it_finds_what_is_there(name: str, task: str) -> None:
    pipeline, material = fitted(name, task)
    scores = score_pipeline(pipeline, material.columns, material.signature)
    found = metrics(material.signature.task, material.truth, scores, material.signature)
    if task == "anomaly":
        assert scores.shape == (material.rows, 1)
        assert found["roc_auc"] > 0.7
    else:
        assert scores.sum(axis=1) == pytest.approx(1.0)
        assert found["nmi"] > 0.3


@pytest.mark.parametrize(("name", "task"), CASES)
def test_every_setting_of_its_space_can_be_fitted(name: str, task: str) -> None:
    material = prepared(task)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(2):
        parameters = variant("learner", name)().space(study.ask(), material.rows)
        assert json.loads(json.dumps(parameters)) == parameters
        scores = score_pipeline(fit(material, name, parameters, 0), material.columns, material.signature)
        assert np.isfinite(scores).all()


@pytest.mark.parametrize(("name", "task"), CASES)
def test_it_compiles_exactly_on_edge_rows_too(name: str, task: str) -> None:
    pipeline, material = fitted(name, task)
    compiled = compile_pipeline(pipeline, material.signature, material.frame)
    certificate = certify(pipeline, compiled, material.signature, material.columns)
    assert certificate.flipped == 0
    assert certificate.max_difference <= compiled.tolerance
    assert certificate.kinds["edges"] > 0


@pytest.mark.parametrize(("name", "task"), CASES)
def test_it_is_sealed_and_answers_alike_row_by_row_and_together(name: str, task: str, tmp_path: Path) -> None:
    key = SigningKey.create(tmp_path / "key.pem")
    write_bundle(candidate(name, task), tmp_path / "bundle", key)
    model = load(tmp_path / "bundle", [key.public])
    pipeline, material = fitted(name, task)
    together = model.score_columns(material.columns)
    assert together == pytest.approx(score_pipeline(pipeline, material.columns, material.signature), abs=1e-9)
    rows = [[None if c != c else c for c in row] for row in zip(*material.columns.values(), strict=True)]
    labels, scores = model.answer_rows(rows[:5])
    assert np.asarray(scores) == pytest.approx(together[:5], rel=1e-12)
    assert labels == model.decide(together[:5])
    assert set(model.decide(together)) <= set(model.signature.labels)
    told = Answers(model).predict(material.source[list(model.signature.names)])
    assert list(told.columns) == [task if task == "anomaly" else "cluster", *score_columns(model.signature)]
    assert np.array_equal(told[list(score_columns(model.signature))].to_numpy(), together)
    native = model.predict(material.source[list(model.signature.names)].head(3))
    assert [one.get("cluster", one.get("anomaly")) for one in native] == told.iloc[:3, 0].tolist()
    holds = inspect(tmp_path / "bundle", [key.public])
    assert holds["seal"]["verified"]
    kept = model.manifest.lineage.contains_training_rows
    assert kept == (name in {"local_outlier_factor", "one_class_svm"})
