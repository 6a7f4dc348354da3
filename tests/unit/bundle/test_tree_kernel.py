"""The compiled kernel of trees against onnxruntime: the same sums, bit for bit, and nothing read that is not there."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier

from fairlead.lab.compile.trees import Trees
from fairlead.runtime.bundle import tree_tail
from fairlead.runtime.bundle.tail import OnnxTail, load_tail
from fairlead.runtime.bundle.tree_file import read_trees
from fairlead.runtime.bundle.tree_tail import TreeTail, compiled

FEATURES = 6
rng = np.random.default_rng(3)
X = rng.normal(size=(400, FEATURES)).round(2)
TWO = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)
THREE = np.digitize(X[:, 0] + X[:, 3], [-0.5, 0.7])
NUMBER = np.exp(X[:, 0] / 4) + X[:, 1]
HOLES = np.where(rng.random(X.shape) < 0.15, np.nan, X)
GROWN: dict[str, Any] = {
    "forest of two classes": RandomForestClassifier(30, random_state=0).fit(X, TWO),
    "forest of three classes": RandomForestClassifier(20, random_state=0).fit(X, THREE),
    "forest of numbers": RandomForestRegressor(20, random_state=0).fit(X, NUMBER),
    "forest with holes": RandomForestClassifier(20, random_state=0).fit(HOLES, TWO),
    "extra trees": ExtraTreesRegressor(20, random_state=0).fit(X, NUMBER),
    "one tree": DecisionTreeClassifier(random_state=0).fit(X, TWO),
    "gradient boosting": GradientBoostingClassifier(n_estimators=30, random_state=0).fit(X, TWO),
    "histogram boosting": HistGradientBoostingClassifier(max_iter=30, random_state=0).fit(HOLES, TWO),
    "histogram boosting of three": HistGradientBoostingClassifier(max_iter=15, random_state=0).fit(HOLES, THREE),
    "poisson": HistGradientBoostingRegressor(loss="poisson", max_iter=15).fit(HOLES, np.abs(NUMBER)),
}


def probes() -> np.ndarray:
    """Rows of the table, holes, thresholds' neighbours, infinities, huge and tiny numbers."""
    edges = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1e308, -1e308, 5e-324, 16_777_217.0])
    strange = rng.choice(edges, size=(200, FEATURES))
    near = np.nextafter(X[:100], rng.choice([-np.inf, np.inf], size=(100, FEATURES)))
    return np.concatenate([X, HOLES, strange, near])


@pytest.fixture(autouse=True)
def kernel() -> None:
    if tree_tail._trees is None:
        pytest.skip("the kernel of trees was not compiled: there was no C compiler at installation")


@pytest.mark.parametrize("name", GROWN)
def test_the_kernel_answers_as_onnxruntime_does(name: str) -> None:
    data = Trees().emit(GROWN[name], FEATURES)
    ours, theirs = load_tail({"model/tail.onnx": data}, FEATURES), OnnxTail(data, FEATURES)
    assert isinstance(ours, TreeTail)
    rows = probes()
    with np.errstate(all="ignore"):
        for count in (1, 2, 3, 4, 7, 8, 9, 25, 64, 65, 129, len(rows)):
            part = np.ascontiguousarray(rows[-count:])
            assert ours.scores(part).shape == (count, ours.outputs)
            np.testing.assert_allclose(ours.scores(part), theirs.scores(part), rtol=4e-16, atol=3e-16)
        one_by_one = np.concatenate([ours.scores(np.ascontiguousarray(row[None])) for row in rows])
        np.testing.assert_allclose(one_by_one, ours.scores(rows), rtol=4e-16, atol=3e-16)


def test_sums_are_equal_bit_for_bit() -> None:
    model = GROWN["forest of numbers"]
    data = Trees().emit(model, FEATURES)
    ours, theirs = compiled(data, FEATURES), OnnxTail(data, FEATURES)
    assert ours is not None
    assert np.array_equal(ours.scores(X), theirs.scores(X))
    assert np.array_equal(ours.scores(X), model.predict(X).reshape(-1, 1))


def test_native_categories_are_left_to_onnxruntime() -> None:
    table = np.column_stack([rng.integers(0, 12, 400), X[:, 1:]])
    model = HistGradientBoostingClassifier(max_iter=10, categorical_features=[0]).fit(table, table[:, 0] % 2)
    data = Trees().emit(model, FEATURES)
    assert compiled(data, FEATURES) is None
    assert isinstance(load_tail({"model/tail.onnx": data}, FEATURES), OnnxTail)


def test_a_file_that_was_changed_is_run_by_onnxruntime_or_not_at_all() -> None:
    data = Trees().emit(GROWN["one tree"], FEATURES)
    chance = random.Random(4)
    taken = 0
    for _ in range(3000):
        changed = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        tail = compiled(bytes(changed), FEATURES)
        if tail is not None:
            taken += 1
            with np.errstate(all="ignore"):
                assert tail.scores(X[:9]).shape == (9, tail.outputs)
    assert taken


@pytest.mark.parametrize(
    "change",
    [
        {"trues": np.array([0])},
        {"falses": np.array([7])},
        {"falses": np.array([-9])},
        {"roots": np.array([1])},
        {"roots": np.array([-1])},
        {"feature": np.array([2])},
        {"feature": np.array([-1])},
        {"missing": np.array([2])},
        {"split": np.array([np.nan])},
    ],
)
def test_nodes_that_are_no_tree_are_refused(change: dict[str, np.ndarray]) -> None:
    import msgspec

    made = read_trees(Trees().emit(DecisionTreeClassifier(max_depth=1).fit(X[:, :2], TWO), 2))
    assert made is not None
    TreeTail(made, 2)
    with pytest.raises(ValueError, match=r"tree|feature"):
        TreeTail(msgspec.structs.replace(made, **change), 2)


def test_a_kernel_reads_only_what_fits() -> None:
    made = compiled(Trees().emit(GROWN["one tree"], FEATURES), FEATURES)
    assert made is not None
    score, kernel = made._score, made._kernel
    with pytest.raises(ValueError, match="bytes"):
        score(kernel, 2, X[:1], np.empty((2, 1)))
    with pytest.raises(ValueError, match="bytes"):
        score(kernel, 2, X[:2], np.empty((1, 1)))
    with pytest.raises((ValueError, BufferError)):
        score(kernel, 2, np.asfortranarray(X[:2]), np.empty((2, 1)))
    with pytest.raises(ValueError, match="range"):
        score(kernel, -1, X[:2], np.empty((2, 1)))
