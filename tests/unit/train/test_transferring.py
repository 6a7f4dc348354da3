"""What a network begins with: read back from a sealed graph, checked against the rows, its head kept or made anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.unit.compile.test_seeing_networks import of_pictures, of_texts

import fairlead
from fairlead.contract.errors import ConfigInvalid, FairleadError, UsageError
from fairlead.contract.settings import ModelSettings, Settings, TrainSettings, TransferSettings
from fairlead.contract.signature import Column, Signature
from fairlead.lab.compile.pictures import Pictures
from fairlead.lab.compile.texts_read import TextsRead
from fairlead.lab.compile.trunks import Trunk, arranged
from fairlead.lab.train.estimators.text_layers import carried
from fairlead.lab.train.layout import Picture, Tokens
from fairlead.lab.train.learners.image_net import ImageNet
from fairlead.lab.train.transferring import Begun, beginning, of_bundle
from fairlead.ops.flow.transferring import digests
from fairlead.ops.project.combinations import check_combinations


def signature(*classes: str, shape: tuple[int, ...] = (8, 8)) -> Signature:
    image = Column("image", "tensor", nullable=False, dtype="uint8", shape=shape)
    return Signature("classification" if classes else "regression", (image,), "y", tuple(classes))


def begun(classes: int = 3, **rules: Any) -> Any:
    estimator, x = of_pictures(Picture("image", 0, 8, 8), (3, 4), 2, classes)
    tail = Pictures().emit(estimator, x.shape[1])
    names = tuple("abcdef"[:classes])
    return estimator, of_bundle("f" * 64, "image_net", tail, signature(*names), TransferSettings(**rules))


def test_a_sealed_network_gives_its_layers_back() -> None:
    estimator, found = begun()
    for at, (weights, bias) in enumerate(estimator.layers_.kernels):
        assert np.array_equal(found.state[f"kernel{at}"], weights)
        assert np.array_equal(found.state[f"shift{at}"], bias)
    assert np.array_equal(found.state["head"], estimator.layers_.sums[1][0])
    assert found.fixed() == {"channels": "3x4", "hidden": 12}
    learner = Begun(ImageNet(), found)
    assert learner.default(100)["channels"] == "3x4"
    assert learner.name == "image_net"


def test_a_network_of_words_gives_its_layers_back() -> None:
    text = Tokens("t", 0, 6, 40, words=True)
    estimator, x = of_texts((text,), 3, 0, 4)
    found = of_bundle("f" * 64, "text_net", TextsRead().emit(estimator, x.shape[1]), signature(), TransferSettings())
    assert found.fixed() == {"width": 5, "window": 3, "hidden": 6}
    assert np.array_equal(found.state["words0"], estimator.layers_.words[0])
    assert np.array_equal(found.state["table0"], estimator.layers_.tables[0])
    thirds = np.concatenate([found.state[f"threes0_{third}"] for third in range(3)])
    assert np.array_equal(thirds, estimator.layers_.threes[0][0])


def test_words_keep_what_they_said_and_new_ones_say_nothing_yet() -> None:
    before, after = np.array([0, 1, 0, 2, 3]), np.array([0, 1, 2, 0, 3])
    words = np.array([[0.0, 0.0], [1.0, 1.5], [2.0, 2.5], [3.0, 3.5]])
    assert carried(words, before, after).tolist() == [[0, 0], [1, 1.5], [0, 0], [3, 3.5]]


@pytest.mark.parametrize("classes", [2, 4])
def test_a_head_for_some_of_its_classes_answers_as_the_whole_one_does_among_them(classes: int) -> None:
    """A fold may lack a class: shares of the others stay in the same proportion."""
    random = np.random.default_rng(classes)
    _, found = begun(classes)
    outputs = 1 if classes == 2 else classes
    weights, bias, seen = random.normal(size=(5, outputs)), random.normal(size=outputs), random.normal(size=(9, 5))
    raw = seen @ weights + bias
    whole = np.hstack([np.zeros_like(raw), raw]) if classes == 2 else raw
    names = found.signature.classes
    for kept in (names, names[-2:]):
        own = found.head(weights, bias, kept)
        assert own is not None
        part = seen @ own[0].T + own[1]
        part = np.hstack([np.zeros_like(part), part]) if len(kept) == 2 else part
        places = [names.index(name) for name in kept]
        assert np.allclose(part - part[:, :1], (whole - whole[:, places[:1]])[:, places])
    _, anew = begun(classes, new_head=True)
    assert anew.head(weights, bias, names) is None


def test_frozen_layers_are_counted_from_the_picture_on() -> None:
    assert begun()[1].frozen(6) == 0
    assert begun(freeze="all_but_head")[1].frozen(6) == 5
    assert begun(freeze=4)[1].frozen(6) == 4
    with pytest.raises(ConfigInvalid, match="6 layers; 6 frozen ones leave nothing to learn"):
        begun(freeze=6)[1].frozen(6)


def test_what_does_not_fit_is_refused_by_name() -> None:
    found = begun()[1]
    found.check(signature("a", "b", "c"))
    with pytest.raises(ConfigInvalid, match=r"its classes are a, b, c, those of the rows are a, b\..*new_head = true"):
        found.check(signature("a", "b"))
    begun(new_head=True)[1].check(signature("a", "b"))
    with pytest.raises(ConfigInvalid, match=r"'image' had the shape \[8, 8\] and has \[9, 8\]"):
        found.check(signature("a", "b", "c", shape=(9, 8)))
    with pytest.raises(ConfigInvalid, match="is of image_net, and learners are: recording"):
        beginning([type("Recording", (), {"name": "recording"})()], found, signature("a", "b", "c"))
    with pytest.raises(ConfigInvalid, match="is a model of random_forest, not a network"):
        of_bundle("f" * 64, "random_forest", b"", signature(), TransferSettings())
    with pytest.raises(ConfigInvalid, match="cannot be read back"):
        of_bundle("f" * 64, "neural_net", Pictures().emit(*_emittable()), signature(), TransferSettings())


def _emittable() -> tuple[Any, int]:
    estimator, x = of_pictures(Picture("image", 0, 8, 8), (3,), 0, 3)
    return estimator, x.shape[1]


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"learners": ("image_head",)}, "none is named"),
        ({"learners": ("logistic",), "transfer": TransferSettings()}, "a sealed network is for: image_net"),
        ({"learners": ("image_net",), "transfer": TransferSettings(begin="a.onnx")}, "of a file is for: image_head"),
        ({"learners": ("image_net",), "transfer": TransferSettings(layer="x")}, "names a tensor of a file"),
        ({"learners": ("image_net", "image_head"), "transfer": TransferSettings()}, "takes the network of a file"),
        ({"learners": ("image_net",), "transfer": TransferSettings(), "warm_start": "champion"}, "warm_start"),
    ],
)
def test_settings_that_cannot_hold_together_are_refused(train: Any, message: str) -> None:
    model = ModelSettings(name="m", task="classification", target="y")
    with pytest.raises(FairleadError, match=message):
        check_combinations(Settings(model=model, train=TrainSettings(**train)))


def test_rows_are_known_again_whatever_form_their_lists_come_back_in() -> None:
    import pandas as pd

    one = pd.DataFrame({"image": [np.arange(4, dtype=np.uint8).reshape(2, 2), np.zeros((2, 2), np.uint8)], "y": [1, 2]})
    other = pd.DataFrame({"image": [[0, 1, 2, 3], [0, 0, 0, 1]], "y": [1, 2]})
    first, second = digests(one, ["image", "y"]), digests(other, ["image", "y"])
    assert first[0] == second[0]
    assert first[1] != second[1]


def network(path: Path, shape: tuple[Any, ...] = ("n", 1, 8, 8), kind: int = TensorProto.FLOAT) -> Path:
    """Fixed filters that nobody trained, and a last layer that is of no use here."""
    filters = (np.random.default_rng(1).normal(size=(24, 1, 3, 3)) / 16).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["picture"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["numbers", "filters"], ["shown"]),
        helper.make_node("Relu", ["shown"], ["active"]),
        helper.make_node("MaxPool", ["active"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pooled"], ["seen"]),
        helper.make_node("Gemm", ["seen", "weights"], ["raw"]),
    ]
    held = {"filters": filters, "weights": np.zeros((216, 5), np.float32)}
    graph = helper.make_graph(
        nodes,
        "trunk",
        [helper.make_tensor_value_info("picture", kind, shape)],
        [helper.make_tensor_value_info("raw", TensorProto.FLOAT, [None, 5])],
        [numpy_helper.from_array(array, name) for name, array in held.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    path.write_bytes(model.SerializeToString())
    return path


HEAD = """
[model]
name = "digits"
task = "classification"
target = "digit"
[data]
train = "digits.npz"
[train]
learners = ["image_head"]
trials = 1
folds = 2
[train.transfer]
from = "trunk.onnx"
layer = "seen"
[evaluate]
robustness = false
explanations = false
"""


def test_a_head_over_a_network_of_the_users_own_is_learned_and_sealed_with_it(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    pixels, digits = load_digits(return_X_y=True)
    images = pixels.reshape(-1, 8, 8).astype(np.uint8)
    np.savez(tmp_path / "digits.npz", image=images[:700], digit=digits[:700])
    (tmp_path / "fairlead.toml").write_text(HEAD)
    network(tmp_path / "trunk.onnx")
    project = fairlead.open(tmp_path)
    found = project.train()
    assert found["parity"]["form"] == "trunk"
    assert found["parity"]["flipped"] == 0
    assert found["metrics"]["accuracy"] > 0.9
    lineage = project.inspect(found["bundle"])["lineage"]
    assert lineage["begun_with"].startswith("sha256:")
    assert list(lineage["files"]) == ["trunk.onnx"]
    again = project.reproduce(found["bundle"])
    assert again["identical"], again
    network(tmp_path / "trunk.onnx", kind=TensorProto.DOUBLE)
    with pytest.raises(UsageError, match=r"trunk\.onnx is another file than then"):
        project.reproduce(found["bundle"])


@pytest.mark.parametrize(
    ("asked", "picture", "expected"),
    [
        ([0, 1, 8, 6], Picture("i", 0, 8, 6), ((1, 8, 6), (0, 3, 1, 2))),
        ([0, 8, 6], Picture("i", 0, 8, 6), ((8, 6), None)),
        ([0, 8, 6, 3], Picture("i", 0, 8, 6, 3), ((8, 6, 3), None)),
        ([0, 3, 8, 6], Picture("i", 0, 8, 6, 3, last=False), ((3, 8, 6), None)),
        ([0, 0, 0, 3], Picture("i", 0, 8, 6, 3, last=False), ((8, 6, 3), (0, 2, 3, 1))),
        ([0, 0, 0, 0], Picture("i", 0, 8, 6, 3), ((3, 8, 6), (0, 3, 1, 2))),
    ],
)
def test_pictures_are_handed_over_as_the_network_wants_them(asked: list[int], picture: Picture, expected: Any) -> None:
    assert arranged(asked, picture) == expected


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.UINT8])
def test_a_network_sees_the_same_picture_however_the_table_holds_it(
    tmp_path: Path, last: bool, scaled: bool, kind: int
) -> None:
    from fairlead.lab.compile.trunks import Trunks
    from fairlead.lab.train.estimators.trunk import HeadClassifier
    from fairlead.runtime.bundle.tail import OnnxTail

    data = network(tmp_path / "t.onnx", kind=kind).read_bytes()
    x = np.random.default_rng(0).integers(0, 17, (30, 66)).astype(np.float64)
    x[:, 1:65] = (x[:, 1:65] - 2.0) / 14.0
    made = HeadClassifier()
    made.trunk_ = Trunk(data, Picture("i", 1, 8, 8, 1, last, 2.0, 14.0), "seen", scaled=scaled)
    numbers = made.trunk_.numbers(x)
    pixels = x[:, 1:65] if scaled else x[:, 1:65] * 14.0 + 2.0
    plain = Trunk(data, Picture("i", 0, 8, 8), "seen", scaled=True).numbers(pixels)
    assert np.allclose(numbers, plain, atol=1e-4)
    made.head_ = (np.random.default_rng(1).normal(size=(216, 3)) / 50, np.zeros(3))
    made.classes_, made.n_features_in_ = np.arange(3), 66
    assert Trunks().accepts(made) is None
    answered = OnnxTail(Trunks().emit(made, 66), 66).scores(x)
    assert np.abs(answered - made.predict_proba(x)).max() < 1e-6


@pytest.mark.parametrize(
    ("shape", "layer", "message"),
    [
        ((1, 1, 8, 8), "", "fixed number of pictures"),
        (("n", 1, 9, 8), "", r"takes \[1, 9, 8\] and 'i' holds \[8, 8, 1\]"),
        (("n", 1, 8, 8), "nothing", "no tensor is called 'nothing'.*The last are: .*seen, raw"),
    ],
)
def test_a_network_that_takes_no_such_pictures_is_refused(tmp_path: Path, shape: Any, layer: str, message: str) -> None:
    data = network(tmp_path / "t.onnx", shape).read_bytes()
    with pytest.raises(ConfigInvalid, match=message):
        Trunk(data, Picture("i", 0, 8, 8), layer, scaled=True)
    with pytest.raises(ConfigInvalid, match="no ONNX model"):
        Trunk(b"nothing of the kind", Picture("i", 0, 8, 8), layer, scaled=True)
