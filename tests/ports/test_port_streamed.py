"""Every way of learning from rows on the disk finds what the same learner finds with all of them in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from fairlead.contract.plugins import names, variant
from fairlead.contract.signature import Column, Signature
from fairlead.lab.compile import certify, compile_pipeline
from fairlead.lab.compile.certifying import holds
from fairlead.lab.train.out_of_core import stored
from fairlead.lab.train.out_of_core.stored import Stored

# Boosters bin what they meet in another order; sums of exact learners differ by their rounding.
CLOSE = {"xgboost": 0.02, "lightgbm": 1e-9, "logistic": 1e-6, "ridge": 1e-8, "linear": 1e-6, "naive_bayes": 1e-9}
PARAMETERS: dict[str, dict[str, Any]] = {
    "xgboost": {"n_estimators": 12, "max_depth": 3, "learning_rate": 0.3},
    "lightgbm": {"n_estimators": 12, "num_leaves": 7, "min_child_samples": 5},
}
ROWS, WIDTH = 900, 5
KINDS = [("binary", 2), ("three", 3), ("number", 0)]


def rows_of(classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(classes)
    table = random.normal(size=(ROWS, WIDTH)) * [1, 2, 0.5, 1, 1] + [0, 3, 0, -1, 0]
    margin = table @ [1.0, -0.5, 1.0, 0.0, 0.3] + 0.5 * random.normal(size=ROWS)
    truth = margin if not classes else np.digitize(margin, np.quantile(margin, np.arange(1, classes) / classes))
    return table, truth.astype(np.float64), random.uniform(0.2, 3.0, ROWS)


def kept(folder: Path, classes: int, weighted: bool, monkeypatch: pytest.MonkeyPatch) -> Stored:
    # Parts of 100 rows, so that there are several.
    monkeypatch.setattr(stored, "PART_BYTES", 100 * 8 * WIDTH)
    table, truth, weights = rows_of(classes)
    with Stored(folder / "rows", WIDTH, weighted) as found:
        for first in range(0, ROWS, 130):
            part = slice(first, first + 130)
            found.add(table[part], truth[part], weights[part])
    return found


def sealed_as_it_answers(model: Any, table: np.ndarray, labels: list[str]) -> None:
    """In a pipeline it compiles, and its certificate holds."""
    columns = tuple(Column(f"x{i}", "number", nullable=False) for i in range(WIDTH))
    signature = Signature("classification" if labels else "regression", columns, "y", classes=tuple(labels))
    pipeline = Pipeline([("preparation", StandardScaler(with_mean=False, with_std=False).fit(table)), ("model", model)])
    compiled = compile_pipeline(pipeline, signature)
    rows = {f"x{i}": table[:, i] for i in range(WIDTH)}
    assert holds(certify(pipeline, compiled, signature, rows))


def does(name: str, classes: int) -> bool:
    """Whether a learner answers with so many classes; 0: with a number."""
    return ("classification" if classes else "regression") in variant("learner", name)().tasks


# What Spark fits has a suite of its own: test_port_distributed_learner.py.
HERE = [name for name in names("streamed") if not hasattr(variant("learner", name), "distributed")]
LEARNED = [(name, kind, classes) for name in HERE for kind, classes in KINDS if does(name, classes)]


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize(("name", "kind", "classes"), LEARNED, ids=[f"{name}-{kind}" for name, kind, _ in LEARNED])
def test_from_the_disk_and_from_memory_the_same(
    name: str, kind: str, classes: int, weighted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner, task = variant("learner", name)(), "classification" if classes else "regression"
    stream = kept(tmp_path, classes, weighted, monkeypatch)
    table, truth, weights = rows_of(classes)
    labels = [f"c{i}" for i in range(classes)]
    aims = np.array(labels)[truth.astype(int)] if classes else truth
    parameters = PARAMETERS.get(name, learner.default(ROWS))
    ours = variant("streamed", name)().fit(learner.build(task, parameters, 0), stream, labels)
    theirs = learner.build(task, parameters, 0)
    if name == "logistic":
        theirs.set_params(tol=1e-10, max_iter=5000)
    theirs.fit(table, aims, **({"sample_weight": weights} if weighted else {}))
    ask = (lambda model: model.predict_proba(table)) if classes else (lambda model: model.predict(table))
    apart = np.abs(np.asarray(ask(ours)) - np.asarray(ask(theirs)))
    assert apart.max() <= CLOSE[name]
    if classes:
        assert list(ours.classes_) == labels
    sealed_as_it_answers(ours, table, labels)


@pytest.mark.parametrize("name", HERE)
def test_what_does_not_fit_is_refused_with_its_reason(name: str) -> None:
    way = variant("streamed", name)()
    assert way.refuses(1000, 10, 2, 1 << 30) is None
    assert way.how
    if name not in ("naive_bayes",):
        assert way.refuses(10**9, 10**5, 2, 1 << 20)
