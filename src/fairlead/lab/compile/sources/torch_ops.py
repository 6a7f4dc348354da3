"""Operations of ATen as nodes of ONNX, one after the other: what a dense or a convolutional network is made of."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fairlead.contract.errors import NotCompilable

SAME = (
    "clone", "contiguous", "detach", "alias", "lift_fresh", "lift_fresh_copy", "dropout", "feature_dropout",
    "alpha_dropout", "feature_alpha_dropout",
)  # fmt: skip
ONE_TO_ONE = {
    "relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "neg": "Neg",
    "abs": "Abs", "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "matmul": "MatMul", "mm": "MatMul",
    "maximum": "Max", "minimum": "Min", "pow": "Pow", "hardsigmoid": "HardSigmoid", "hardswish": "HardSwish",
}  # fmt: skip
VIEWS = (
    *SAME, "view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "permute", "transpose", "t", "to",
    "slice", "select",
)  # fmt: skip
"""Operations whose result may share its memory with what they are given."""
FIRST = ("adaptive_max_pool2d", "max_pool2d_with_indices", "_native_batch_norm_legit_no_training")
"""Operations with several results, of which only the first is asked for."""


class Making:
    """Nodes and constants of ONNX. dtype: of the program's own arithmetic, float32 or float64."""

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
        self.there = set(self.held)

    def walk(self) -> tuple[Any, Any]:
        """The one input and the one output, as nodes of torch."""
        asked = [n for n in self.program.graph.nodes if n.op == "placeholder" and n.name not in self.held]
        (told,) = (n for n in self.program.graph.nodes if n.op == "output")
        if len(asked) != 1 or len(told.args[0]) != 1 or len(shape_of(asked[0])) < 2:
            raise NotCompilable("the torch program takes or gives something else than one matrix or tensor of numbers.")
        outputs = told.args[0][0]
        if isinstance(shape_of(asked[0])[0], int):
            raise NotCompilable(
                "the torch program has a fixed number of rows: export it with a dynamic first dimension."
            )
        if not all(isinstance(edge, int) for edge in shape_of(asked[0])[1:]):
            raise NotCompilable("the torch program takes tensors of any size: only its first dimension may be dynamic.")
        if not hasattr(outputs, "name") or not 1 <= len(shape_of(outputs)) <= 2:
            raise NotCompilable("the torch program gives something else than numbers or one matrix of them.")
        if any(array.dtype == np.float64 for array in self.held.values()) or dtype_of(asked[0]) == np.float64:
            self.dtype = np.float64
        self.there.add(asked[0].name)
        for name, array in self.held.items():
            if array.dtype.kind == "f":
                self.constant(name, array)
        for node in self.program.graph.nodes:
            if node.op == "call_function" and _gives_tensors(node):
                self.add(node)
        return asked[0], outputs

    def constant(self, name: str, numbers: Any, dtype: Any = None) -> str:
        """A constant of the graph; `numbers` in the program's own dtype unless told."""
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.asarray(numbers, dtype=dtype or self.dtype, order="C"), name))
        return name

    def put(self, op: str, sources: list[str], output: str, **attributes: Any) -> str:
        """A node of the graph; returns the name of its output."""
        from onnx import helper

        self.nodes.append(helper.make_node(op, sources, [output], **attributes))
        self.there.add(output)
        return output

    def of(self, value: Any, at: str, dtype: Any = None) -> str:
        """The name of an argument; a number becomes a constant, a tensor of another dtype is cast."""
        if not hasattr(value, "name"):
            return self.constant(f"{at}_number{len(self.constants)}", value, dtype)
        if value.name not in self.there:
            raise NotCompilable(f"the torch program computes with the size of {value.name!r}, which is not translated.")
        if dtype is None or dtype_of(value) == dtype or value.name in self.held:
            return str(value.name)
        return self.put("Cast", [value.name], f"{at}_cast{len(self.nodes)}", to=_type(dtype))

    def add(self, node: Any) -> None:
        """Raises NotCompilable for an operation without translation."""
        kind = _kind(node)
        if getattr(node.target, "__name__", "").partition(".")[0] == f"{kind}_":
            _check_alone(node)
        for value in node.args:
            if hasattr(value, "name"):
                self.of(value, node.name)
        if node.target is operator.getitem:
            _first(self, node)
        elif kind in SAME and not (kind.endswith("dropout") and node.args[2]):
            self.put("Identity", [self.of(node.args[0], node.name)], node.name)
        elif kind in ONE_TO_ONE and not node.kwargs:
            sources = [self.of(value, node.name, dtype_of(node)) for value in node.args]
            self.put(ONE_TO_ONE[kind], sources, node.name, **({"alpha": 1 / 6} if kind == "hardsigmoid" else {}))
        elif kind in _CASTS:
            self.put("Cast", [node.args[0].name], node.name, to=_type(dtype_of(node)))
        elif (special := _SPECIAL.get(kind)) is not None and not node.kwargs:
            special(self, node)
        else:
            raise NotCompilable(f"the torch program holds {kind!r}, which is not translated.")


def shape_of(node: Any) -> list[Any]:
    """Sizes, those that are not fixed as they are."""
    return [int(size) if isinstance(size, int) else size for size in node.meta["val"].shape]


def dtype_of(node: Any) -> Any:
    """numpy's dtype of a node's tensor. Raises NotCompilable for one that numpy has not."""
    name = str(node.meta["val"].dtype).removeprefix("torch.")
    try:
        return np.dtype(name)
    except TypeError as unknown:
        raise NotCompilable(f"the torch program computes in {name}, which is not translated.") from unknown


def _type(dtype: Any) -> int:
    from onnx import helper

    found: int = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return found


def _gives_tensors(node: Any) -> bool:
    """Whether it computes tensors, and not only their sizes or what is asserted of them."""
    found = node.meta.get("val")
    return hasattr(found, "dtype") or (isinstance(found, tuple | list) and any(hasattr(one, "dtype") for one in found))


def _kind(node: Any) -> str:
    name = getattr(node.target, "__name__", str(node.target)).partition(".")[0]
    return name[:-1] if name.endswith("_") and not name.endswith("__") else name


def _check_alone(node: Any) -> None:
    """Raises NotCompilable where an operation changes in place what another one holds a view of.

    What comes later reads the result itself: torch has seen to that.
    """
    changed, given = node, node.args[0]
    while True:
        views = [user for user in given.users if user is not changed and _kind(user) in VIEWS]
        if given.op != "call_function" or views:
            raise NotCompilable(
                f"the torch program changes a tensor in place ({node.name}) that it uses elsewhere: write it without."
            )
        if _kind(given) not in VIEWS:
            return
        changed, given = given, given.args[0]


def _given(node: Any, *defaults: Any) -> list[Any]:
    """Arguments after the first, with defaults for those that are not written."""
    told = list(node.args[1:])
    return told + list(defaults[len(told) :])


def _each(value: Any, axes: int) -> list[int]:
    """One number for every axis."""
    listed = list(value) if isinstance(value, Sequence) else [value]
    return listed * axes if len(listed) == 1 else listed


def _first(making: Making, node: Any) -> None:
    source, at = node.args
    if not node.users:
        return
    if at != 0 or _kind(source) not in FIRST:
        raise NotCompilable("the torch program holds an operation with several results, which is not translated.")
    making.put("Identity", [source.name], node.name)


def _linear(making: Making, node: Any) -> None:
    names = [value.name for value in node.args if value is not None]
    if len(shape_of(node)) == 2:
        making.put("Gemm", names, node.name, transB=1)
        return
    weight = making.put("Transpose", [names[1]], f"{node.name}_weight", perm=[1, 0])
    product = making.put("MatMul", [names[0], weight], f"{node.name}_product" if len(names) > 2 else node.name)
    if len(names) > 2:
        making.put("Add", [product, names[2]], node.name)


def _addmm(making: Making, node: Any) -> None:
    bias, a, b = node.args
    making.put("Gemm", [a.name, b.name, bias.name], node.name)


def _conv(making: Making, node: Any) -> None:
    weight, bias, stride, padding, dilation, groups = _given(node, None, None, 1, 0, 1, 1)
    _convolved(making, node, weight, bias, stride, padding, dilation, groups)


def _convolution(making: Making, node: Any) -> None:
    weight, bias, stride, padding, dilation, transposed, _, groups = _given(node)
    if transposed:
        raise NotCompilable("the torch program holds a transposed convolution, which is not translated.")
    _convolved(making, node, weight, bias, stride, padding, dilation, groups)


def _convolved(
    making: Making, node: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> None:
    if dtype_of(node) != np.float32:
        raise NotCompilable("onnxruntime convolves in float32 alone: export the torch program after .float().")
    kernel = shape_of(weight)[2:]
    axes = len(kernel)
    steps = _each(dilation, axes)
    if padding == "same":
        whole = [step * (edge - 1) for step, edge in zip(steps, kernel, strict=True)]
        pads = [edge // 2 for edge in whole] + [edge - edge // 2 for edge in whole]
    else:
        pads = _each(0 if padding == "valid" else padding, axes) * 2
    sources = [making.of(value, node.name) for value in (node.args[0], weight, bias) if value is not None]
    making.put(
        "Conv", sources, node.name, kernel_shape=kernel, strides=_each(stride, axes), pads=pads, dilations=steps,
        group=groups,
    )  # fmt: skip


def _pool(making: Making, node: Any) -> None:
    axes = 1 if "1d" in node.target.__name__ else 2
    if "max" in node.target.__name__:
        kernel, stride, padding, dilation, ceil = _given(node, None, (), 0, 1, False)
        more: dict[str, Any] = {"dilations": _each(dilation, axes)}
        op = "MaxPool"
    else:
        kernel, stride, padding, ceil, counted, divisor = _given(node, None, (), 0, False, True, None)
        if divisor is not None:
            raise NotCompilable("the torch program pools with a divisor of its own, which is not translated.")
        more = {"count_include_pad": int(counted)}
        op = "AveragePool"
    if ceil:
        raise NotCompilable("the torch program pools with ceil_mode=True, which is not translated.")
    window = _each(kernel, axes)
    making.put(
        op, [node.args[0].name], node.name, kernel_shape=window, strides=_each(stride, axes) if stride else window,
        pads=_each(padding, axes) * 2, **more,
    )  # fmt: skip


def _adaptive_pool(making: Making, node: Any) -> None:
    given = shape_of(node.args[0])[2:]
    found = node.meta["val"]
    wanted = shape_of(node)[2:] if hasattr(found, "shape") else [int(edge) for edge in found[0].shape[2:]]
    kind = "Max" if "max" in node.target.__name__ else "Average"
    if all(edge == 1 for edge in wanted):
        making.put(f"Global{kind}Pool", [node.args[0].name], node.name)
        return
    if any(edge % part for edge, part in zip(given, wanted, strict=True)):
        raise NotCompilable(f"the torch program pools {given} to {wanted}, whose windows differ: not translated.")
    window = [edge // part for edge, part in zip(given, wanted, strict=True)]
    making.put(f"{kind}Pool", [node.args[0].name], node.name, kernel_shape=window, strides=window)


def _reshape(making: Making, node: Any) -> None:
    shape = shape_of(node)
    if isinstance(shape[0], int) or not all(isinstance(edge, int) for edge in shape[1:]):
        raise NotCompilable(f"the torch program reshapes rows into each other ({node.name}), which is not translated.")
    wanted = making.constant(f"{node.name}_shape", [-1, *shape[1:]], np.int64)
    making.put("Reshape", [node.args[0].name, wanted], node.name)


def _permute(making: Making, node: Any) -> None:
    axes = list(range(len(shape_of(node))))
    if "transpose" in node.target.__name__:
        a, b = node.args[1:]
        axes[a], axes[b] = axes[b], axes[a]
    elif "permute" in node.target.__name__:
        axes = [axis % len(axes) for axis in node.args[1]]
    else:
        axes = axes[::-1]
    making.put("Transpose", [making.of(node.args[0], node.name)], node.name, perm=axes)


def _slice(making: Making, node: Any) -> None:
    axis, start, end, step = _given(node, 0, None, None, 1)
    whole = start in (None, 0) and (end is None or (isinstance(end, int) and end >= 2**62)) and step == 1
    if whole:
        making.put("Identity", [node.args[0].name], node.name)
        return
    edges = (start or 0, 2**62 if end is None else end, axis, step)
    if axis % len(shape_of(node)) == 0 or not all(isinstance(edge, int) for edge in edges):
        raise NotCompilable("the torch program takes some rows and not others, which is not translated.")
    told = (("starts", edges[0]), ("ends", edges[1]), ("axes", axis), ("steps", step))
    names = [making.constant(f"{node.name}_{name}", [edge], np.int64) for name, edge in told]
    making.put("Slice", [node.args[0].name, *names], node.name)


def _select(making: Making, node: Any) -> None:
    axis, at = _given(node)
    if axis % len(shape_of(node.args[0])) == 0 or not isinstance(at, int):
        raise NotCompilable("the torch program takes some rows and not others, which is not translated.")
    chosen = making.constant(f"{node.name}_at", at, np.int64)
    making.put("Gather", [node.args[0].name, chosen], node.name, axis=axis)


def _reduce(op: str) -> Callable[[Making, Any], None]:
    def add(making: Making, node: Any) -> None:
        axes, kept = _given(node, None, False)
        if axes is None:
            raise NotCompilable(f"the torch program holds {op} over all rows, which is not translated.")
        ranks = len(shape_of(node.args[0]))
        over = making.constant(f"{node.name}_axes", [axis % ranks for axis in _each(axes, 1)], np.int64)
        making.put(op, [node.args[0].name, over], node.name, keepdims=int(kept))

    return add


def _clip(making: Making, node: Any) -> None:
    if "relu6" in node.target.__name__:
        edges = [0.0, 6.0]
    else:
        edges = _given(node, *((-1.0, 1.0) if "hardtanh" in node.target.__name__ else (None, None)))
    if any(hasattr(edge, "name") for edge in edges):
        raise NotCompilable("the torch program clips to edges that it computes, which is not translated.")
    names = ["" if edge is None else making.of(edge, node.name, dtype_of(node)) for edge in edges]
    making.put("Clip", [node.args[0].name, *names], node.name)


def _softmax(making: Making, node: Any) -> None:
    op = "LogSoftmax" if "log" in node.target.__name__ else "Softmax"
    making.put(op, [node.args[0].name], node.name, axis=node.args[1])


def _batch_norm(making: Making, node: Any) -> None:
    if "native" in node.target.__name__:
        source, weight, bias, mean, variance, _, epsilon = node.args[:7]
        training = False
    else:
        source, weight, bias, mean, variance, training, _, epsilon = node.args[:8]
    if training or weight is None or bias is None:
        raise NotCompilable("the torch program normalises batches as in training: export it after .eval().")
    making.put(
        "BatchNormalization", [source.name, weight.name, bias.name, mean.name, variance.name], node.name,
        epsilon=epsilon,
    )  # fmt: skip


def _layer_norm(making: Making, node: Any) -> None:
    source, shape, weight, bias = node.args[:4]
    epsilon = node.args[4] if len(node.args) > 4 else 1e-5
    if weight is None or bias is None:
        raise NotCompilable("the torch program normalises layers without weights, which is not translated.")
    making.put(
        "LayerNormalization", [source.name, weight.name, bias.name], node.name, axis=-len(shape), epsilon=epsilon
    )


def _leaky_relu(making: Making, node: Any) -> None:
    making.put("LeakyRelu", [node.args[0].name], node.name, alpha=node.args[1] if len(node.args) > 1 else 0.01)


def _elu(making: Making, node: Any) -> None:
    alpha, scale, inner = _given(node, 1.0, 1.0, 1.0)
    if scale != 1 or inner != 1:
        raise NotCompilable("the torch program gives Elu scales, which are not translated.")
    making.put("Elu", [node.args[0].name], node.name, alpha=float(alpha))


def _silu(making: Making, node: Any) -> None:
    making.put("Sigmoid", [node.args[0].name], f"{node.name}_share")
    making.put("Mul", [node.args[0].name, f"{node.name}_share"], node.name)


def _plain(op: str) -> Callable[[Making, Any], None]:
    def add(making: Making, node: Any) -> None:
        if len(node.args) > 1:
            raise NotCompilable(f"the torch program gives {op} parameters, which are not translated.")
        making.put(op, [node.args[0].name], node.name)

    return add


def _cat(making: Making, node: Any) -> None:
    making.put("Concat", [one.name for one in node.args[0]], node.name, axis=node.args[1] if len(node.args) > 1 else 0)


def _squeeze(making: Making, node: Any) -> None:
    if len(node.args) < 2:
        raise NotCompilable("the torch program squeezes all dimensions, rows included: name the dimension.")
    op = "Unsqueeze" if "unsqueeze" in node.target.__name__ else "Squeeze"
    axes = making.constant(f"{node.name}_axes", np.atleast_1d(node.args[1]), np.int64)
    making.put(op, [node.args[0].name, axes], node.name)


_CASTS = ("to", "_to_copy", "type_as", "float", "double")
_SPECIAL: dict[str, Callable[[Making, Any], None]] = {
    "linear": _linear, "addmm": _addmm, "softmax": _softmax, "_softmax": _softmax, "log_softmax": _softmax,
    "_log_softmax": _softmax, "batch_norm": _batch_norm, "_native_batch_norm_legit_no_training": _batch_norm,
    "layer_norm": _layer_norm, "leaky_relu": _leaky_relu, "silu": _silu, "gelu": _plain("Gelu"), "elu": _elu,
    "selu": _plain("Selu"), "softplus": _plain("Softplus"), "cat": _cat, "squeeze": _squeeze, "unsqueeze": _squeeze,
    "conv1d": _conv, "conv2d": _conv, "conv3d": _conv, "convolution": _convolution,
    "max_pool1d": _pool, "max_pool2d": _pool, "max_pool2d_with_indices": _pool, "avg_pool1d": _pool,
    "avg_pool2d": _pool, "adaptive_avg_pool2d": _adaptive_pool, "_adaptive_avg_pool2d": _adaptive_pool,
    "adaptive_max_pool2d": _adaptive_pool, "view": _reshape, "reshape": _reshape, "_unsafe_view": _reshape,
    "flatten": _reshape, "unflatten": _reshape, "permute": _permute, "transpose": _permute, "t": _permute,
    "slice": _slice, "select": _select, "mean": _reduce("ReduceMean"), "amax": _reduce("ReduceMax"),
    "amin": _reduce("ReduceMin"), "sum": _reduce("ReduceSum"), "hardtanh": _clip, "relu6": _clip, "clamp": _clip,
    "clip": _clip,
}  # fmt: skip
