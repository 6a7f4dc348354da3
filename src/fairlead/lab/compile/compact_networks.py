"""Networks whose weights are kept in few bytes, or multiplied as whole numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.lab.compile.networks import ACTIVATIONS, LINKS
from fairlead.lab.compile.tree_onnx import IR, OPSETS
from fairlead.runtime.bundle.manifest import TAIL_ONNX
from fairlead.runtime.bundle.onnx_guard import SPARSE_CELLS

KINDS = ("CompactClassifier", "CompactRegressor")
TOP, TINY, FURTHEST = 127.0, 1e-300, 1e30
FLOAT, DOUBLE = 1, 11
SPARSE = 4
"""Bytes that a weight beside zeros is counted with: its place and itself."""


class CompactNetworks:
    """Port `emitter`: weights as they are kept, made doubles by the graph; or products of whole numbers.

    A whole-number product is exact, so engines agree to the last bit but for tanh, sigmoid and softmax; between layers
    a last bit can become a whole unit, so there only identity and relu are taken.
    """

    form = "compact_network"
    tolerance = 1e-9
    file = TAIL_ONNX
    single = False

    def accepts(self, estimator: Any) -> str | None:
        """See Emitter."""
        name, module = type(estimator).__name__, type(estimator).__module__.split(".")[0]
        if module != "fairlead" or name not in KINDS:
            return f"{name} is not a network in few bytes"
        layers = estimator.layers_
        if layers.single != self.single:
            return "its products are in another precision"
        if layers.active not in ACTIVATIONS or layers.link not in LINKS:
            return f"activation {layers.active!r} or {layers.link!r} is not known"
        if layers.whole and layers.active not in ("relu", "identity"):
            return f"whole numbers after {layers.active} are not the same on every machine"
        return None

    def emit(self, estimator: Any, features: int) -> bytes:
        """ONNX bytes: `x` double (rows, features) to `value` double (rows, outputs)."""
        layers = estimator.layers_
        if layers.sizes[0] != features:
            raise NotCompilable(f"the network was fitted on {layers.sizes[0]} features and gets {features}.")
        graph = _Graph(FLOAT if self.single else DOUBLE)
        at, last = _entering(graph, self.single), len(layers.weights) - 1
        for depth, (weights, bias) in enumerate(zip(layers.weights, layers.biases, strict=True)):
            if layers.whole:
                at = _whole(graph, at, depth, weights, bias, layers.tops)
            else:
                sources = [at, _numbers(graph, f"w{depth}", weights), graph.wide(f"b{depth}", bias)]
                at = graph.node("Gemm", sources, f"l{depth}")
            if depth < last and (op := ACTIVATIONS[layers.active]) is not None:
                at = graph.node(op, [at], f"a{depth}")
        if self.single:
            at = graph.node("Cast", [at], "wide", to=DOUBLE)
        outputs = layers.sizes[-1]
        if layers.link == "softmax":
            graph.node("Softmax", [at], "value", axis=1)
        elif hasattr(estimator, "classes_"):
            second = graph.node("Sigmoid", [at], "second")
            first = graph.node("Sub", [graph.constant("one", np.array([1.0])), second], "first")
            graph.node("Concat", [first, second], "value", axis=1)
            outputs = 2
        else:
            graph.node(LINKS[layers.link], [at], "value")
        return graph.model(features, outputs)


class SingleNetworks(CompactNetworks):
    """Port `emitter`: products in single precision, which engines sum up in orders of their own."""

    form = "single_network"
    tolerance = 1e-5
    single = True


def _entering(graph: _Graph, single: bool) -> str:
    if not single:
        return "x"
    low, high = graph.constant("low", np.array(-FURTHEST)), graph.constant("high", np.array(FURTHEST))
    within = graph.node("Min", [graph.node("Max", ["x", low], "above"), high], "within")
    return graph.node("Cast", [within], "narrow", to=FLOAT)


def _numbers(graph: _Graph, name: str, weights: Any) -> str:
    """The weights of a layer in the precision of its products."""
    if weights.scale is None:
        return graph.wide(name, weights.kept)
    scale = graph.wide(f"{name}s", weights.scale)
    return graph.node("Mul", [graph.wide(name, weights.kept), scale], f"{name}m")


def _whole(graph: _Graph, at: str, depth: int, weights: Any, bias: Any, tops: tuple[float, ...]) -> str:
    """active inputs -> whole numbers -> product -> numbers; what `Layers._product` does, in its order."""
    if tops:
        unit = graph.constant(f"u{depth}", np.array(max(tops[depth], TINY) / TOP))
        rounded = graph.node("Round", [graph.node("Div", [at, unit], f"d{depth}")], f"r{depth}")
        low, high = graph.constant("low", np.array(-TOP)), graph.constant("high", np.array(TOP))
        inputs = graph.node("Min", [graph.node("Max", [rounded, low], f"f{depth}"), high], f"c{depth}")
    else:
        most = graph.node("ReduceMax", [graph.node("Abs", [at], f"p{depth}"), graph.places("axis", [1])], f"m{depth}",
                          keepdims=1)  # fmt: skip
        some = graph.node("Max", [most, graph.constant("tiny", np.array(TINY))], f"t{depth}")
        unit = graph.node("Div", [some, graph.constant("top", np.array(TOP))], f"u{depth}")
        inputs = graph.node("Round", [graph.node("Div", [at, unit], f"d{depth}")], f"r{depth}")
    whole = graph.node("Cast", [inputs], f"i{depth}", to=3)
    sums = graph.node("MatMulInteger", [whole, graph.tensor(f"w{depth}", weights.kept)], f"s{depth}")
    scaled = graph.node("Mul", [graph.node("Cast", [sums], f"n{depth}", to=DOUBLE), unit], f"v{depth}")
    outward = graph.node("Mul", [scaled, graph.wide(f"w{depth}s", weights.scale)], f"o{depth}")
    return graph.node("Add", [outward, graph.wide(f"b{depth}", bias)], f"l{depth}")


class _Graph:
    """Nodes and constants, the latter in the dtype they come in; weights that are mostly zeros are kept sparse."""

    def __init__(self, precision: int = DOUBLE) -> None:
        self.precision = precision
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.sparse: list[Any] = []

    def node(self, op: str, sources: list[str], output: str, **attributes: Any) -> str:
        """One node; its output's name."""
        from onnx import helper

        self.nodes.append(helper.make_node(op, sources, [output], **attributes))
        return output

    def constant(self, name: str, numbers: np.ndarray[Any, Any]) -> str:
        """A tensor under that name, once."""
        from onnx import numpy_helper

        self.constants.setdefault(name, numpy_helper.from_array(np.asarray(numbers), name))
        return name

    def places(self, name: str, numbers: list[int]) -> str:
        """Whole numbers of 64 bits."""
        return self.constant(name, np.array(numbers, np.int64))

    def tensor(self, name: str, numbers: np.ndarray[Any, Any]) -> str:
        """Weights, sparse where that takes fewer bytes."""
        present = np.flatnonzero(numbers)
        less = present.size * (SPARSE + numbers.itemsize) < numbers.nbytes
        if numbers.ndim == 2 and less and numbers.size <= present.size * SPARSE_CELLS:
            from onnx import TensorProto, helper

            values = helper.make_tensor(
                name, helper.np_dtype_to_tensor_dtype(numbers.dtype), [len(present)],
                np.ascontiguousarray(numbers.ravel()[present]).tobytes(), raw=True,
            )  # fmt: skip
            # Places are written as numbers of as few bytes as they need; raw ones have eight.
            places = helper.make_tensor(f"{name}p", TensorProto.INT64, [len(present)], present.tolist())
            self.sparse.append(helper.make_sparse_tensor(values, places, list(numbers.shape)))
            return name
        return self.constant(name, numbers)

    def wide(self, name: str, numbers: np.ndarray[Any, Any]) -> str:
        """A tensor in the precision of products, whatever it is kept as."""
        kept = self.tensor(name, numbers)
        own = {np.dtype(np.float32): FLOAT, np.dtype(np.float64): DOUBLE}.get(numbers.dtype)
        return kept if own == self.precision else self.node("Cast", [kept], f"{name}d", to=self.precision)

    def model(self, features: int, outputs: int) -> bytes:
        """The checked model, `x` (rows, features) to `value` (rows, outputs)."""
        from onnx import TensorProto, checker, helper

        made = helper.make_graph(
            self.nodes, "tail",
            [helper.make_tensor_value_info("x", TensorProto.DOUBLE, [None, features])],
            [helper.make_tensor_value_info("value", TensorProto.DOUBLE, [None, outputs])],
            list(self.constants.values()), sparse_initializer=self.sparse,
        )  # fmt: skip
        opsets = [helper.make_opsetid(*OPSETS[0])]
        model = helper.make_model(made, opset_imports=opsets, ir_version=IR, producer_name="fairlead")
        checker.check_model(model)
        data: bytes = model.SerializeToString(deterministic=True)
        return data
