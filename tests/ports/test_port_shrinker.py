"""One suite for every way to make a model smaller: it shrinks or refuses, seals, certifies, survives edge rows, and is
the same for the same seed.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

from fairlead.contract.errors import NotCompilable, UsageError
from fairlead.contract.evidence import Lineage
from fairlead.contract.plugins import names, variant
from fairlead.contract.profile import Reference
from fairlead.contract.settings import ModelSettings, Settings
from fairlead.lab.compile import Candidate, certify, compile_pipeline, write_bundle
from fairlead.lab.compress import Smaller, Subject, smaller_than
from fairlead.lab.compress.shrinkers.unhelpful import noise
from fairlead.lab.compress.subject import SHRUNK, Said
from fairlead.lab.stats import bins_for, few_threads, metrics, profile
from fairlead.lab.train import fit, material_of, score_pipeline
from fairlead.lab.train.learners.shrunk import Rows, Shrunk
from fairlead.runtime.bundle import SigningKey, load

SUBJECTS: dict[str, dict[str, Any]] = {
    "mlp": {"layers": "16x8", "max_iter": 30, "alpha": 1e-3, "learning_rate_init": 1e-2},
    "random_forest": {"n_estimators": 12, "max_depth": 6, "min_samples_leaf": 3, "max_features": 0.6},
    "hist_gradient_boosting": {"max_iter": 24, "max_leaf_nodes": 15, "learning_rate": 0.2},
    "decision_tree": {"max_depth": 8, "max_leaf_nodes": 64, "min_samples_leaf": 2},
    "lasso": {"share": 0.05},
    "neural_net": {
        "layers": "16x8", "epochs": 12, "batch": 32, "learning_rate": 1e-2, "decay": 1e-3, "dropout": 0.0,
    },
}  # fmt: skip
TORCH = importlib.util.find_spec("torch") is not None
NEEDS = "neural_net needs torch"
MAY_GROW = ("distilled", "unhelpful")
"""Ways that fit anew, so that what comes of a small model may be no smaller; the search says so."""
VERSIONS = {"numpy": "2", "onnxruntime": "1"}
TASKS = {"two": "classification", "three": "classification", "number": "regression"}


def frame(rows: int = 260) -> pd.DataFrame:
    random = np.random.default_rng(0)
    size, idle = random.normal(size=rows), random.normal(size=rows)
    colour = random.choice(["red", "green", None], size=rows)
    pull = size + (colour == "red") * 1.0 + random.normal(scale=0.5, size=rows)
    size[::17] = np.nan
    return pd.DataFrame(
        {
            "size": size, "idle": idle, "constant": random.integers(0, 2, rows), "colour": colour,
            "two": np.where(pull > 0.3, "yes", "no"),
            "three": np.select([pull > 0.8, pull < -0.4], ["high", "low"], "middle"),
            "number": pull * 10 + 100,
        }
    )  # fmt: skip


@cache
def material(target: str) -> Any:
    others = tuple(name for name in TASKS if name != target)
    model = ModelSettings(name="m", task=TASKS[target], target=target, exclude=others)  # type: ignore[arg-type]
    return material_of(frame(), Settings(model=model))


@cache
def memory(target: str) -> dict[str, Any]:
    return {}


def able(learner: str, target: str) -> bool:
    return TASKS[target] in variant("learner", learner).tasks


def cases() -> list[Any]:
    """(way, learner, target, what) of everything that a way would try of these subjects."""
    found = []
    for way in names("shrinker"):
        for learner, parameters in SUBJECTS.items():
            for target, task in TASKS.items():
                tries = smaller_than(learner, parameters, task, [way]) if able(learner, target) else ()  # type: ignore[arg-type]
                network = learner in ("mlp", "neural_net")
                if (way, learner) in COSTLY:
                    continue
                if not tries or (target != "two" and (not network or tries[0].learner != SHRUNK)):
                    continue
                marks = (
                    () if learner != "neural_net" else (pytest.mark.long, pytest.mark.skipif(not TORCH, reason=NEEDS))
                )
                if target == "three" and way != "stored":
                    continue
                # The mildest and the boldest: the suite is for kinds, not for sizes.
                for one in {one.what: quick(one) for one in (tries[0], tries[-1])}.values():
                    found.append(pytest.param(one, target, id=f"{way}-{learner}-{target}-{one.what[:24]}", marks=marks))
    return found


COSTLY = {
    (way, learner)
    for way in ("unhelpful", "unused", "distilled")
    for learner in ("random_forest", "hist_gradient_boosting")
} - {("unused", "random_forest")}
"""What other models show as well, in less time."""


def quick(one: Smaller) -> Smaller:
    """The same with less learning after the step."""
    steps = [{**step, "updates": 200} if "updates" in step else step for step in one.parameters.get("steps", ())]
    return replace(one, parameters={**one.parameters, "steps": steps}) if steps else one


CASES = cases()
STEPS = [case for case in CASES if case.values[0].learner == SHRUNK]
SEALED = list(
    {
        (case.values[0].way, case.values[0].parameters["source"], case.values[1]): case
        for case in STEPS
        if not case.marks
    }.values()
)
"""The boldest of each."""


def fitted(one: Smaller, target: str) -> Any:
    learner = Shrunk(memory(target)) if one.learner == SHRUNK else one.learner
    return fit(material(target), learner, one.parameters, seed=3)


def size(pipeline: Any, target: str) -> int:
    compiled = compile_pipeline(pipeline, material(target).signature, None)
    return len(compiled.tail) + len(compiled.front.to_json())


@cache
def plain(learner: str, target: str) -> Any:
    return fit(material(target), learner, SUBJECTS[learner], seed=3)


@cache
def source_size(learner: str, target: str) -> int:
    return size(plain(learner, target), target)


def source_of(one: Smaller) -> str:
    names = {one.learner, one.parameters.get("source"), one.parameters.get("teacher")}
    return next(name for name in SUBJECTS if name in names)


def test_every_way_has_something_to_try_of_some_model() -> None:
    assert {case.values[0].way for case in CASES} == set(names("shrinker"))


@pytest.mark.parametrize(("one", "target"), CASES)
def test_it_is_smaller_certified_and_still_knows_something(one: Smaller, target: str) -> None:
    with few_threads(260):
        pipeline = fitted(one, target)
        rows = material(target)
        compiled = compile_pipeline(pipeline, rows.signature, None)
        certificate = certify(pipeline, compiled, rows.signature, rows.columns)
    assert certificate.flipped == 0
    assert certificate.max_difference <= compiled.tolerance
    if one.way not in MAY_GROW:
        assert len(compiled.tail) + len(compiled.front.to_json()) <= source_size(source_of(one), target)
    found = metrics(
        rows.signature.task, rows.truth, score_pipeline(pipeline, rows.columns, rows.signature), rows.signature
    )
    assert found["r2"] > 0.2 if target == "number" else found["accuracy"] > 0.5


@pytest.mark.parametrize(("one", "target"), [*SEALED, *(case for case in STEPS if case.marks)])
def test_steps_are_the_same_again_and_leave_the_model_they_are_given(one: Smaller, target: str) -> None:
    rows = material(target)
    answers = score_pipeline(fitted(one, target), rows.columns, rows.signature)
    again = fit(rows, Shrunk(), one.parameters, seed=3)
    assert np.array_equal(answers, score_pipeline(again, rows.columns, rows.signature))
    # The source that the memory holds is still what it was: other steps begin with it.
    nothing = fit(rows, Shrunk(memory(target)), {**one.parameters, "steps": []}, seed=3)
    source = plain(one.parameters["source"], target)
    assert np.array_equal(
        score_pipeline(source, rows.columns, rows.signature), score_pipeline(nothing, rows.columns, rows.signature)
    )


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Bundles of every step, by their place in SEALED."""
    folder = tmp_path_factory.mktemp("shrunk")
    key = SigningKey.create(folder / "key")
    for at, case in enumerate(SEALED):
        one, target = case.values
        rows = material(target)
        reference = Reference(profile=profile(rows.columns, bins_for(rows.columns, rows.signature)))
        lineage = Lineage(
            "d", rows.rows, one.learner, one.parameters, 3, "c", versions={"numpy": "2", "onnxruntime": "1"}
        )
        made = Candidate(fitted(one, target), rows.signature, lineage, reference, rows.columns, name="m")
        (folder / str(at)).mkdir()
        write_bundle(made, folder / str(at), key)
    return folder, key.public


@pytest.mark.parametrize("at", range(len(SEALED)))
def test_sealed_it_answers_rows_beyond_anything_it_saw_alike_alone_and_among_others(
    at: int, sealed: tuple[Path, str]
) -> None:
    model = load(sealed[0] / str(at), [sealed[1]])
    plain = {"size": 0.3, "idle": 0.1, "constant": 1, "colour": "red"}
    rows = [
        plain,
        {**plain, "size": None, "colour": None},
        {**plain, "size": 1e300, "colour": "never seen"},
        {**plain, "size": -1e300, "idle": 1e18},
        {**plain, "size": 5e-324, "idle": -0.0},
    ] * 16
    together = model.probabilities(rows)
    assert np.isfinite(together[[0, 1, 4]]).all()
    for place in range(5):
        alone = model.probabilities(rows[place : place + 1])
        assert np.allclose(alone, together[place : place + 1], rtol=1e-9, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize(
    ("learner", "target"), [("random_forest", "two"), ("hist_gradient_boosting", "number"), ("decision_tree", "three")]
)
def test_what_no_tree_reads_is_left_out_and_every_answer_is_the_same_bit_for_bit(learner: str, target: str) -> None:
    few = {"max_leaf_nodes": 4, "n_estimators": 2, "max_iter": 2, "max_depth": 2}
    parameters = {key: few.get(key, value) for key, value in SUBJECTS[learner].items()}
    rows = material(target)
    whole = compile_pipeline(fit(rows, learner, parameters, seed=3), rows.signature, None)
    given = {"source": learner, "source_parameters": parameters, "steps": [{"way": "unused"}]}
    less = compile_pipeline(fit(rows, Shrunk(), given, seed=3), rows.signature, None)
    assert less.front.width < whole.front.width
    assert len(less.tail) <= len(whole.tail)
    assert less.front.columns == rows.signature.names
    asked = {**rows.columns, "size": np.where(np.arange(rows.rows) % 7 == 0, 1e300, rows.columns["size"])}
    assert np.array_equal(less.scores(asked), whole.scores(asked))


def test_weights_of_zero_are_left_out_of_a_linear_model() -> None:
    rows = material("number")
    given = {"source": "lasso", "source_parameters": {"share": 0.5}, "steps": [{"way": "unused"}]}
    less = compile_pipeline(fit(rows, Shrunk(), given, seed=3), rows.signature, None)
    whole = compile_pipeline(fit(rows, "lasso", {"share": 0.5}, seed=3), rows.signature, None)
    assert less.front.width < whole.front.width
    assert np.allclose(less.scores(rows.columns), whole.scores(rows.columns), rtol=1e-12)


def test_a_feature_of_noise_is_found_and_one_that_counts_is_not() -> None:
    random = np.random.default_rng(5)
    features = random.normal(size=(600, 5))
    truth = np.where(features[:, 2] + 0.3 * random.normal(size=600) > 0, "b", "a")
    least = noise(DecisionTreeClassifier(max_depth=4, random_state=0), Rows(features, truth, None), 0)
    assert 2 not in least
    assert len(least) >= 3


def test_a_step_says_which_models_it_does_not_take() -> None:
    forest = {"source": "random_forest", "source_parameters": SUBJECTS["random_forest"]}
    for way, options in (("stored", {"form": "int8"}), ("neurons", {"keep": 0.5, "updates": 1})):
        given = {**forest, "steps": [{"way": way, **options}]}
        with pytest.raises(NotCompilable, match="no network"):
            fit(material("two"), Shrunk(), given, seed=0)


def test_ways_are_asked_for_by_name_or_group_and_unknown_ones_are_refused() -> None:
    tries = smaller_than("mlp", SUBJECTS["mlp"], "classification", ["quantise"])
    assert {one.way for one in tries} == {"single", "stored", "whole_numbers"}
    with pytest.raises(UsageError, match="There are: trees, prune"):
        smaller_than("mlp", SUBJECTS["mlp"], "classification", ["shrink"])


def test_steps_are_joined_in_an_order_that_makes_sense() -> None:
    first = next(t for t in smaller_than("mlp", SUBJECTS["mlp"], "classification", ["neurons"]))
    after = smaller_than(first.learner, first.parameters, "classification", None, first.said)
    assert {one.way for one in after} >= {"weights", "stored", "whole_numbers"}
    assert not {"narrower", "distilled", "neurons"} & {one.way for one in after}
    assert all(one.what.startswith(f"{first.what}, then ") for one in after)
    last = next(one for one in after if one.way == "stored")
    subject = Subject.of(last.learner, last.parameters, "classification", Said())
    assert [step["way"] for step in subject.steps] == ["neurons", "stored"]
