"""Images through the whole loop: a network sealed, served, asked by every form of a tensor, recorded and judged.

One network comes as ONNX, from scikit-learn alone; the other is the one of the documents, made by their own code, for
which torch is installed.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from tests.conftest import ROOT, Program, eventually
from tests.journeys.test_churn_loop import post, ready_url

from fairlead.runtime.capture import Records, collect

PAGE = (ROOT / "docs" / "how-to" / "bring-a-model.md").read_text()
SECTION = PAGE.partition("## A model that takes images")[2].partition("\n## ")[0]
NEEDED = Path(__file__).with_name("torch.txt")
SETTINGS = """
[model]
name = "digits"
task = "classification"
target = "digit"

[serve]
port = 0

[monitor]
window = "100rows"
label_delay = "0s"
"""
TELL = """
import numpy as np, torch
module = torch.export.load("digits.pt2").module()
with torch.no_grad():
    np.save("said.npy", module(torch.tensor(np.load("later.npz")["image"])).numpy())
"""


class Made(NamedTuple):
    """A sealed and deployed network. images, digits: rows kept back; said: what the network itself says to them."""

    program: Program
    images: np.ndarray
    digits: np.ndarray
    said: np.ndarray
    bundled: dict[str, Any]


def split() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    pixels, digits = load_digits(return_X_y=True)
    images = pixels.reshape(-1, 8, 8).astype(np.uint8)
    order = np.random.default_rng(0).permutation(len(images))
    return images[order[:1400]], digits[order[:1400]], images[order[1400:]], digits[order[1400:]]


def without_torch(program: Program) -> tuple[np.ndarray, list[str]]:
    """A network of ONNX: fixed filters, and a last layer that scikit-learn has fitted to what they show."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper
    from sklearn.linear_model import LogisticRegression

    images, digits, later, truth = split()
    filters = (np.random.default_rng(1).normal(size=(24, 1, 3, 3)) / 16).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(images.astype(np.float32), (3, 3), axis=(1, 2))
    shown = np.maximum(np.einsum("nijab,fab->nfij", windows, filters[:, 0]), 0)
    pooled = shown.reshape(len(images), 24, 3, 2, 3, 2).max(axis=(3, 5)).reshape(len(images), -1)
    last = LogisticRegression(C=0.1, max_iter=200, tol=0.01).fit(pooled, digits)
    nodes = [
        helper.make_node("Conv", ["picture", "filters"], ["shown"]),
        helper.make_node("Relu", ["shown"], ["active"]),
        helper.make_node("MaxPool", ["active"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["raw"]),
        helper.make_node("Softmax", ["raw"], ["scores"]),
    ]
    held = {"filters": filters, "weights": last.coef_.T, "bias": last.intercept_}
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["n", 1, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 10])],
        [numpy_helper.from_array(np.asarray(array, np.float32), name) for name, array in held.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    (program.folder / "digits.onnx").write_bytes(model.SerializeToString())
    nested = pa.array(images.tolist(), pa.list_(pa.list_(pa.uint8())))
    parquet.write_table(pa.table({"image": nested, "digit": digits}), program.folder / "digits.parquet")
    np.savez(program.folder / "later.npz", image=later, digit=truth)
    session = onnxruntime.InferenceSession(program.folder / "digits.onnx")
    said = session.run(None, {"picture": later[:, None].astype(np.float32)})[0]
    return said, ["bundle", "digits.onnx", "--sample", "digits.parquet", "--target", "digit"]


def with_torch(program: Program, monkeypatch: pytest.MonkeyPatch) -> tuple[np.ndarray, list[str]]:
    """The network of the documents, by their own code."""
    libraries = program.folder / "libraries"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--require-hashes", "--target", str(libraries)]
    installed = subprocess.run([*pip, "-r", str(NEEDED)], capture_output=True, text=True, check=False)
    if installed.returncode:
        pytest.skip(f"torch (tests/journeys/torch.txt) cannot be installed here: {installed.stderr[-200:]}")
    monkeypatch.setenv("PYTHONPATH", str(libraries))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (code,) = re.findall(r"```python\n(.*?)```", SECTION, re.S)
    for script in (code, TELL):
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=program.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
    refused = program.run("bundle", "digits.pt2", "--sample", "digits.npz", expect=2)
    assert "--trust" in refused.stderr
    said: np.ndarray = np.load(program.folder / "said.npy")
    return said, command("bundle")


def command(verb: str) -> list[str]:
    """The words of the page's line for a verb."""
    found = re.search(rf"^fairlead ({verb}\b.*)$", SECTION, re.M)
    assert found, f"the page has no fairlead {verb}"
    return found[1].split()


@pytest.fixture(scope="module", params=["onnx", pytest.param("torch", marks=pytest.mark.long)])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    program = Program(tmp_path_factory.mktemp("digits"))
    (program.folder / "fairlead.toml").write_text(SETTINGS)
    with pytest.MonkeyPatch.context() as monkeypatch:
        said, words = without_torch(program) if request.param == "onnx" else with_torch(program, monkeypatch)
        bundled = program.json(*words)
    # What follows needs no torch: the bundle alone answers.
    assert program.json(*command("evaluate"))["verdict"] == "pass"
    program.run(*command("register"))
    program.run(*command("deploy"))
    _, _, images, digits = split()
    return Made(program, images, digits, said, bundled)


def test_the_certificate_says_what_was_compared(made: Made) -> None:
    parity = made.bundled["parity"]
    assert made.bundled["form"] == "onnx"
    assert parity["flipped"] == 0
    assert parity["max_difference"] <= parity["tolerance"] == 1e-5
    assert set(parity["kinds"]) == {"edges", "random", "training"}
    assert "in its own precision" in made.bundled["why"]
    assert made.bundled["metrics"]["accuracy"] > 0.95
    told = made.program.run("inspect").stdout
    assert "uint8 [8, 8]" in told
    assert "0 to 16" in told


def infer(url: str, image: np.ndarray, binary: bool) -> np.ndarray:
    """Probabilities by V2, shape (n, 10)."""
    one: dict[str, Any] = {"name": "image", "datatype": "UINT8", "shape": list(image.shape)}
    raw = image.tobytes()
    if binary:
        one["parameters"] = {"binary_data_size": len(raw)}
    else:
        one["data"] = image.tolist()
    head = json.dumps({"inputs": [one], "outputs": [{"name": "probabilities"}]}).encode()
    headers = {"content-type": "application/json"}
    if binary:
        headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(head))}
    request = urllib.request.Request(f"{url}/v2/models/digits/infer", head + (raw if binary else b""), headers)
    with urllib.request.urlopen(request, timeout=30) as reply:
        (output,) = json.loads(reply.read())["outputs"]
    return np.array(output["data"]).reshape(output["shape"])


def table_of(answers: list[dict[str, Any]]) -> np.ndarray:
    return np.array([list(answer["probabilities"].values()) for answer in answers])


def test_every_form_of_a_tensor_gets_the_networks_own_answer(made: Made) -> None:
    program, images, said = made.program, made.images, made.said
    tolerance = made.bundled["parity"]["tolerance"]
    server = program.start(*command("serve"))
    log = program.folder / "serve.log"
    try:
        url = eventually(lambda: ready_url(log), what="the ready line")
        with urllib.request.urlopen(f"{url}/v2/models/digits", timeout=30) as reply:
            assert json.loads(reply.read())["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, 8, 8]}]
        for binary in (False, True):
            found = infer(url, images, binary)
            assert np.abs(found - said).max() <= tolerance
            assert (found.argmax(axis=1) == made.digits).mean() > 0.95
        forms: dict[str, Any] = {
            "nested": [{"image": one.tolist()} for one in images[:50]],
            "flat": [{"image": one.ravel().tolist()} for one in images[:50]],
            "bytes": [{"image": {"b64": base64.b64encode(one.tobytes()).decode()}} for one in images[:50]],
        }
        for name, rows in forms.items():
            answers = post(f"{url}/predict/digits", rows, request=f"told-{name}")["predictions"]
            assert np.abs(table_of(answers) - said[:50]).max() <= tolerance
        labels = [
            {"request": f"told-{name}", "row": row, "label": str(made.digits[row])}
            for name in forms
            for row in range(50)
        ]
        assert post(f"{url}/feedback/digits", labels)["accepted"] == 150
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(f"{url}/predict/digits", [{"image": images[0][:7].tolist()}])
        assert refused.value.code == 400
        assert "uint8 of shape [8, 8]" in refused.value.read().decode()
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        assert server.wait(60) == 0
    recorded(made, {f"told-{name}" for name in forms})


def recorded(made: Made, requests: set[str]) -> None:
    """What was asked and told is in the records, the tensors readable and the truth beside them."""
    home = made.program.folder / ".fairlead"
    collect(home)
    table = Records(home, "digits").joined(None, None)
    rows = [row for row in table.to_pylist() if row["request"] in requests]
    assert len(rows) == 150
    for row in rows:
        assert np.array_equal(np.array(row["in.image"]).reshape(8, 8), made.images[row["row"]])
        assert row["label"] == str(made.digits[row["row"]])
    watched = made.program.json("watch", "--once")
    scored = [window for window in watched["windows"] if window.get("labelled")]
    assert scored
    assert all(window["metrics"]["accuracy"] > 0.9 for window in scored)


def test_tables_of_images_are_scored(made: Made) -> None:
    done = made.program.json("score", "later.npz", "out.parquet")
    assert done["rows"] == len(made.images)
    assert done["rejected"] == 0
    told = parquet.read_table(made.program.folder / "out.parquet")
    found = np.column_stack([told.column(str(digit)).to_numpy() for digit in range(10)])
    assert np.abs(found - made.said).max() <= made.bundled["parity"]["tolerance"]
