"""ONNX graphs that came as files, as tails: the same nodes between one matrix of doubles and one of answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.contract.errors import BundleRefused, NotCompilable
from fairlead.runtime.bundle.manifest import TAIL_ONNX
from fairlead.runtime.bundle.onnx_guard import check_onnx

OURS = "fairlead_"
"""Of names that are added; a graph that has such names itself is refused."""


class OnnxGraphs:
    """Port `emitter`: the file's own nodes, fed from the columns in its own types."""

    form = "onnx"
    tolerance = 1e-5
    file = TAIL_ONNX

    def accepts(self, estimator: Any) -> str | None:
        """See Emitter."""
        from fairlead.lab.compile.sources.onnx_file import OnnxNumber

        if not isinstance(estimator, OnnxNumber):
            return f"{type(estimator).__name__} is no ONNX graph"
        try:
            check_onnx(_emitted(estimator, estimator.n_features_in_))
        except BundleRefused as why:
            return str(why).removeprefix("tail.onnx: ")
        return None

    def emit(self, estimator: Any, features: int) -> bytes:
        """ONNX bytes: `x` double (rows, features) to `value` double (rows, outputs)."""
        return _emitted(estimator, features)


def _emitted(estimator: Any, features: int) -> bytes:
    import onnx
    from onnx import TensorProto, compose, helper, numpy_helper

    graph = estimator.graph
    # Names of the file are kept apart from ours: x and value are ours alone.
    prefixed = compose.add_prefix(graph.model, "given_")
    wanted = {f"given_{name}" for node in graph.nodes for name in node.output}
    kept = [node for node in prefixed.graph.node if wanted & set(node.output) and node.op_type != "ZipMap"]
    before, constants = _feeding(estimator, features)
    classes = len(getattr(estimator, "classes_", ()))
    after: list[Any] = []
    at = f"given_{graph.output}"
    after.append(helper.make_node("Cast", [at], [f"{OURS}double"], to=TensorProto.DOUBLE))
    at = f"{OURS}double"
    if graph.rank == 1:
        constants.append(numpy_helper.from_array(np.array([-1, 1], np.int64), f"{OURS}column"))
        after.append(helper.make_node("Reshape", [at, f"{OURS}column"], [f"{OURS}matrix"]))
        at = f"{OURS}matrix"
    if classes == 2 and graph.outputs == 1:
        constants.append(numpy_helper.from_array(np.array([1.0]), f"{OURS}one"))
        after.append(helper.make_node("Sub", [f"{OURS}one", at], [f"{OURS}first"]))
        after.append(helper.make_node("Concat", [f"{OURS}first", at], ["value"], axis=1))
    else:
        after[-1].output[0] = "value"
    outputs = classes or 1
    made = helper.make_graph(
        [*before, *kept, *after],
        "tail",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, [None, features])],
        [helper.make_tensor_value_info("value", TensorProto.DOUBLE, [None, outputs])],
        [*constants, *_used(prefixed.graph.initializer, kept)],
    )
    model = helper.make_model(
        made, opset_imports=list(graph.model.opset_import), ir_version=graph.model.ir_version, producer_name="fairlead"
    )
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as why:
        raise NotCompilable(f"the ONNX graph is not valid: {str(why).splitlines()[0][:200]}") from why
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _feeding(estimator: Any, features: int) -> tuple[list[Any], list[Any]]:
    """Nodes from `x` to the inputs of the file, and the constants they need."""
    from onnx import helper, numpy_helper

    graph, row = estimator.graph, estimator.feed.row
    if row is not None:
        ((name, kind),) = graph.inputs
        shape = numpy_helper.from_array(np.array([-1, *row], np.int64), f"{OURS}row")
        # Rounded to the graph's own type ahead of anything else, as who asks the graph itself hands it over.
        cast = helper.make_node("Cast", ["x"], [f"{OURS}typed"], to=kind)
        return [cast, helper.make_node("Reshape", [f"{OURS}typed", f"{OURS}row"], [f"given_{name}"])], [shape]
    if graph.matrix:
        ((name, kind),) = graph.inputs
        return [helper.make_node("Cast", ["x"], [f"given_{name}"], to=kind)], []
    if features != len(graph.inputs):
        raise NotCompilable(f"the ONNX graph takes {len(graph.inputs)} columns and gets {features}.")
    nodes, constants = [], []
    for at, (name, kind) in enumerate(graph.inputs):
        constants.append(numpy_helper.from_array(np.array([at], np.int64), f"{OURS}at{at}"))
        nodes.append(helper.make_node("Gather", ["x", f"{OURS}at{at}"], [f"{OURS}column{at}"], axis=1))
        nodes.append(helper.make_node("Cast", [f"{OURS}column{at}"], [f"given_{name}"], to=kind))
    return nodes, constants


def _used(held: Any, nodes: list[Any]) -> list[Any]:
    wanted = {name for node in nodes for name in node.input}
    return [tensor for tensor in held if tensor.name in wanted]
