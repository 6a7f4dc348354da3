"""Networks read from their ONNX files: the kernel answers as onnxruntime does, and no other file is taken."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from sklearn.neural_network import MLPClassifier, MLPRegressor

from fairlead.contract.signature import Column, Signature
from fairlead.lab.compile.networks import Networks
from fairlead.lab.compile.trees import Trees
from fairlead.runtime.bundle import Front, tail_kernel
from fairlead.runtime.bundle.front import Number
from fairlead.runtime.bundle.network_file import read_network
from fairlead.runtime.bundle.run import Model
from fairlead.runtime.bundle.tail import OnnxTail
from fairlead.runtime.bundle.tail_kernel import dense

FEATURES = 5
rng = np.random.default_rng(2)
X = rng.normal(size=(120, FEATURES)) * rng.integers(0, 2, size=(120, FEATURES))
TWO, THREE = (X[:, 0] > 0).astype(int), np.digitize(X[:, 1], [-0.3, 0.3])


def network(kind: type, target: Any, **more: Any) -> Any:
    return kind(max_iter=3, random_state=0, **more).fit(X, target)


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Any:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("warnings.warn", lambda *_, **__: None)
        yield


@pytest.fixture(scope="module")
def networks(quiet: Any) -> dict[str, Any]:
    found = {
        f"{active} of two": network(MLPClassifier, TWO, hidden_layer_sizes=(7, 4), activation=active)
        for active in ("identity", "relu", "tanh", "logistic")
    }
    found["three classes"] = network(MLPClassifier, THREE, hidden_layer_sizes=(6,))
    found["numbers"] = network(MLPRegressor, X[:, 2], hidden_layer_sizes=(6, 6, 6))
    found["one layer"] = network(MLPClassifier, THREE, hidden_layer_sizes=())
    return found


NAMES = ("identity of two", "relu of two", "tanh of two", "logistic of two", "three classes", "numbers", "one layer")


@pytest.mark.parametrize("name", NAMES)
def test_the_kernel_answers_as_onnxruntime_does(name: str, networks: dict[str, Any]) -> None:
    if tail_kernel._tails is None:
        pytest.skip("the kernel of tails was not compiled: there was no C compiler at installation")
    tail = OnnxTail(Networks().emit(networks[name], FEATURES), FEATURES)
    assert tail.kernel is not None
    assert tail.most > 100
    columns = tuple(Column(f"c{n}", "number") for n in range(FEATURES))
    names = tuple(column.name for column in columns)
    front = Front(names, (True,) * FEATURES, tuple(Number(one) for one in names))
    classes = ("a", "b", "c")[: tail.outputs] if tail.outputs > 1 else ()
    signature = Signature("classification" if classes else "regression", columns, classes=classes)
    model = Model("id", None, signature, front, tail)  # type: ignore[arg-type]
    assert model._few is not None
    rows = X[:100].tolist()
    expected = tail.scores(X[:100])
    np.testing.assert_allclose(model.score_rows(rows), expected, rtol=0, atol=1e-13)
    alone = [model.answer_rows([row]) for row in rows]
    assert [scores[0] for _, scores in alone] == model.score_rows(rows).tolist()
    if classes:
        assert [labels[0] for labels, _ in alone if labels] == model.decide(expected)
    many = rows * 40
    assert len(many) > model._few.most
    np.testing.assert_allclose(model.score_rows(many), np.tile(expected, (40, 1)), rtol=0, atol=1e-13)


def test_without_the_kernel_onnxruntime_does_it(networks: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_kernel, "_tails", None)
    assert OnnxTail(Networks().emit(networks["numbers"], FEATURES), FEATURES).kernel is None


def test_a_network_too_large_for_the_kernel_is_left_to_onnxruntime() -> None:
    tail = OnnxTail(Networks().emit(network(MLPRegressor, X[:, 2], hidden_layer_sizes=(500, 400)), FEATURES), FEATURES)
    assert (tail.kernel, tail.most) == (None, 0)


def changed(data: bytes, change: Any) -> bytes:
    model = onnx.load_from_string(data)
    change(model.graph)
    return model.SerializeToString()


@pytest.mark.parametrize(
    "change",
    [
        lambda graph: graph.node[0].attribute.append(helper.make_attribute("alpha", 2.0)),
        lambda graph: graph.node[0].attribute.append(helper.make_attribute("transB", 1)),
        lambda graph: setattr(graph.node[1], "domain", "ai.onnx.ml"),
        lambda graph: setattr(graph.node[1], "op_type", "Exp"),
        lambda graph: graph.node[2].input.__setitem__(0, "layer0"),
        lambda graph: graph.node[0].input.pop(),
        lambda graph: graph.node[-1].attribute.pop(),
        lambda graph: graph.node[-1].input.reverse(),
        lambda graph: graph.node[-2].input.reverse(),
        lambda graph: graph.node[-1].output.__setitem__(0, "other"),
        lambda graph: graph.initializer[0].dims.reverse(),
        lambda graph: graph.initializer[0].dims.__setitem__(0, 4),
        lambda graph: setattr(graph.initializer[0], "data_type", 1),
        lambda graph: graph.node.append(helper.make_node("Identity", ["value"], ["more"])),
    ],
)
def test_a_file_of_another_make_is_not_taken(change: Any, networks: dict[str, Any]) -> None:
    data = Networks().emit(networks["relu of two"], FEATURES)
    assert read_network(data) is not None
    found = read_network(changed(data, change))
    assert found is None or dense(FEATURES, *found) is None


def test_trees_are_no_network() -> None:
    from sklearn.tree import DecisionTreeClassifier

    assert read_network(Trees().emit(DecisionTreeClassifier(max_depth=2).fit(X, TWO), FEATURES)) is None


def test_any_bytes_are_read_without_harm(networks: dict[str, Any]) -> None:
    data = Networks().emit(networks["tanh of two"], FEATURES)
    chance, taken = random.Random(1), 0
    for _ in range(2000):
        bytes_of = bytearray(data)
        for _ in range(chance.randint(1, 3)):
            bytes_of[chance.randrange(len(bytes_of))] = chance.randrange(256)
        found = read_network(bytes(bytes_of[: chance.choice([len(bytes_of), len(bytes_of), chance.randrange(400)])]))
        kernel = None if found is None else dense(FEATURES, *found)
        if kernel is not None:
            taken += 1
            tail_kernel.score(kernel, len(X), X, np.empty((len(X), 2)))
    assert taken or tail_kernel._tails is None
