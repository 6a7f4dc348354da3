"""Networks that came as ONNX files: their weights take fewer bytes, certified against ONNX's own evaluator."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from onnx import TensorProto, helper, load_model_from_string, numpy_helper
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

import fairlead
from fairlead.contract.errors import NotCompilable, UsageError
from fairlead.lab.compress.graphs import in_fewer_bytes
from fairlead.runtime.bundle.tail import load_tail

PROJECT = """
[model]
name = "digits"
task = "classification"
target = "digit"
"""


def table() -> pd.DataFrame:
    pixels, digits = load_digits(return_X_y=True)
    found = pd.DataFrame(pixels[:, 8:40], columns=[f"p{at}" for at in range(32)])
    return found.assign(digit=digits)


def network(rows: pd.DataFrame) -> bytes:
    fitted = MLPClassifier((48,), max_iter=15, random_state=0).fit(rows.drop(columns="digit").to_numpy(), rows["digit"])
    nodes: list[Any] = []
    held: list[Any] = []
    at = "pixels"
    for depth, (weights, bias) in enumerate(zip(fitted.coefs_, fitted.intercepts_, strict=True)):
        # One layer as torch writes it, the other as a plain product.
        across = depth == 0
        kept = weights.T if across else weights
        held += [numpy_helper.from_array(kept.astype(np.float32), f"w{depth}"),
                 numpy_helper.from_array(bias.astype(np.float32), f"b{depth}")]  # fmt: skip
        nodes.append(helper.make_node("Gemm", [at, f"w{depth}", f"b{depth}"], [f"l{depth}"], transB=int(across)))
        at = f"l{depth}"
        if across:
            nodes.append(helper.make_node("Relu", [at], ["active"]))
            at = "active"
    nodes.append(helper.make_node("Softmax", [at], ["chances"], axis=1))
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [None, 32])],
        [helper.make_tensor_value_info("chances", TensorProto.FLOAT, [None, 10])], held,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    data: bytes = model.SerializeToString()
    return data


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, pd.DataFrame, str]:
    folder = tmp_path_factory.mktemp("onnx")
    (folder / "fairlead.toml").write_text(PROJECT)
    rows = table()
    (folder / "net.onnx").write_bytes(network(rows[:900]))
    found = fairlead.open(folder)
    answer = found.bundle(folder / "net.onnx", rows[:900])
    assert answer["form"] == "onnx"
    return found, rows[900:].reset_index(drop=True), answer["bundle"]


def test_it_is_smaller_and_says_what_that_cost(project: Any) -> None:
    opened, unseen, former = project
    answer = opened.compress(former, max_loss=0.05, data=unseen)
    if answer["smaller"] is None:  # a busy machine may time it slower than it is
        assert "not smaller all told" in answer["why"]
        return
    certificate = answer["certificate"]
    assert certificate["share"]["bytes"] < 0.6
    assert certificate["cost"]["rows"] in (448, 449)
    assert [one["what"] for one in answer["tried"] if one["chosen"]] == ["weights kept in eight bits"]
    seen = opened.inspect(answer["smaller"])
    assert seen["seal"]["verified"]
    assert "compression" in {one["kind"] for one in seen["attestations"]}
    manifest = msgspec.json.decode((opened.workspace.store.path(answer["smaller"]) / "manifest.json").read_bytes())
    assert manifest["lineage"]["parent"] == former
    answered = opened.workspace.load(answer["smaller"]).predict(unseen.drop(columns="digit"))
    right = [one["label"] == str(digit) for one, digit in zip(answered, unseen["digit"], strict=True)]
    assert np.mean(right) > 0.6


def test_rows_that_it_has_not_seen_are_asked_for(project: Any) -> None:
    opened, unseen, former = project
    with pytest.raises(UsageError, match="labelled rows"):
        opened.compress(former)
    with pytest.raises(UsageError, match="target column 'digit'"):
        opened.compress(former, data=unseen.drop(columns="digit"))


def test_nothing_is_smaller_at_no_cost(project: Any) -> None:
    opened, unseen, former = project
    answer = opened.compress(former, max_loss=0.0, data=unseen)
    assert answer["smaller"] is None
    assert len(answer["tried"]) == 3
    other = opened.compress(former, only=["trees"], data=unseen)
    assert other["smaller"] is None
    assert not other["tried"]
    assert "only its weights" in other["why"]


def test_forms_keep_what_they_say_and_are_made_once(project: Any) -> None:
    opened, unseen, former = project
    tail = (opened.workspace.store.path(former) / "model" / "tail.onnx").read_bytes()
    x = unseen.drop(columns="digit").to_numpy(dtype=np.float64)
    before = load_tail({"model/tail.onnx": tail}, 32).scores(x)
    sizes = []
    for form, near in (("float16", 5e-3), ("int8", 0.3)):
        data = in_fewer_bytes(tail, form)
        sizes.append(len(data))
        assert np.abs(load_tail({"model/tail.onnx": data}, 32).scores(x) - before).max() < near
        kinds = {tensor.data_type for tensor in load_model_from_string(data).graph.initializer}
        assert (TensorProto.INT8 if form == "int8" else TensorProto.FLOAT16) in kinds
        with pytest.raises(NotCompilable, match="already"):
            in_fewer_bytes(data, form)
    assert sizes[1] < sizes[0] < len(tail)
    with pytest.raises(NotCompilable, match="no constants"):
        in_fewer_bytes(tail, "float32")
