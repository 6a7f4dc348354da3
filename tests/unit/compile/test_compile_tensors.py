"""Models that take tensors: compiled, certified, sealed, and equal to their own library's answers."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.feature_selection import VarianceThreshold
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from fairlead.contract.errors import NotCompilable, UsageError
from fairlead.contract.signature import Column, Signature
from fairlead.lab.compile import write_bundle
from fairlead.lab.compile.probes import probes, random_rows, tensor_edges
from fairlead.lab.compile.sources import Hints, open_source
from fairlead.lab.train import candidate_of
from fairlead.runtime.bundle import SigningKey, load
from fairlead.runtime.native import NativeTerms

pytestmark = pytest.mark.filterwarnings("ignore:lbfgs", "ignore:Stochastic")
PIXELS, DIGITS = load_digits(return_X_y=True)
IMAGES = PIXELS.reshape(-1, 8, 8).astype(np.uint8)
FIRST = 800


def sample(images: np.ndarray = IMAGES, **more: object) -> pd.DataFrame:
    return pd.DataFrame({"image": list(images[:FIRST]), **more})


def sealed(estimator: object, frame: pd.DataFrame, folder):
    key = SigningKey.create(folder / "seal.key")
    write_bundle(candidate_of(estimator, frame), folder / "bundle", key)
    return load(folder / "bundle", [key.public])


FITTED = {
    "plain": lambda: HistGradientBoostingClassifier(max_iter=5, random_state=0),
    "same": lambda: make_pipeline(FunctionTransformer(), MLPClassifier((8,), max_iter=30, random_state=0)),
    "standard": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=30)),
    "range": lambda: make_pipeline(MinMaxScaler((-1, 1), clip=True), MLPClassifier((8,), max_iter=30, random_state=0)),
    "chosen": lambda: make_pipeline(VarianceThreshold(4.0), StandardScaler(), LogisticRegression(max_iter=30)),
}


@pytest.mark.parametrize("name", FITTED)
def test_estimators_over_pixels(name, tmp_path):
    fitted = FITTED[name]().fit(PIXELS[:FIRST], DIGITS[:FIRST])
    model = sealed(fitted, sample(), tmp_path)
    (column,) = model.signature.columns
    assert (column.kind, column.dtype, column.shape, column.low, column.high) == ("tensor", "uint8", (8, 8), 0.0, 16.0)
    expected = fitted.predict_proba(PIXELS[FIRST:])
    for rows in (sample(IMAGES[FIRST:]), {"image": IMAGES[FIRST:]}, [{"image": i.tolist()} for i in IMAGES[FIRST:900]]):
        found = model.probabilities(rows)
        assert np.abs(found - expected[: len(found)]).max() < 1e-9
        assert np.array_equal(found.argmax(axis=1), expected[: len(found)].argmax(axis=1))


def test_pixels_beside_other_columns(tmp_path):
    random = np.random.default_rng(0)
    light = random.normal(size=FIRST)
    matrix = np.column_stack([light, PIXELS[:FIRST]])
    fitted = make_pipeline(StandardScaler(), RandomForestRegressor(5, max_depth=4, random_state=0))
    fitted.fit(matrix, light + PIXELS[:FIRST, 20])
    frame = pd.DataFrame({"light": light, "image": list(IMAGES[:FIRST])})
    model = sealed(fitted, frame, tmp_path)
    assert [column.kind for column in model.signature.columns] == ["number", "tensor"]
    assert np.abs(model.probabilities(frame)[:, 0] - fitted.predict(matrix)).max() < 1e-9


def test_pixels_that_are_prepared_in_several_ways_are_refused(tmp_path):
    from sklearn.compose import make_column_transformer

    parts = make_column_transformer((StandardScaler(), slice(0, 30)), (MinMaxScaler(), slice(30, 64)))
    fitted = make_pipeline(parts, LogisticRegression(max_iter=20)).fit(PIXELS[:FIRST], DIGITS[:FIRST])
    with pytest.raises(NotCompilable, match="differ in more than their numbers"):
        sealed(fitted, sample(), tmp_path)


def test_estimators_that_cannot_take_the_pixels_say_why(tmp_path):
    narrow = LogisticRegression(max_iter=20).fit(PIXELS[:FIRST, :60], DIGITS[:FIRST])
    with pytest.raises(UsageError, match=r"fitted on 60 features; the sample has 64, the elements of image \[8, 8\]"):
        sealed(narrow, sample(), tmp_path)
    from sklearn.neighbors import KNeighborsClassifier

    nearest = KNeighborsClassifier().fit(PIXELS[:FIRST], DIGITS[:FIRST])
    with pytest.raises(NotCompilable, match="compiled or refused: it does not run natively"):
        write_bundle(
            candidate_of(nearest, sample()), tmp_path, SigningKey.create(tmp_path / "key"), native=NativeTerms()
        )


def convolution(
    shape: tuple[object, ...] = ("n", 1, 8, 8), kind: int = TensorProto.FLOAT, softmax: bool = True, op: str = "Relu"
) -> bytes:
    """An ONNX network: fixed random filters, and a last layer that has learned from what they show."""
    random = np.random.default_rng(3)
    filters = random.normal(size=(12, 1, 3, 3)).astype(np.float32) / 16
    windows = np.lib.stride_tricks.sliding_window_view(IMAGES[:FIRST].astype(np.float32), (3, 3), axis=(1, 2))
    shown = np.maximum(np.einsum("nijab,fab->nfij", windows, filters[:, 0]), 0)
    pooled = shown.reshape(FIRST, 12, 3, 2, 3, 2).max(axis=(3, 5)).reshape(FIRST, -1)
    last = LogisticRegression(max_iter=200, tol=0.01).fit(pooled, DIGITS[:FIRST])
    constants = [
        numpy_helper.from_array(filters, "filters"),
        numpy_helper.from_array(last.coef_.T.astype(np.float32), "weights"),
        numpy_helper.from_array(last.intercept_.astype(np.float32), "bias"),
    ]
    nodes = [
        helper.make_node("Cast", ["picture"], ["single"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["single", "filters"], ["shown"]),
        helper.make_node(op, ["shown"], ["active"]),
        helper.make_node("MaxPool", ["active"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["raw"]),
        helper.make_node("Softmax" if softmax else "Identity", ["raw"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("picture", kind, list(shape))],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 10])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return model.SerializeToString()


def asked(data: bytes, images: np.ndarray) -> np.ndarray:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return np.asarray(onnxruntime.InferenceSession(data, options).run(None, {"picture": images})[0])


def opened(data: bytes, frame: pd.DataFrame, tmp_path):
    (tmp_path / "model.onnx").write_bytes(data)
    return open_source(tmp_path / "model.onnx", frame, Hints(task="classification", labels=tuple(range(10))))


@pytest.mark.parametrize(
    ("shape", "kind", "images"),
    [
        (("n", 1, 8, 8), TensorProto.FLOAT, IMAGES),
        (("n", 1, 8, 8), TensorProto.UINT8, IMAGES.reshape(-1, 1, 8, 8)),
        (("n", 1, "h", "w"), TensorProto.FLOAT, IMAGES.reshape(-1, 1, 8, 8).astype(np.float32)),
        (("n", 1, 8, 8), TensorProto.DOUBLE, PIXELS),
    ],
)
def test_networks_over_images(shape, kind, images, tmp_path):
    data = convolution(shape, kind)
    said = opened(data, sample(images), tmp_path)
    assert "takes tensors of shape [1, 8, 8]" in said.said
    model = sealed(said.estimator, sample(images), tmp_path)
    assert model.signature.columns[0].dtype == images.dtype.name
    assert model.signature.classes == tuple("0123456789")
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    expected = asked(data, IMAGES[FIRST:].reshape(-1, 1, 8, 8).astype(dtype))
    found = model.probabilities({"image": images[FIRST:]})
    assert np.abs(found - expected).max() < 1e-5
    assert (found.argmax(axis=1) == DIGITS[FIRST:]).mean() > 0.85
    certificate = json.loads((tmp_path / "bundle" / "parity.json").read_bytes())
    assert certificate["flipped"] == 0
    assert set(certificate["kinds"]) == {"edges", "random", "training"}


def test_golden_rows_have_the_edges_and_nobody(tmp_path):
    sealed(opened(convolution(), sample(), tmp_path).estimator, sample(), tmp_path)
    rows = [
        json.loads(line)["row"]["image"] for line in (tmp_path / "bundle" / "golden.jsonl").read_text().splitlines()
    ]
    golden = np.array(rows)
    assert len(golden) > 30
    for edge in (0, 16, 255):
        assert (golden == edge).all(axis=(1, 2)).any()
    assert ((golden != 0).sum(axis=(1, 2)) == 1).any()
    known = {image.tobytes() for image in IMAGES}
    assert not [one for one in golden.astype(np.uint8) if one.min() != one.max() and one.tobytes() in known]
    background = (tmp_path / "bundle" / "background.jsonl").read_text().splitlines()
    assert len(background) == 100


@pytest.mark.parametrize(
    ("shape", "images", "why"),
    [
        (
            ("n", 1, 8, 8),
            IMAGES[:, :, :6],
            r"shape \[1, 8, 8\]; no column has such tensors: image \[8, 6\]",
        ),
        (("n", 1, 8, 8), IMAGES.reshape(-1, 4, 16), r"image \[4, 16\]\. Bring the sample's into that shape"),
        ((1, 1, 8, 8), IMAGES, "fixed number of rows"),
        (("n", 3, "h", "w"), IMAGES.reshape(-1, 1, 8, 8), r"shape \[3, '\?', '\?'\]"),
    ],
)
def test_shapes_that_do_not_fit_are_named(shape, images, why, tmp_path):
    with pytest.raises((UsageError, NotCompilable), match=why):
        opened(convolution(shape), sample(images), tmp_path)


def test_a_sample_without_tensors_or_with_two_is_told_so(tmp_path):
    with pytest.raises(UsageError, match="no column of the sample holds tensors"):
        opened(convolution(), pd.DataFrame({"image": [1.0, 2.0]}), tmp_path)
    with pytest.raises(UsageError, match="more than one column has such tensors"):
        opened(convolution(), sample(other=list(IMAGES[:FIRST])), tmp_path)


def test_what_is_no_probability_or_no_arithmetic_says_what_to_do(tmp_path):
    with pytest.raises(NotCompilable, match="end it with a softmax"):
        opened(convolution(softmax=False), sample(), tmp_path)
    estimator = opened(convolution(op="Celu"), sample(), tmp_path)
    with pytest.raises(NotCompilable, match="operator 'Celu'"):
        sealed(estimator.estimator, sample(), tmp_path)


def test_classes_that_are_numbers_come_in_the_order_of_their_size():
    from fairlead.lab.compile.sources.onnx_file import _in_order

    assert _in_order((10, 2, 0, 1)) == (0, 1, 2, 10)
    assert _in_order(("10", "2", "b", "a")) == ("10", "2", "a", "b")


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float16", "float32", "float64"])
def test_probes_keep_to_dtype_and_bounds(dtype):
    low = 0.0 if dtype == "uint8" else -3.0
    column = Column("x", "tensor", nullable=False, low=low, high=5.0, dtype=dtype, shape=(3, 2))
    signature = Signature("regression", (column,))
    found = random_rows(signature, 40, np.random.default_rng(0))["x"]
    assert found.dtype == np.dtype(dtype)
    assert found.shape == (40, 6)
    assert found.min() >= low
    assert found.max() <= 5
    for edge in tensor_edges(column, np.random.default_rng(0)):
        assert edge.shape == (6,)
        assert edge.dtype == np.dtype(dtype)
    columns = {"x": found}
    first = [(kind, rows["x"].tobytes()) for kind, rows in probes(signature, columns, None, {})]
    assert first == [(kind, rows["x"].tobytes()) for kind, rows in probes(signature, columns, None, {})]


def test_large_tensors_make_few_probes_and_few_golden_rows(tmp_path):
    wide = msgspec.structs.replace(
        Column("x", "tensor", nullable=False, low=0.0, high=1.0, dtype="float32"), shape=(3, 224, 224)
    )
    signature = Signature("regression", (wide,))
    rows = random_rows(signature, 60, np.random.default_rng(0))
    counted = {}
    for kind, block in probes(signature, rows, None, {}):
        counted[kind] = counted.get(kind, 0) + len(block["x"])
    assert counted == {"training": 55, "edges": 6, "random": 6}
