"""Networks in few bytes: what is read from the file is what onnxruntime computes, and nothing else is let in."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, load_model_from_string

from fairlead.contract.errors import BundleRefused
from fairlead.lab.compile.compact_networks import CompactNetworks, SingleNetworks
from fairlead.lab.train.estimators.compact_network import CompactClassifier, CompactRegressor, Layers
from fairlead.lab.train.estimators.compact_weights import Weights, kept_as
from fairlead.runtime.bundle.network_file import read_network
from fairlead.runtime.bundle.onnx_guard import check_onnx
from fairlead.runtime.bundle.tail import OnnxTail

FORMS = st.sampled_from(["float64", "float32", "float16", "int8"])


def layers_of(seed: int, sizes: list[int], active: str, link: str, zeros: float) -> Layers:
    random = np.random.default_rng(seed)
    weights = [random.normal(size=pair) * (random.random(pair) >= zeros) for pair in itertools.pairwise(sizes)]
    biases = [random.normal(size=size) for size in sizes[1:]]
    return Layers(tuple(Weights(w) for w in weights), tuple(biases), active, link)


def network(layers: Layers) -> Any:
    if layers.link == "identity":
        return CompactRegressor(layers)
    return CompactClassifier(layers, np.arange(2 if layers.link == "logistic" else layers.sizes[-1]).astype(str))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 999), hidden=st.lists(st.integers(1, 12), max_size=2), form=FORMS,
    active=st.sampled_from(["relu", "tanh", "logistic", "identity"]),
    link=st.sampled_from(["identity", "logistic", "softmax"]), zeros=st.sampled_from([0.0, 0.5, 0.95]),
)  # fmt: skip
def test_stored_weights_are_the_same_model_to_numpy_onnxruntime_and_the_kernel(
    seed: int, hidden: list[int], form: Any, active: str, link: str, zeros: float
) -> None:
    outputs = 3 if link == "softmax" else 1
    made = network(layers_of(seed, [5, *hidden, outputs], active, link, zeros).stored(form))
    data = CompactNetworks().emit(made, 5)
    check_onnx(data)
    x = np.random.default_rng(seed + 1).normal(size=(7, 5))
    expected = made.predict_proba(x) if hasattr(made, "classes_") else made.predict(x)[:, None]
    tail = OnnxTail(data, 5)
    assert np.allclose(tail.scores(x), expected, rtol=1e-12, atol=1e-12)
    found = read_network(data)
    assert found is not None
    for layer, weights in zip(found[0], made.layers_.weights, strict=True):
        assert np.array_equal(layer.weights, weights.numbers)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 999), hidden=st.lists(st.integers(1, 40), min_size=1, max_size=2),
    active=st.sampled_from(["relu", "identity"]), static=st.booleans(), scale=st.sampled_from([1e-9, 1.0, 1e12]),
)  # fmt: skip
def test_products_of_whole_numbers_are_the_same_bits_in_both_engines_and_alone(
    seed: int, hidden: list[int], active: str, static: bool, scale: float
) -> None:
    plain = layers_of(seed, [6, *hidden, 1], active, "identity", 0.0)
    x = np.random.default_rng(seed + 1).normal(size=(9, 6)) * scale
    tops = tuple(float(np.abs(each).max()) for each in plain.inputs(x)[:-1]) if static else ()
    made = network(plain.in_whole_numbers(tops))
    tail = OnnxTail(CompactNetworks().emit(made, 6), 6)
    together = tail.scores(x)
    assert np.array_equal(together[:, 0], made.predict(x))
    # No answer depends on what else is asked.
    assert np.array_equal(np.concatenate([tail.scores(x[at : at + 1]) for at in range(len(x))]), together)


def test_eight_bits_lose_little_and_a_row_of_weights_keeps_its_own_scale() -> None:
    numbers = np.array([[1000.0, 0.001], [-500.0, -0.0005], [0.0, 0.0]])
    kept = kept_as("int8", numbers)
    assert kept.kept.tolist() == [[127, 127], [-64, -64], [0, 0]] or kept.kept.tolist() == [
        [127, 127],
        [-63, -63],
        [0, 0],
    ]
    assert np.abs(kept.numbers - numbers).max(axis=0) == pytest.approx([1000 / 254, 0.001 / 254], rel=0.02)
    with pytest.raises(ValueError, match="too large for float16"):
        kept_as("float16", np.array([[1e6]]))


def test_whole_numbers_after_a_curve_are_refused() -> None:
    made = network(layers_of(0, [3, 4, 1], "tanh", "identity", 0.0).in_whole_numbers(()))
    assert "not the same on every machine" in (CompactNetworks().accepts(made) or "")


def sparse(cells: list[int], places: list[int], values: list[float]) -> bytes:
    held = helper.make_tensor("w", TensorProto.DOUBLE, [len(values)], values)
    at = helper.make_tensor("wp", TensorProto.INT64, [len(places)], places)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["value"])], "tail",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, [None, 4])],
        [helper.make_tensor_value_info("value", TensorProto.DOUBLE, [None, 1])],
        sparse_initializer=[helper.make_sparse_tensor(held, at, cells)],
    )  # fmt: skip
    data: bytes = helper.make_model(graph).SerializeToString()
    return data


def test_a_sparse_constant_that_would_fill_the_memory_is_refused() -> None:
    check_onnx(sparse([4, 1], [1], [2.0]))
    for cells in ([1 << 40, 1], [1 << 20, 1 << 20]):
        with pytest.raises(BundleRefused, match="cells for each number"):
            check_onnx(sparse(cells, [1], [2.0]))


@pytest.mark.parametrize("places", [[64], [-1], [1, 2]])
def test_places_outside_a_sparse_constant_are_not_read(places: list[int]) -> None:
    layers = layers_of(0, [8, 8, 1], "relu", "identity", 0.97)
    data = CompactNetworks().emit(network(layers.stored("int8")), 8)
    model = load_model_from_string(data)
    assert model.graph.sparse_initializer
    del model.graph.sparse_initializer[0].indices.int64_data[:]
    model.graph.sparse_initializer[0].indices.int64_data.extend(places)
    assert read_network(model.SerializeToString()) is None
    with pytest.raises(BundleRefused):
        OnnxTail(model.SerializeToString(), 8)


def test_weights_of_another_type_are_left_to_onnxruntime() -> None:
    data = CompactNetworks().emit(network(layers_of(0, [3, 2, 1], "relu", "identity", 0.0).stored("float32")), 3)
    model = load_model_from_string(data)
    next(node for node in model.graph.node if node.op_type == "Cast").attribute[0].i = TensorProto.FLOAT
    assert read_network(model.SerializeToString()) is None


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 999), hidden=st.lists(st.integers(1, 40), min_size=1, max_size=2), form=FORMS,
    active=st.sampled_from(["relu", "tanh", "logistic"]), link=st.sampled_from(["identity", "logistic", "softmax"]),
)  # fmt: skip
def test_products_in_single_precision_are_near_in_both_engines_even_far_out(
    seed: int, hidden: list[int], form: Any, active: str, link: str
) -> None:
    outputs = 3 if link == "softmax" else 1
    plain = layers_of(seed, [6, *hidden, outputs], active, link, 0.0)
    made = network(plain.in_single_precision() if form == "float64" else plain.in_single_precision().stored(form))
    assert CompactNetworks().accepts(made) == "its products are in another precision"
    assert SingleNetworks().accepts(made) is None
    x = np.random.default_rng(seed + 1).normal(size=(9, 6))
    expected = made.predict_proba(x) if hasattr(made, "classes_") else made.predict(x)[:, None]
    tail = OnnxTail(SingleNetworks().emit(made, 6), 6)
    assert np.allclose(tail.scores(x), expected, rtol=1e-4, atol=1e-5)
    x[0, 0], x[1, :] = 1e300, -1e300
    assert np.isfinite(tail.scores(x)).all()
