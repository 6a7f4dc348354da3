"""Programs of `torch.export`: one matrix of numbers in, probabilities or a number out, as an ONNX graph."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.errors import MissingExtra, NotCompilable
from fairlead.lab.compile.sources.onnx_file import (
    OnnxClasses,
    OnnxNumber,
    answered,
    classes_of,
    columns_for,
    read_graph,
)
from fairlead.lab.compile.sources.opening import Hints, Opened, needs_trust

if TYPE_CHECKING:
    import pandas as pd

SAME = ("clone", "contiguous", "detach", "alias", "dropout")
ONE_TO_ONE = {
    "relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "neg": "Neg",
    "abs": "Abs", "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "matmul": "MatMul", "mm": "MatMul",
    "maximum": "Max", "minimum": "Min", "pow": "Pow",
}  # fmt: skip


class TorchExport:
    """Port `source`."""

    def takes(self, where: str) -> bool:
        """See Source."""
        return where.endswith(".pt2")

    def open(self, where: str, sample: pd.DataFrame, hints: Hints) -> Opened:
        """See Source. torch reads the file with pickle, so it needs trust."""
        if not hints.trust:
            raise needs_trust("a torch.export program")
        try:
            import torch
        except ModuleNotFoundError as missing:
            raise MissingExtra("torch", "torch") from missing
        program = torch.export.load(where)
        data = onnx_of(program)
        graph = read_graph(data)
        names = columns_for(graph, [str(name) for name in sample.columns])
        found = TorchNumber(data, names, graph)
        found.module = program.module()
        classes = classes_of(found, sample, hints, graph.outputs)
        said = f"translated the {len(graph.nodes)} operations of a torch.export program to ONNX"
        if classes is None:
            return Opened(found, said)
        several = TorchClasses(data, names, graph, classes)
        several.module = found.module
        return Opened(several, said)


class _Torch:
    """Scores by torch itself: what the translation is compared with."""

    module: Any

    def scores(self, frame: Any) -> np.ndarray:
        """What the program gives, shape (n, k)."""
        import torch

        rows = frame[list(self.feature_names_in_)].to_numpy(dtype=np.float64)  # type: ignore[attr-defined]
        if np.isnan(rows).any():
            raise ValueError("the program takes no missing cells")
        kind = torch.float64 if self.graph.inputs[0][1] == 11 else torch.float32  # type: ignore[attr-defined]
        with torch.no_grad():
            said = self.module(torch.tensor(rows, dtype=kind))
        return answered(rows, said.numpy())


class TorchNumber(_Torch, OnnxNumber):
    """A program that gives numbers."""


class TorchClasses(_Torch, OnnxClasses):
    """A program that gives probabilities."""


def onnx_of(program: Any) -> bytes:
    """ONNX bytes of a program's graph. Raises NotCompilable naming the operation that has no translation."""
    from onnx import TensorProto, helper

    making = _Making(program)
    given, outputs = making.walk()
    kind = TensorProto.DOUBLE if making.dtype == np.float64 else TensorProto.FLOAT
    width, last = making.shape_of(given)[-1], making.shape_of(outputs)
    graph = helper.make_graph(
        making.nodes,
        "program",
        [helper.make_tensor_value_info(given.name, kind, [None, width])],
        [helper.make_tensor_value_info(outputs.name, kind, [None, *last[1:]])],
        making.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


class _Making:
    """Nodes and constants of ONNX, one ATen operation after the other."""

    def __init__(self, program: Any) -> None:
        self.program = program
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.dtype: Any = np.float32
        self.held = {}
        for spec in program.graph_signature.input_specs:
            if spec.target is not None:
                tensors = program.state_dict if spec.target in program.state_dict else program.constants
                self.held[spec.arg.name] = tensors[spec.target].detach().numpy()

    def walk(self) -> tuple[Any, Any]:
        """The one input and the one output, as nodes of torch."""
        asked = [n for n in self.program.graph.nodes if n.op == "placeholder" and n.name not in self.held]
        (told,) = (n for n in self.program.graph.nodes if n.op == "output")
        if len(asked) != 1 or len(told.args[0]) != 1 or len(self.shape_of(asked[0])) != 2:
            raise NotCompilable("the torch program takes or gives something else than one matrix of numbers.")
        if isinstance(self.shape_of(asked[0])[0], int):
            raise NotCompilable(
                "the torch program has a fixed number of rows: export it with a dynamic first dimension."
            )
        self.dtype = np.float64 if "float64" in str(asked[0].meta["val"].dtype) else np.float32
        for name, array in self.held.items():
            if array.dtype.kind == "f":
                self.constant(name, array)
        for node in self.program.graph.nodes:
            if node.op == "call_function":
                self.add(node)
        return asked[0], told.args[0][0]

    @staticmethod
    def shape_of(node: Any) -> list[Any]:
        """Sizes, those that are not fixed as they are."""
        return [int(size) if isinstance(size, int) else size for size in node.meta["val"].shape]

    def constant(self, name: str, numbers: Any, dtype: Any = None) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(numbers, dtype=dtype or self.dtype), name))
        return name

    def put(self, op: str, sources: list[str], output: str, **attributes: Any) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node(op, sources, [output], **attributes))

    def of(self, value: Any, at: str) -> str:
        """The name of an argument; a number becomes a constant."""
        return value.name if hasattr(value, "name") else self.constant(f"{at}_number{len(self.constants)}", value)

    def add(self, node: Any) -> None:
        """Raises NotCompilable for an operation without translation."""
        kind = getattr(node.target, "__name__", str(node.target)).partition(".")[0]
        if node.target is operator.getitem:
            raise NotCompilable("the torch program holds an operation with several results, which is not translated.")
        if kind in SAME and not (kind == "dropout" and node.args[2]):
            self.put("Identity", [self.of(node.args[0], node.name)], node.name)
        elif kind in ONE_TO_ONE and not node.kwargs:
            self.put(ONE_TO_ONE[kind], [self.of(value, node.name) for value in node.args], node.name)
        elif (special := _SPECIAL.get(kind)) is not None and not node.kwargs:
            special(self, node)
        else:
            raise NotCompilable(f"the torch program holds {kind!r}, which is not translated.")


def _linear(making: _Making, node: Any) -> None:
    making.put("Gemm", [value.name for value in node.args if value is not None], node.name, transB=1)


def _addmm(making: _Making, node: Any) -> None:
    bias, a, b = node.args
    making.put("Gemm", [a.name, b.name, bias.name], node.name)


def _softmax(making: _Making, node: Any) -> None:
    op = "LogSoftmax" if "log" in node.target.__name__ else "Softmax"
    making.put(op, [node.args[0].name], node.name, axis=node.args[1])


def _batch_norm(making: _Making, node: Any) -> None:
    source, weight, bias, mean, variance, training, _, epsilon = node.args[:8]
    if training or weight is None or bias is None:
        raise NotCompilable("the torch program normalises batches as in training: export it after .eval().")
    making.put(
        "BatchNormalization", [source.name, weight.name, bias.name, mean.name, variance.name], node.name,
        epsilon=epsilon,
    )  # fmt: skip


def _layer_norm(making: _Making, node: Any) -> None:
    source, shape, weight, bias = node.args[:4]
    epsilon = node.args[4] if len(node.args) > 4 else 1e-5
    if weight is None or bias is None:
        raise NotCompilable("the torch program normalises layers without weights, which is not translated.")
    making.put(
        "LayerNormalization", [source.name, weight.name, bias.name], node.name, axis=-len(shape), epsilon=epsilon
    )


def _leaky_relu(making: _Making, node: Any) -> None:
    making.put("LeakyRelu", [node.args[0].name], node.name, alpha=node.args[1] if len(node.args) > 1 else 0.01)


def _silu(making: _Making, node: Any) -> None:
    making.put("Sigmoid", [node.args[0].name], f"{node.name}_share")
    making.put("Mul", [node.args[0].name, f"{node.name}_share"], node.name)


def _plain(op: str) -> Callable[[_Making, Any], None]:
    def add(making: _Making, node: Any) -> None:
        if len(node.args) > 1:
            raise NotCompilable(f"the torch program gives {op} parameters, which are not translated.")
        making.put(op, [node.args[0].name], node.name)

    return add


def _cat(making: _Making, node: Any) -> None:
    making.put("Concat", [one.name for one in node.args[0]], node.name, axis=node.args[1] if len(node.args) > 1 else 0)


def _squeeze(making: _Making, node: Any) -> None:
    op = "Unsqueeze" if "unsqueeze" in node.target.__name__ else "Squeeze"
    axes = making.constant(f"{node.name}_axes", np.atleast_1d(node.args[1]), np.int64)
    making.put(op, [node.args[0].name, axes], node.name)


_SPECIAL: dict[str, Callable[[_Making, Any], None]] = {
    "linear": _linear, "addmm": _addmm, "softmax": _softmax, "log_softmax": _softmax, "batch_norm": _batch_norm,
    "layer_norm": _layer_norm, "leaky_relu": _leaky_relu, "silu": _silu, "gelu": _plain("Gelu"), "elu": _plain("Elu"),
    "selu": _plain("Selu"), "softplus": _plain("Softplus"), "cat": _cat, "squeeze": _squeeze, "unsqueeze": _squeeze,
}  # fmt: skip
