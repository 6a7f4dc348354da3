"""The compiled kernel of trees against onnxruntime: the same sums, bit for bit, and nothing read that is not there."""

from __future__ import annotations

import math
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier

from fairlead.lab.compile.tree_sums import TreeSum, onnx_of
from fairlead.lab.compile.tree_tables import TreeTable
from fairlead.lab.compile.trees import Trees
from fairlead.lab.compile.xgboost_trees import XGBoostTrees
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
    "leaves of a table's most": HistGradientBoostingRegressor(max_iter=40, max_leaf_nodes=64, min_samples_leaf=2).fit(
        HOLES, NUMBER
    ),
    "leaves of one more": HistGradientBoostingRegressor(max_iter=40, max_leaf_nodes=65, min_samples_leaf=2).fit(
        HOLES, NUMBER
    ),
}
WALKED, ANY, AVX2 = -1, 0, 1
"""`widest` of the kernel: nodes only; small trees by tables, large ones by ranks; the same with AVX2."""
ROUNDED, SINGLE, SPARSE = 1, 2, 4
EDGES = (
    np.inf,
    -np.inf,
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    1e-310,
    1e308,
    -1e308,
    1.0,
    np.nextafter(1.0, 2.0),
    0.1,
    16777217.0,
)
SIZES = (1, 2, 3, 4, 7, 8, 9, 25, 300)


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


@dataclass
class Ensemble:
    """Nodes as the kernel takes them, and what they mean, in Python."""

    features: int
    targets: int
    flags: int
    roots: list[int]
    nodes: list[tuple[float, int, int, int, int]]  # split, true, false, feature, missing
    weights: list[float]
    goals: list[int]

    def build(self, widest: int) -> Any:
        node = np.zeros(len(self.nodes), tree_tail._NODE)
        for at, name in enumerate(("split", "true", "false", "feature", "missing")):
            node[name] = [one[at] for one in self.nodes]
        return tree_tail._trees.build(
            self.features, self.targets, len(node), len(self.roots), len(self.weights), self.flags, node.tobytes(),
            np.array(self.roots, "<i4").tobytes(), np.array(self.goals, "<i4").tobytes(),
            np.array(self.weights, "<f8").tobytes(), widest,
        )  # fmt: skip

    def score(self, kernel: Any, x: np.ndarray) -> np.ndarray:
        out = np.full((len(x), self.targets), 7.0)
        tree_tail._trees.score(kernel, len(x), np.ascontiguousarray(x), out)
        return out

    def expected(self, x: np.ndarray) -> np.ndarray:
        """Sums by walking from node to node."""
        with np.errstate(over="ignore", invalid="ignore"):
            if self.flags & (ROUNDED | SINGLE):
                x = x.astype(np.float32).astype(float)
            if self.flags & SPARSE:
                x = np.where(x == 0.0, np.nan, x)
            sums = np.zeros((len(x), self.targets), np.float32 if self.flags & SINGLE else np.float64)
            for row, cells in enumerate(x.tolist()):
                for root in self.roots:
                    at = root
                    while at >= 0:
                        split, true, false, feature, missing = self.nodes[at]
                        cell = cells[feature]
                        side = missing if cell != cell else int(not cell <= split)
                        at = (true, false)[side]
                    leaf = -1 - at
                    sums[row, self.goals[leaf] if self.targets > 1 else 0] += sums.dtype.type(self.weights[leaf])
        return sums.astype(np.float64)


def grown(chance: random.Random, leaves: list[int], features: int, targets: int, flags: int) -> Ensemble:
    """Random trees, one of each number of leaves; the same splits come up often."""
    found = Ensemble(features, targets, flags, [], [], [], [])
    pool = [*EDGES, *(round(chance.gauss(0, 1), 1) for _ in range(20))]

    def grow(count: int) -> int:
        if count == 1:
            weight = chance.uniform(-3.0, 3.0)
            found.weights.append(float(np.float32(weight)) if flags & SINGLE else weight)
            found.goals.append(chance.randrange(targets))
            return -len(found.weights)
        at, left = len(found.nodes), chance.choice([1, count - 1, chance.randint(1, count - 1)])
        feature, missing = chance.randrange(features), chance.randrange(2)
        split = chance.choice(pool) if chance.random() < 0.7 else chance.gauss(0, 1)
        found.nodes.append((0.0, 0, 0, 0, 0))
        found.nodes[at] = (split, grow(left), grow(count - left), feature, missing)
        return at

    for count in leaves:
        root = grow(count)
        if root < 0:  # a tree of one leaf is a node that has it on both sides
            found.nodes.append((0.0, root, root, 0, 0))
            root = len(found.nodes) - 1
        found.roots.append(root)
    return found


def cells(chance: random.Random, rows: int, ensemble: Ensemble) -> np.ndarray:
    """Rows of splits, their neighbours, edges, holes and anything."""
    splits = [split for split, *_ in ensemble.nodes]

    def cell() -> float:
        kind = chance.randrange(6)
        if kind == 0:
            return chance.choice(splits)
        if kind == 1:
            return math.nextafter(chance.choice(splits), chance.choice([-math.inf, math.inf]))
        if kind == 2:
            return chance.choice(EDGES)
        return float("nan") if kind == 3 else chance.gauss(0, 1)

    return np.array([[cell() for _ in range(ensemble.features)] for _ in range(rows)])


def assert_all_forms_walk_alike(chance: random.Random, ensemble: Ensemble, sizes: tuple[int, ...] = SIZES) -> None:
    x = cells(chance, 40, ensemble)
    x = x[np.resize(np.arange(40), max(sizes))]
    expected = ensemble.expected(x[:40])[np.resize(np.arange(40), len(x))]
    for widest in (WALKED, ANY, AVX2):
        kernel = ensemble.build(widest)
        for count in sizes:
            np.testing.assert_array_equal(ensemble.score(kernel, x[-count:]), expected[-count:], str(widest))


LEAVES = st.lists(st.one_of(st.integers(1, 8), st.integers(1, 65), st.sampled_from([31, 32, 33, 63, 64, 65, 150])))


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32), LEAVES.filter(bool), st.integers(1, 6), st.sampled_from([1, 1, 3]), st.data())
def test_every_form_gives_the_sums_of_a_plain_walk(
    seed: int, leaves: list[int], features: int, targets: int, data: st.DataObject
) -> None:
    chance = random.Random(seed)
    flags = data.draw(st.sampled_from([0, 0, ROUNDED, SINGLE, SPARSE, ROUNDED | SPARSE, SINGLE | SPARSE]))
    assert_all_forms_walk_alike(chance, grown(chance, leaves, features, targets, flags))


@pytest.mark.parametrize("flags", [0, ROUNDED, SINGLE])
@pytest.mark.parametrize("targets", [1, 3])
@pytest.mark.parametrize(
    ("leaves", "features"),
    [
        ([31] * 60, 5),  # one table
        ([8] * 700, 3),  # more bits than a table's row takes
        ([60] * 150, 12),  # several tables
        ([40] * 60 + [90] * 20 + [3] * 60, 4),  # a walk between tables
        (([90] * 5 + [31] * 20) * 4, 3),  # walks between tables
        (([90] * 20 + [31] * 10) * 4, 3),  # and where they are most
        ([400] * 12, 5),  # a walk by ranks
        ([10] * 3, 700),  # more columns than trees are worth
        ([60] * 70, 600),  # more columns than are looked up at once
        ([2], 1),
    ],
)
def test_every_form_gives_the_sums_of_a_plain_walk_whatever_their_shape(
    leaves: list[int], features: int, targets: int, flags: int
) -> None:
    chance = random.Random(len(leaves) * features)
    assert_all_forms_walk_alike(chance, grown(chance, leaves, features, targets, flags), (1, 3, 25, 257))


@pytest.mark.parametrize("weights", [[0.0], [0.25, 0.5, 1.0], [0.25, math.nan, 1.0], list(np.linspace(0.0, 1.0, 41))])
def test_large_trees_whose_leaves_have_few_weights(weights: list[float]) -> None:
    for features in (1, 3, 12):
        ensemble = grown(random.Random(5), [200] * 15, features, 1, 0)
        ensemble.weights = [random.Random(leaf).choice(weights) for leaf in range(len(ensemble.weights))]
        assert_all_forms_walk_alike(random.Random(6), ensemble)


def test_nodes_with_several_parents_are_walked() -> None:
    """No emitter writes them, and as trees they would take all memory."""
    for depth in (3, 20, 60, 300):
        nodes = [(0.1 * (n % 7) - 0.3, n + 1, n + 1, n % 3, n % 2) for n in range(depth - 1)]
        twisted = Ensemble(3, 1, 0, [0, 1] * 5, [*nodes, (0.0, -1, -2, 1, 1)], [0.5, 0.25], [0, 0])
        assert_all_forms_walk_alike(random.Random(depth), twisted)


@pytest.mark.parametrize("precision", ["double", "rounded", "single"])
@pytest.mark.parametrize("sparse", [False, True], ids=["full", "sparse"])
@pytest.mark.parametrize("leaves", [[1, 2, 31, 32, 33, 64] * 10, [65, 200, 1, 90] * 4], ids=["small", "large"])
def test_random_trees_sum_up_as_in_onnxruntime(precision: Any, sparse: bool, leaves: list[int]) -> None:
    chance = random.Random(7)
    flags = SINGLE if precision == "single" else 0
    for strict in (False, True):
        for targets in (1, 3):
            ensemble = grown(chance, leaves, 4, targets, flags)
            tables = [_table(ensemble, root, n % targets, strict, flags) for n, root in enumerate(ensemble.roots)]
            made = TreeSum(tables, targets, np.zeros(targets), "identity", precision=precision, sparse=sparse)
            data = onnx_of(made, 4)
            ours, theirs = load_tail({"model/tail.onnx": data}, 4), OnnxTail(data, 4)
            assert isinstance(ours, TreeTail)
            x = cells(chance, 200, ensemble)
            for count in (1, 5, 200):
                part = np.ascontiguousarray(x[:count])
                # onnxruntime adds single precision of many rows in the order of the trees as well, with one thread.
                np.testing.assert_array_equal(ours.scores(part), theirs.scores(part))


def _table(ensemble: Ensemble, root: int, target: int, strict: bool, flags: int) -> TreeTable:
    """A tree of the ensemble as emitters have them."""
    order, arrays = [root], []
    for at in order:
        if at < 0:
            arrays.append((True, 0, 0.0, 0, 0, False, ensemble.weights[-1 - at]))
            continue
        split, true, false, feature, missing = ensemble.nodes[at]
        if np.isneginf(split):  # nothing is below it, and the file's reader says so
            split = -3e38
        split = float(np.clip(np.float32(np.clip(split, -3e38, 3e38)), -3e38, 3e38)) if flags & SINGLE else split
        arrays.append((False, feature, split, len(order), len(order) + 1, missing == 0, 0.0))
        order += [true, false]
    leaf, feature, split, left, right, missing_left, value = (np.array(column) for column in zip(*arrays, strict=True))
    return TreeTable(leaf, feature, split, left, right, missing_left, value, target, strict=strict)


def test_models_of_xgboost_are_run_by_the_kernel_in_single_precision() -> None:
    xgboost = pytest.importorskip("xgboost")
    rows = probes()
    with np.errstate(all="ignore"):
        for model in (
            xgboost.XGBClassifier(n_estimators=60, n_jobs=1).fit(HOLES, TWO),
            xgboost.XGBClassifier(n_estimators=20, n_jobs=1).fit(HOLES, THREE),
            xgboost.XGBRegressor(n_estimators=60, max_depth=9, n_jobs=1).fit(HOLES, NUMBER),
        ):
            for data in (XGBoostTrees().emit(model, FEATURES), XGBoostTrees().emit_sparse(model, FEATURES)):
                ours, theirs = load_tail({"model/tail.onnx": data}, FEATURES), OnnxTail(data, FEATURES)
                assert isinstance(ours, TreeTail)
                np.testing.assert_allclose(ours.scores(rows), theirs.scores(rows), rtol=3e-7, atol=3e-7)


def test_a_split_that_nothing_is_below_is_left_to_onnxruntime() -> None:
    one = np.array([False, True, True])
    zeros, missing = np.zeros(3, int), np.zeros(3, bool)
    left, right = np.array([1, 0, 0]), np.array([2, 0, 0])
    split, value = np.array([-np.inf, 0, 0]), np.array([0.0, 1.0, 2.0])
    for strict, taken in ((True, False), (False, True)):
        table = TreeTable(one, zeros, split, left, right, missing, value, 0, strict=strict)
        data = onnx_of(TreeSum([table], 1, np.zeros(1), "identity"), 1)
        assert (compiled(data, 1) is not None) is taken
        x = np.array([[-np.inf], [0.0]])
        np.testing.assert_array_equal(load_tail({"model/tail.onnx": data}, 1).scores(x), [[1.0 + strict], [2.0]])


def test_threads_share_a_kernel() -> None:
    chance = random.Random(1)
    ensemble = grown(chance, [31] * 40 + [80] * 10, 5, 1, ROUNDED)
    kernel, x = ensemble.build(AVX2), cells(chance, 500, ensemble)
    expected = ensemble.score(kernel, x)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: ensemble.score(kernel, x), range(40)):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("place", "value"),
    [(0, 0), (0, 65536), (1, 0), (1, 65536), (2, 0), (2, 2), (3, 0), (3, 2), (4, 0), (4, 1), (5, 8), (5, -1), (6, b"")],
)
def test_sizes_that_do_not_fit_are_refused(place: int, value: Any) -> None:
    node = np.zeros(1, tree_tail._NODE)
    node["true"], node["false"] = -1, -2
    said: list[Any] = [
        1, 1, 1, 1, 2, 0, node.tobytes(), np.zeros(1, "<i4").tobytes(), np.zeros(2, "<i4").tobytes(), bytes(16)
    ]  # fmt: skip
    tree_tail._trees.build(*said)
    said[place] = value
    with pytest.raises(ValueError, match=r"range|bytes|trees"):
        tree_tail._trees.build(*said)
