"""One suite for every learner, ours and third parties': settings, fits, seeds, weights, order, sealing, serving."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from sklearn.neural_network import MLPClassifier
from sklearn.utils.validation import has_fit_parameter

from fairlead.contract.errors import ConfigInvalid, MissingExtra, UsageError
from fairlead.contract.evidence import Lineage
from fairlead.contract.plugins import names, variant
from fairlead.contract.profile import Reference
from fairlead.contract.settings import ModelSettings, Settings, TrainSettings
from fairlead.lab.compile import Candidate, certify, compile_pipeline, shapes_of, write_bundle
from fairlead.lab.stats import bins_for, few_threads, metrics, profile
from fairlead.lab.train import fit, material_of, score_pipeline
from fairlead.runtime.bundle import SigningKey, load

optuna.logging.set_verbosity(optuna.logging.ERROR)
TARGETS = {"two": "classification", "three": "classification", "number": "regression"}
FEW = {"max_iter": 30, "n_estimators": 20, "epochs": 20}
"""Rounds that are enough for tables of this size."""


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
            "number": np.abs(pull * 10 + 100),
        }
    )


def there(learner: Any) -> bool:
    """Whether the library that it needs is installed."""
    return all(importlib.util.find_spec(name) for name in getattr(learner, "libraries", ()))


def cases(*targets: str) -> list[Any]:
    """(learner, target) for each that can learn it."""
    found = []
    for name in names("learner"):
        learner = variant("learner", name)
        if hasattr(learner, "sees") or hasattr(learner, "distributed"):
            # These have suites of their own: test_port_seeing_learner.py, test_port_distributed_learner.py.
            continue
        for target in targets:
            if TARGETS[target] in learner.tasks:
                absent = pytest.mark.skip(reason=f"{name} needs {getattr(learner, 'libraries', ())}")
                found.append(pytest.param(name, target, marks=() if there(learner) else absent))
    return found


CASES = cases("two", "three", "number")


def settings_for(target: str, **train: Any) -> Settings:
    others = tuple(t for t in TARGETS if t != target)
    model = ModelSettings(name="m", task=TARGETS[target], target=target, exclude=others)  # type: ignore[arg-type]
    return Settings(model=model, train=TrainSettings(**train))


@cache
def prepared(target: str) -> Any:
    return material_of(frame(), settings_for(target))


def default(name: str, rows: int = 240) -> dict[str, Any]:
    return small(variant("learner", name)().default(rows))


def small(parameters: dict[str, Any]) -> dict[str, Any]:
    return {key: min(value, FEW[key]) if key in FEW else value for key, value in parameters.items()}


@cache
def fitted(name: str, target: str) -> Any:
    return fit(prepared(target), name, default(name), seed=3)


@cache
def compiled(name: str, target: str) -> Any:
    material = prepared(target)
    return compile_pipeline(fitted(name, target), material.signature, material.frame)


def scores(pipeline: Any, material: Any) -> np.ndarray:
    return score_pipeline(pipeline, material.columns, material.signature)


def weighs(name: str) -> bool:
    """Whether the learner can weigh rows: of ours all can, scikit-learn's network since its 1.7."""
    return name != "mlp" or has_fit_parameter(MLPClassifier(), "sample_weight")


def candidate(name: str, target: str) -> Candidate:
    material = prepared(target)
    bins = bins_for(material.columns, material.signature)
    lineage = Lineage("d", material.rows, name, {}, 3, "c", versions={"numpy": "2", "onnxruntime": "1"})
    reference = Reference(profile=profile(material.columns, bins))
    return Candidate(fitted(name, target), material.signature, lineage, reference, material.columns, name=name)


@pytest.fixture(scope="session")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a bundle of each learner and kind of target, by name, and who sealed them."""
    folder = tmp_path_factory.mktemp("sealed")
    key = SigningKey.create(folder / "key.pem")
    for case in cases("three", "number"):
        name, target = case.values
        if not case.marks:
            write_bundle(candidate(name, target), folder / f"{name}.{target}", key)
    return folder, key.public


@pytest.mark.parametrize(("name", "target"), CASES)
def test_same_seed_same_answers(name: str, target: str) -> None:
    again = fit(prepared(target), name, default(name), seed=3)
    assert np.array_equal(scores(fitted(name, target), prepared(target)), scores(again, prepared(target)))


@pytest.mark.parametrize(("name", "target"), CASES)
def test_learns_more_than_a_constant(name: str, target: str) -> None:
    material = prepared(target)
    answers = scores(fitted(name, target), material)
    found = metrics(material.signature.task, material.truth, answers, material.signature)
    if target == "number":
        assert found["r2"] > 0.3
    else:
        assert answers.sum(axis=1) == pytest.approx(1.0)
        assert found["accuracy"] > pd.Series(material.truth).value_counts(normalize=True).iloc[0] + 0.1


@pytest.mark.parametrize(("name", "target"), cases("two", "number"))
def test_every_setting_of_its_space_can_be_fitted(name: str, target: str) -> None:
    material = prepared(target)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(2):
        parameters = variant("learner", name)().space(study.ask(), material.rows)
        assert json.loads(json.dumps(parameters)) == parameters
        assert np.isfinite(scores(fit(material, name, small(parameters), seed=0), material)).all()


@pytest.mark.parametrize(("name", "target"), CASES)
def test_what_it_fits_compiles_without_a_flipped_decision(name: str, target: str) -> None:
    material = prepared(target)
    with few_threads(material.rows):
        certificate = certify(fitted(name, target), compiled(name, target), material.signature, material.columns)
    assert certificate.flipped == 0
    assert certificate.max_difference <= certificate.tolerance


def test_every_bundle_answers_in_a_process_without_the_libraries_that_made_it(sealed: tuple[Path, str]) -> None:
    folder, signer = sealed
    ask = """
import json, sys
from pathlib import Path
from fairlead.runtime.bundle import load
answers = {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    if path.is_dir():
        model = load(path, [sys.argv[2]])
        answers[path.name] = model.probabilities([{"size": 0.5, "count": 3, "colour": "red"}]).tolist()
heavy = {"sklearn", "pandas", "scipy", "torch", "xgboost", "lightgbm", "onnx"} & set(sys.modules)
print(json.dumps([answers, sorted(heavy)]))
"""
    done = subprocess.run([sys.executable, "-c", ask, str(folder), signer], capture_output=True, text=True, check=True)
    answers, heavy = json.loads(done.stdout)
    assert heavy == []
    row = pd.DataFrame({"size": [0.5], "count": [3.0], "colour": ["red"]})
    assert len(answers) >= 20
    for place, found in answers.items():
        name, target = place.split(".")
        pipeline, signature = fitted(name, target), prepared(target).signature
        expected = pipeline.predict_proba(row) if signature.classes else pipeline.predict(row).reshape(-1, 1)
        assert np.allclose(found, expected, rtol=1e-5, atol=1e-5), place


def test_bundles_that_contain_training_rows_say_so(sealed: tuple[Path, str]) -> None:
    said = {
        path.name: load(path, [sealed[1]]).manifest.lineage.contains_training_rows
        for path in sealed[0].iterdir()
        if path.is_dir() and path.name.split(".")[0] in ("nearest_neighbours", "svm", "random_forest", "linear")
    }
    assert said == {
        "nearest_neighbours.three": True, "nearest_neighbours.number": True, "svm.three": True, "svm.number": True,
        "random_forest.three": False, "random_forest.number": False, "linear.number": False,
    }  # fmt: skip


def test_the_curves_of_a_sealed_model_add_up_to_what_it_answers(sealed: tuple[Path, str]) -> None:
    path = sealed[0] / "explainable_boosting.number"
    model = load(path, [sealed[1]])
    curves = shapes_of(model.front, (path / "model/tail.onnx").read_bytes(), model.signature)
    row = {"size": 0.25, "count": 4.0, "colour": "green"}
    found = curves.intercept[0]
    for shape in curves.shapes:
        cell: Any = row[shape.column]
        at = shape.categories.index(cell) if shape.categories else int(np.searchsorted(shape.edges, cell))
        found += shape.values[at][0]
    assert found == pytest.approx(model.probabilities([row])[0, 0], abs=1e-9)


@pytest.mark.parametrize(("name", "target"), cases("three", "number"))
def test_rows_beyond_anything_it_saw_are_answered_alike_alone_and_among_others(
    name: str, target: str, sealed: tuple[Path, str]
) -> None:
    model = load(sealed[0] / f"{name}.{target}", [sealed[1]])
    rows = [
        {"size": None, "count": 3, "colour": None},
        {"size": 1e300, "count": 3, "colour": "never seen"},
        {"size": -1e300, "count": 10**9, "colour": "red"},
        {"size": -0.0, "count": 0, "colour": "green"},
        {"size": 5e-324, "count": -5, "colour": ""},
    ] * 16
    together = model.probabilities(rows)
    # A straight line, or e to its power, is as large as what it is asked; nothing else may lose its number.
    unbounded = {"linear", "ridge", "lasso", "elastic_net", "poisson", "mlp", "neural_net", "shrunk", "svm"}
    if model.signature.classes or name not in unbounded:
        assert np.isfinite(together).all()
    for at in range(5):
        alone = model.probabilities(rows[at : at + 1])
        assert np.allclose(alone, together[at : at + 1], rtol=1e-9, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize(("name", "target"), cases("two"))
def test_the_weight_of_a_class_moves_answers_towards_it(name: str, target: str) -> None:
    material = material_of(frame(), settings_for(target, class_weight={"yes": 8.0}))
    if not weighs(name):
        with pytest.raises(UsageError, match=name):
            fit(material, name, default(name), seed=3)
        return
    plain = scores(fitted(name, target), prepared(target))[:, 1].mean()
    heavy = scores(fit(material, name, default(name), seed=3), material)[:, 1].mean()
    assert heavy > plain + 0.05


@pytest.mark.parametrize(("name", "target"), cases("two", "number"))
def test_rows_without_weight_teach_nothing(name: str, target: str) -> None:
    table = frame()
    spoilt = np.arange(len(table)) % 3 == 0
    table["weight"] = np.where(spoilt, 0.0, 2.0)
    if target == "two":
        table.loc[spoilt, "two"] = np.where(table["two"] == "yes", "no", "yes")[spoilt]
    else:
        table.loc[spoilt, "number"] += 500.0
    material = material_of(table, settings_for(target, weight="weight"))
    assert "weight" not in material.signature.names
    if not weighs(name):
        with pytest.raises(UsageError, match=name):
            fit(material, name, default(name), seed=3)
        return
    answers = scores(fit(material, name, default(name), seed=3), material)
    kept = ~spoilt
    found = metrics(material.signature.task, material.truth[kept], answers[kept], material.signature)
    assert found["accuracy"] > 0.7 if target == "two" else abs(answers[kept].mean() - 104.0) < 8.0


@pytest.mark.parametrize(("name", "target"), cases("two", "number"))
def test_an_answer_keeps_to_the_order_asked_of_it_or_the_learner_says_that_it_cannot(name: str, target: str) -> None:
    """count says nothing; asked to fall with it and to rise with size, answers do, whatever the noise."""
    learner = variant("learner", name)()
    material = material_of(frame(), settings_for(target, monotone={"size": 1, "count": -1}))
    if not hasattr(learner, "constrain"):
        with pytest.raises(ConfigInvalid, match=name):
            fit(material, name, default(name), seed=3)
        return
    pipeline = fit(material, name, default(name), seed=3)
    model = compile_pipeline(pipeline, material.signature, material.frame)
    for column, sign in (("size", 1.0), ("count", -1.0)):
        grid = np.linspace(-3, 12, 61)
        for colour in ("red", "green", None):
            for other in (-1.0, 0.3, 2.0):
                asked = {"size": np.full(61, other), "count": np.full(61, 4.0), "colour": np.array([colour] * 61)}
                asked[column] = grid
                steps = np.diff(model.scores(asked)[:, -1]) * sign
                assert (steps >= -1e-7 * (1.0 if target == "two" else 100.0)).all()


@pytest.mark.parametrize("name", names("learner"))
def test_says_what_it_is(name: str) -> None:
    learner = variant("learner", name)()
    assert learner.name == name
    assert learner.tasks
    assert learner.complexity >= 1


@pytest.mark.parametrize("name", [n for n in names("learner") if getattr(variant("learner", n), "libraries", ())])
def test_a_library_that_is_missing_is_named_with_the_way_to_install_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = variant("learner", name)()
    for library in learner.libraries:
        monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtra, match=r"pip install .*fairlead\["):
        learner.build(learner.tasks[0], learner.default(240), 0)
