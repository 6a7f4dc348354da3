"""Small bundles whose models take a picture of 8 x 8 beside two ordinary columns, made without training anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from bundle_samples import LINEAGE, write_files
from onnx import TensorProto, helper, numpy_helper

from fairlead.contract.evidence import ParityCertificate
from fairlead.contract.profile import Profile, Reference
from fairlead.contract.signature import Column, Signature
from fairlead.lab.compile.tree_sums import TreeSum, onnx_of
from fairlead.lab.compile.tree_tables import TreeTable
from fairlead.runtime.bundle import Front, SigningKey, seal
from fairlead.runtime.bundle.front import Delta, Number, Table, Tensor
from fairlead.runtime.bundle.golden import Golden, row_of
from fairlead.runtime.bundle.manifest import canonical
from fairlead.runtime.bundle.ops import Divide, Impute, Subtract
from fairlead.runtime.bundle.run import Model
from fairlead.runtime.bundle.tail import LinearForm, load_tail

EDGE = 8
SIZE = EDGE * EDGE
IMAGE = Column("image", "tensor", nullable=False, low=0.0, high=16.0, dtype="uint8", shape=(EDGE, EDGE))
AGE = Column("age", "number")
PLAN = Column("plan", "category", categories=("basic", "pro"))
BESIDE = Signature("classification", (AGE, IMAGE, PLAN), classes=("no", "yes"), positive="yes", key="id")
ALONE = Signature("classification", (IMAGE,), classes=("a", "b", "c"))
NUMBER = Signature("regression", (IMAGE,))
SCALED = Tensor("image", "uint8", SIZE, (Divide(16.0), Subtract(0.5)))
FRONT_BESIDE = Front(
    ("age", "image", "plan"),
    (True, False, False),
    (
        Number("age", (Impute(40.0), Subtract(40.0), Divide(10.0))),
        SCALED,
        Table("plan", ("basic", "pro"), ((Delta(0, 1.0),), (Delta(1, 1.0),)), (0.0, 0.0)),
    ),
)
FRONT_ALONE = Front(("image",), (False,), (SCALED,))
random = np.random.default_rng(5)
WEIGHTS = random.normal(size=(SIZE + 3, 1)).round(3) / 8


def linear_tail() -> bytes:
    """The model beside: a logistic regression over age, 64 pixels and two plans."""
    return LinearForm(tuple(map(tuple, WEIGHTS.tolist())), (0.25,), "sigmoid").to_json()


def tree_tail() -> bytes:
    """The model of a number: one tree that asks for pixels 3 and 60."""
    tree = TreeTable(
        leaf=np.array([False, False, True, True, True]),
        feature=np.array([3, 60, -2, -2, -2]),
        threshold=np.array([0.0, -0.25, 0.0, 0.0, 0.0]),
        left=np.array([1, 3, -1, -1, -1]),
        right=np.array([2, 4, -1, -1, -1]),
        missing_left=np.zeros(5, bool),
        value=np.array([0.0, 0.0, 1.0, 2.0, 4.0]),
        target=0,
    )
    return onnx_of(TreeSum([tree], 1, np.array([0.5]), "identity"), SIZE)


def network_tail() -> bytes:
    """The model alone: a convolution, a pool and a softmax over three classes, in single precision."""
    kernels = random.normal(size=(4, 1, 3, 3)).astype(np.float32)
    head = random.normal(size=(4 * 3 * 3, 3)).astype(np.float32)
    constants = {
        "as picture": np.array([-1, 1, EDGE, EDGE], np.int64), "kernels": kernels, "head": head,
        "bias": np.zeros(3, np.float32),
    }  # fmt: skip
    nodes = [
        helper.make_node("Reshape", ["x", "as picture"], ["picture"]),
        helper.make_node("Cast", ["picture"], ["single"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["single", "kernels"], ["found"], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["found"], ["positive"]),
        helper.make_node("MaxPool", ["positive"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "head", "bias"], ["raw"]),
        helper.make_node("Softmax", ["raw"], ["shares"], axis=1),
        helper.make_node("Cast", ["shares"], ["value"], to=TensorProto.DOUBLE),
    ]
    graph = helper.make_graph(
        nodes, "network",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, ["n", SIZE])],
        [helper.make_tensor_value_info("value", TensorProto.DOUBLE, ["n", 3])],
        [numpy_helper.from_array(numbers, name) for name, numbers in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(model.SerializeToString())


MADE: dict[str, tuple[Signature, Front, dict[str, bytes]]] = {
    "linear": (BESIDE, FRONT_BESIDE, {"model/tail.json": linear_tail()}),
    "tree": (NUMBER, FRONT_ALONE, {"model/tail.onnx": tree_tail()}),
    "network": (ALONE, FRONT_ALONE, {"model/tail.onnx": network_tail()}),
}


def images(rows: int, seed: int = 0) -> Any:
    """Pictures, uint8 (rows, 8, 8)."""
    return np.random.default_rng(seed).integers(0, 17, (rows, EDGE, EDGE), dtype=np.uint8)


def rows_of(signature: Signature, rows: int, seed: int = 0) -> list[list[Any]]:
    """Rows of cells."""
    drawn = np.random.default_rng(seed + 1)
    cells: dict[str, list[Any]] = {
        "age": [None if age < 20 else float(age) for age in drawn.integers(15, 90, rows)],
        "plan": [("basic", "pro", "other", None)[at] for at in drawn.integers(0, 4, rows)],
        "image": [image.tobytes() for image in images(rows, seed)],
    }
    return [list(row) for row in zip(*(cells[name] for name in signature.names), strict=True)]


def files(kind: str) -> dict[str, bytes]:
    """The files of a bundle whose golden rows have the answers that the model gives."""
    signature, front, tail = MADE[kind]
    rows = rows_of(signature, 5, seed=9)
    model = Model("", None, signature, front, load_tail(tail, front.width))  # type: ignore[arg-type]
    scores = model.score_rows(rows)
    golden = [
        Golden(row_of(row, signature), tuple(numbers), answer if isinstance(answer, str) else float(answer))
        for row, numbers, answer in zip(rows, scores.tolist(), model.decide(scores), strict=True)
    ]
    return {
        "signature.json": canonical(signature),
        "model/front.json": front.to_json(),
        **tail,
        "reference.json": canonical(Reference(Profile(0, ()))),
        "golden.jsonl": b"".join(canonical(line) + b"\n" for line in golden),
        "background.jsonl": b"{}\n",
        "parity.json": canonical(ParityCertificate("linear", 3, 0.0, 0.0, 0, 1e-9, {"training": 3})),
        "model_card.md": b"# pictures\n",
        "requirements.txt": b"numpy==2.4.6\n",
    }


def sealed_at(folder: Path, kind: str, key: SigningKey, **changed: bytes) -> Path:
    """A sealed bundle, some of its files changed (`golden__jsonl` is golden.jsonl, `model__front__json` its front)."""
    content = files(kind) | changed
    seal(write_files(folder, content), "pictures", LINEAGE, "onnxruntime", "1", key)
    return folder
