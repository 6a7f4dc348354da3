"""One suite for every learner, ours and third parties': settings, fits, seeds, and that what it fits compiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest

from fairlead.contract.plugins import names, variant
from fairlead.contract.settings import ModelSettings, Settings
from fairlead.lab.stats import few_threads, metrics
from fairlead.lab.train import fit, material_of, score_pipeline

optuna.logging.set_verbosity(optuna.logging.ERROR)


def frame(seed: int = 0, rows: int = 240) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    size = random.normal(size=rows)
    colour = random.choice(["red", "green", None], size=rows)
    pull = size + (colour == "red") * 1.0 + random.normal(scale=0.5, size=rows)
    size[::17] = np.nan
    return pd.DataFrame(
        {
            "size": size,
            "count": random.integers(0, 9, rows),
            "colour": colour,
            "two": np.where(pull > 0.3, "yes", "no"),
            "three": np.select([pull > 0.8, pull < -0.4], ["high", "low"], "middle"),
            "number": pull * 10 + 100,
        }
    )


TARGETS = {"two": "classification", "three": "classification", "number": "regression"}
CASES = [
    (learner, target)
    for learner in names("learner")
    for target, task in TARGETS.items()
    if task in variant("learner", learner).tasks
]


def prepared(target: str) -> Any:
    others = tuple(t for t in TARGETS if t != target)
    settings = Settings(model=ModelSettings(name="m", task=TARGETS[target], target=target, exclude=others))  # type: ignore[arg-type]
    return material_of(frame(), settings)


@pytest.mark.parametrize(("name", "target"), CASES)
def test_same_seed_same_answers(name: str, target: str) -> None:
    material = prepared(target)
    learner = variant("learner", name)()
    parameters = learner.default(material.rows)
    first, second = (fit(material, name, parameters, seed=3) for _ in range(2))
    signature = material.signature
    assert np.array_equal(
        score_pipeline(first, material.columns, signature), score_pipeline(second, material.columns, signature)
    )


@pytest.mark.parametrize(("name", "target"), CASES)
def test_learns_more_than_a_constant(name: str, target: str) -> None:
    material = prepared(target)
    fitted = fit(material, name, variant("learner", name)().default(material.rows), seed=0)
    scores = score_pipeline(fitted, material.columns, material.signature)
    if target == "number":
        assert metrics("regression", material.truth, scores, material.signature)["r2"] > 0.3
    else:
        found = metrics("classification", material.truth, scores, material.signature)
        assert found["accuracy"] > pd.Series(material.truth).value_counts(normalize=True).iloc[0] + 0.1


@pytest.mark.parametrize(("name", "target"), CASES)
def test_every_setting_of_its_space_can_be_fitted(name: str, target: str) -> None:
    material = prepared(target)
    learner = variant("learner", name)()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(2):
        parameters = learner.space(study.ask(), material.rows)
        small = {k: min(v, 20) if k in {"max_iter", "n_estimators"} else v for k, v in parameters.items()}
        fit(material, name, small, seed=0)


@pytest.mark.parametrize(("name", "target"), CASES)
def test_what_it_fits_compiles_without_a_flipped_decision(name: str, target: str) -> None:
    from fairlead.lab.compile import certify, compile_pipeline

    material = prepared(target)
    fitted = fit(material, name, variant("learner", name)().default(material.rows), seed=0)
    compiled = compile_pipeline(fitted, material.signature, material.frame)
    with few_threads(material.rows):
        certificate = certify(fitted, compiled, material.signature, material.columns)
    assert certificate.flipped == 0
    assert certificate.max_difference <= certificate.tolerance


@pytest.mark.parametrize("name", names("learner"))
def test_says_what_it_is(name: str) -> None:
    learner = variant("learner", name)()
    assert learner.name == name
    assert learner.tasks
    assert learner.complexity >= 1
