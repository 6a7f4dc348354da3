"""Networks that look at one picture: convolutions in single precision, as onnxruntime has them, the head in double."""

from __future__ import annotations

from typing import Any

from fairlead.contract.errors import NotCompilable
from fairlead.lab.compile.matrix_onnx import Graph
from fairlead.runtime.bundle.manifest import TAIL_ONNX

MODELS = ("PictureClassifier", "PictureRegressor")
FLOAT, DOUBLE = 1, 11
FARTHEST = 10.0
"""As of `lab.train.estimators.picture_layers`: pixels are taken for no more."""


class Pictures:
    """Port `emitter`: an image out of the features, convolved, beside what is no pixel."""

    form = "pictures"
    tolerance = 1e-4
    file = TAIL_ONNX

    def accepts(self, estimator: Any) -> str | None:
        """See Emitter."""
        name, module = type(estimator).__name__, type(estimator).__module__.split(".")[0]
        return None if module == "fairlead" and name in MODELS else f"{name} is no network of pictures"

    def emit(self, estimator: Any, features: int) -> bytes:
        """ONNX bytes: `x` double (rows, features) to `value` double (rows, outputs)."""
        layers, graph = estimator.layers_, Graph()
        plan = layers.plan
        if plan.picture.size + plan.beside != features:
            raise NotCompilable(f"the network takes {plan.picture.size + plan.beside} features and gets {features}.")
        at = _convolutions(graph, layers, _pixels(graph, plan.picture))
        parts = [_seen(graph, plan, at), *_others(graph, plan.picture, features)]
        at = graph.node("Concat", parts, "beside", axis=1) if len(parts) > 1 else parts[0]
        (weights, bias), (last, shift) = layers.sums
        at = graph.node("Gemm", [at, graph.single("sums", weights), graph.single("sums_bias", bias)], "summed")
        at = graph.node("Cast", [graph.node("Relu", [at], "active")], "double", to=DOUBLE)
        at = graph.node("Gemm", [at, graph.constant("head", last), graph.constant("head_bias", shift)], "raw")
        return graph.model(features, answer(graph, at, estimator))


def answer(graph: Graph, at: str, estimator: Any) -> int:
    """Nodes from raw sums to `value`; the number of outputs."""
    if not hasattr(estimator, "classes_"):
        graph.node("Identity", [at], "value")
        return 1
    if len(estimator.classes_) == 2:
        graph.node("Sigmoid", [at], "second")
        graph.node("Sub", [graph.constant("one", [1.0]), "second"], "first")
        graph.node("Concat", ["first", "second"], "value", axis=1)
        return 2
    graph.node("Softmax", [at], "value", axis=1)
    return len(estimator.classes_)


def part(graph: Graph, source: str, name: str, first: int, end: int) -> str:
    """Features from `first` up to `end`."""
    ends = [graph.constant(f"{name}_{what}", [number], whole=True) for what, number in (("from", first), ("to", end))]
    return graph.node("Slice", [source, *ends, graph.constant("columns", [1], whole=True)], name)


def _pixels(graph: Graph, picture: Any) -> str:
    at = part(graph, "x", "pixels", picture.start, picture.start + picture.size)
    at = graph.node("Clip", [at, graph.constant("least", -FARTHEST), graph.constant("most", FARTHEST)], "within")
    at = graph.node("Cast", [at], "typed", to=FLOAT)
    edges = (picture.height, picture.width)
    shape = (*edges, picture.channels) if picture.last else (picture.channels, *edges)
    at = graph.node("Reshape", [at, graph.constant("shape", [-1, *shape], whole=True)], "picture")
    return graph.node("Transpose", [at], "channelled", perm=[0, 3, 1, 2]) if picture.last else at


def _convolutions(graph: Graph, layers: Any, at: str) -> str:
    for block, halved in enumerate(layers.plan.halves):
        for number in (2 * block, 2 * block + 1):
            weights, bias = layers.kernels[number]
            held = [graph.single(f"kernel{number}", weights), graph.single(f"shift{number}", bias)]
            at = graph.node("Conv", [at, *held], f"conv{number}", pads=[weights.shape[2] // 2] * 4)
            at = graph.node("Relu", [at], f"bright{number}")
        if halved:
            at = graph.node("MaxPool", [at], f"half{block}", kernel_shape=[2, 2], strides=[2, 2])
    return at


def _seen(graph: Graph, plan: Any, at: str) -> str:
    if plan.averaged:
        at = graph.node("GlobalAveragePool", [at], "mean")
    return graph.node("Flatten", [at], "seen", axis=1)


def _others(graph: Graph, picture: Any, features: int) -> list[str]:
    found = []
    for name, first, end in (("ahead", 0, picture.start), ("after", picture.start + picture.size, features)):
        if end > first:
            found.append(graph.node("Cast", [part(graph, "x", name, first, end)], f"{name}_typed", to=FLOAT))
    return found
