"""Every way of going on from a sealed model: it starts as that model, moves where rows point, seals and certifies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fairlead.contract.plugins import names, variant
from fairlead.contract.signature import Column, Signature
from fairlead.lab.compile import compile_pipeline
from fairlead.lab.stats.measures import class_codes
from fairlead.lab.train.warm.held import Held

WIDTH = 4
PARAMETERS: dict[str, dict[str, Any]] = {
    "xgboost": {"n_estimators": 20, "max_depth": 3}, "lightgbm": {"n_estimators": 20, "num_leaves": 7},
}  # fmt: skip


def rows_of(classes: int, seed: int, turned: float = 1.0, rows: int = 500) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    table = random.normal(size=(rows, WIDTH))
    margin = table @ [1.0, -0.5, turned, 0.0] + 0.3 * random.normal(size=rows)
    if not classes:
        return table, margin
    cuts = [0.0] if classes == 2 else [-0.7, 0.7]
    return table, np.array([f"c{i}" for i in range(classes)])[np.digitize(margin, cuts)]


def sealed_of(way: Any, estimator: Any, classes: int) -> bytes:
    kept = way.artefact(estimator)
    if kept is not None:
        return kept
    columns = tuple(Column(f"x{i}", "number") for i in range(WIDTH))
    labels = tuple(f"c{i}" for i in range(classes))
    signature = Signature("classification" if classes else "regression", columns, "y", classes=labels)
    return compile_pipeline(estimator, signature).tail


def held(table: np.ndarray, truth: np.ndarray, classes: int, folder: Path) -> Held:
    labels = tuple(f"c{i}" for i in range(classes))
    aims = class_codes(truth, labels).astype(float) if classes else truth
    return Held(table, aims, None, folder)


def answers(model: Any, table: np.ndarray, classes: int) -> np.ndarray:
    return np.asarray(model.predict_proba(table) if classes else model.predict(table))


def does(name: str, classes: int) -> bool:
    """Whether a learner answers with so many classes; 0: with a number."""
    return ("classification" if classes else "regression") in variant("learner", name)().tasks


LEARNED = [(name, classes) for name in names("warm") for classes in (0, 2, 3) if does(name, classes)]


@pytest.mark.parametrize(("name", "classes"), LEARNED)
def test_it_goes_on_from_what_is_sealed(name: str, classes: int, tmp_path: Path) -> None:
    learner, way = variant("learner", name)(), variant("warm", name)()
    task = "classification" if classes else "regression"
    parameters = PARAMETERS.get(name, learner.default(500))
    old_rows, old_truth = rows_of(classes, 0)
    old = learner.build(task, parameters, 0).fit(old_rows, old_truth)
    sealed = sealed_of(way, old, classes)
    labels = [f"c{i}" for i in range(classes)]
    fresh, _ = rows_of(classes, 1)
    tries = list(way.tries(parameters))
    assert len(tries) == 3

    def gone_on(table: np.ndarray, truth: np.ndarray, chosen: dict[str, Any]) -> Any:
        return way.fit(learner.build(task, chosen, 0), sealed, held(table, truth, classes, tmp_path), labels)

    few, few_truth = rows_of(classes, 2, rows=60)
    near = gone_on(few, few_truth, dict(tries[-1] if name in ("logistic", "ridge") else tries[0]))
    # Few rows of the same world leave it close to what it was, much closer than learning from them alone comes.
    alone = learner.build(task, parameters, 0).fit(few, few_truth)
    before, moved = answers(old, fresh, classes), answers(near, fresh, classes)
    assert np.abs(moved - before).mean() < 0.8 * np.abs(answers(alone, fresh, classes) - before).mean()
    # Many rows of another world take it there.
    turned, turned_truth = rows_of(classes, 3, turned=-1.0, rows=1_500)
    test, test_truth = rows_of(classes, 4, turned=-1.0)
    other = gone_on(turned, turned_truth, dict(tries[0] if name in ("logistic", "ridge") else tries[-1]))
    if classes:
        right = lambda model: np.mean(model.predict(test) == test_truth)  # noqa: E731
        assert right(other) > right(old) + 0.1
        assert list(other.classes_) == labels
    else:
        assert np.abs(other.predict(test) - test_truth).mean() < 0.6 * np.abs(old.predict(test) - test_truth).mean()
    first, again = (gone_on(few, few_truth, dict(tries[0])) for _ in range(2))
    assert np.array_equal(answers(first, fresh, classes), answers(again, fresh, classes))


@pytest.mark.parametrize("name", names("warm"))
def test_what_is_kept_runs_nothing_when_it_is_read(name: str) -> None:
    learner, way = variant("learner", name)(), variant("warm", name)()
    task = learner.tasks[0]
    table, truth = rows_of(2 if task == "classification" else 0, 0)
    kept = way.artefact(learner.build(task, PARAMETERS.get(name, {}), 0).fit(table, truth))
    # XGBoost's JSON, LightGBM's text: no pickle.
    assert kept is None or kept[:1] == b"{" or kept.startswith(b"tree\n")
