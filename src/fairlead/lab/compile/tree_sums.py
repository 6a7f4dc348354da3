"""A model that is a sum of trees and a link, whoever grew the trees, as ONNX."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from fairlead.lab.compile.tree_onnx import ensemble, model_bytes
from fairlead.lab.compile.tree_tables import TreeTable

Link = Literal["identity", "exp", "logistic", "half", "second", "sigmoid", "softmax"]
Precision = Literal["double", "rounded", "single"]


@dataclass(frozen=True)
class TreeSum:
    """link((trees + base) / count).

    link: logistic and half (of twice the sum) give the probabilities of two classes, second those of two from that of
    the second; softmax of more; sigmoid, exp and identity act on each target. precision: of scikit-learn's forests
    (rounded: float32(x) against double splits), of XGBoost (single throughout), else double. sparse: the model was
    fed sparse rows and takes their zeros for missing cells. slope: the sum is multiplied by it before its link.
    """

    trees: list[TreeTable]
    targets: int
    base: np.ndarray
    link: Link
    count: int = 1
    precision: Precision = "double"
    sparse: bool = False
    slope: float = 1.0


class _Graph:
    """Nodes and constants as they come."""

    def __init__(self, dtype: type[np.floating[Any]]) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.dtype = dtype

    def node(self, op: str, sources: list[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(op, sources, [output], **attributes))
        return output

    def constant(self, name: str, numbers: Any) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.asarray(numbers, dtype=self.dtype), name))
        return name


def onnx_of(model: TreeSum, features: int) -> bytes:
    """ONNX bytes: `x` double (rows, features) to `value` double (rows, outputs)."""
    from onnx import TensorProto

    single = model.precision == "single"
    graph = _Graph(np.float32 if single else np.float64)
    source = "x"
    if model.precision != "double":
        source = graph.node("Cast", ["x"], "x32", to=TensorProto.FLOAT)
    if model.precision == "rounded":
        source = graph.node("Cast", [source], "x64", to=TensorProto.DOUBLE)
    if model.sparse:
        zero = graph.node("Equal", [source, graph.constant("zero", [0.0])], "absent")
        source = graph.node("Where", [zero, graph.constant("gap", [np.nan]), source], "given")
    graph.nodes.append(ensemble(model.trees, model.targets, source, "sum", graph.dtype))
    last, outputs = _linked(graph, model)
    if single:
        graph.node("Cast", [last], "value", to=TensorProto.DOUBLE)
    else:
        # The last node bears the name that a tail's output must have.
        graph.nodes[-1].output[0] = "value"
    return model_bytes(graph.nodes, graph.constants, features, outputs)


def _linked(graph: _Graph, model: TreeSum) -> tuple[str, int]:
    """From `sum` to the answer, and the number of outputs."""
    at = "sum"
    if model.base.any():
        at = graph.node("Add", [at, graph.constant("base", model.base.reshape(1, -1))], "raw")
    if model.count != 1:
        at = graph.node("Div", [at, graph.constant("count", [float(model.count)])], "mean")
    if model.link == "half":
        at = graph.node("Mul", [at, graph.constant("two", [2.0])], "twice")
    if model.slope != 1.0:
        at = graph.node("Mul", [at, graph.constant("slope", [model.slope])], "sloped")
    if model.link in ("logistic", "half"):
        at = graph.node("Sigmoid", [at], "second")
    if model.link in ("logistic", "half", "second"):
        first = graph.node("Sub", [graph.constant("one", [1.0]), at], "first")
        return graph.node("Concat", [first, at], "both", axis=1), 2
    if model.link == "softmax":
        return graph.node("Softmax", [at], "shares", axis=1), model.targets
    op = {"exp": "Exp", "sigmoid": "Sigmoid"}.get(model.link, "Identity")
    return graph.node(op, [at], "answer"), model.targets
