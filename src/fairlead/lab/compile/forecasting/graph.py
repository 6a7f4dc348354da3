"""Forecasters as one ONNX graph in double: signals of the history, the regressors of the steps, and the level again."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.contract.plugins import names, variant
from fairlead.lab.compile.element_ops import as_onnx
from fairlead.lab.compile.forecasting.plan import TINY, Plan
from fairlead.lab.compile.tree_onnx import model_bytes
from fairlead.runtime.bundle.manifest import TAIL_LINEAR, TAIL_ONNX
from fairlead.runtime.bundle.onnx_guard import NODES

OWN = "forecast"


class Forecasts:
    """Port `emitter`: what a Forecaster computes, each of its regressors by the emitter that takes it."""

    form = OWN
    tolerance = 1e-9
    file = TAIL_ONNX

    def accepts(self, estimator: Any) -> str | None:
        """See Emitter."""
        if type(estimator).__name__ != "Forecaster" or not hasattr(estimator, "plan"):
            return f"{type(estimator).__name__} is no forecaster"
        for member in estimator.members_:
            found = _emitter_of(member)
            if isinstance(found, str):
                return f"its regressor: {found}"
            self.tolerance = max(self.tolerance, found.tolerance)
        return None

    def emit(self, estimator: Any, features: int) -> bytes:
        """ONNX bytes: `x` double (rows, features) to `value` double (rows, horizon)."""
        plan: Plan = estimator.plan
        if plan.width != features:
            raise NotCompilable(f"the forecaster was fitted on {plan.width} features and gets {features}.")
        graph = _Graph()
        level, signals = _signals(graph, plan)
        told = []
        for at, span in enumerate(estimator.spans):
            looked = graph.gather(signals, plan.chosen[span.start] if len(span) == 1 else plan.chosen[span])
            if len(span) > 1:
                # A row for each step, and back.
                looked = graph.reshape(looked, plan.chosen.shape[1])
            answers = _member(graph, estimator, at, looked)
            told.append(answers if len(span) == 1 else graph.reshape(answers, len(span)))
        shares = graph.node("Concat", *told, axis=1) if len(told) > 1 else told[0]
        graph.node("Mul", shares, level, output="value")
        if len(graph.nodes) > NODES:
            raise NotCompilable(f"its graph has {len(graph.nodes):,} nodes, {NODES:,} are allowed; forecast less far.")
        return model_bytes(graph.nodes, graph.constants, features, plan.horizon)


def _emitter_of(estimator: Any) -> Any:
    """The emitter that takes a regressor, or why none does."""
    said = []
    for name in names("emitter"):
        if name == OWN:
            continue
        emitter = variant("emitter", name)()
        reason = emitter.accepts(estimator)
        if reason is None and not hasattr(emitter, "prepare"):
            return emitter
        if reason is None and getattr(estimator, "is_categorical_", None) is None:
            return emitter
        said.append(str(reason or "it has categories of its own"))
    return "; ".join(dict.fromkeys(said))


class _Graph:
    """Nodes and constants in the making; names of what comes out of each are its own."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: np.ndarray, name: str = "") -> str:
        from onnx import numpy_helper

        name = name or f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, op: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        from onnx import helper

        output = output or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def gather(self, table: str, places: np.ndarray, name: str = "") -> str:
        """Columns of a table; a table of places gives one row of columns each."""
        return self.node("Gather", table, self.constant(places.astype(np.int64), name), axis=1)

    def reshape(self, table: str, width: int) -> str:
        return self.node("Reshape", table, self.constant(np.array([-1, width], np.int64)))

    def rounded(self, value: str) -> str:
        from onnx import TensorProto

        return self.node("Cast", self.node("Cast", value, to=TensorProto.FLOAT), to=TensorProto.DOUBLE)


def _signals(graph: _Graph, plan: Plan) -> tuple[str, str]:
    """Names of the level, (rows, 1), and of the signals, (rows, signals): `plan.signals_of`, operation by operation."""
    along = graph.constant(np.array([1], np.int64), "along")
    values = graph.gather("x", plan.values)
    mean = graph.node("ReduceMean", graph.node("Abs", values), along, keepdims=1)
    level = graph.node("Max", graph.rounded(mean), graph.constant(np.array([[TINY]])))
    scaled = graph.node("Div", values, level)
    parts = [scaled]
    for season in plan.seasons:
        last = graph.gather(scaled, np.arange(plan.lags - season, plan.lags))
        parts.append(graph.rounded(graph.node("ReduceMean", last, along, keepdims=1)))
    one, other = plan.changes
    parts.append(graph.node("Sub", graph.gather(scaled, one), graph.gather(scaled, other)))
    if plan.covariates:
        parts.append(graph.gather("x", plan.newest))
    parts.append(graph.gather("x", plan.dates))
    nothing = graph.node("Mul", level, graph.constant(np.array([[0.0]])))
    parts.append(graph.node("Add", nothing, graph.constant(np.arange(1.0, plan.horizon + 1.0)[None, :])))
    return level, graph.node("Concat", *parts, axis=1)


def _member(graph: _Graph, estimator: Any, at: int, features: str) -> str:
    """The name of a regressor's answers, (rows, 1)."""
    from onnx import TensorProto, compose, load_model_from_string

    plan: Plan = estimator.plan
    plain, classed = plan.split
    if classed:
        parts = [graph.gather(features, plain)]
        for place, values in classed:
            same = graph.node("Equal", graph.gather(features, np.array([place])), graph.constant(values[None, :]))
            parts.append(graph.node("Cast", same, to=TensorProto.DOUBLE))
        features = graph.node("Concat", *parts, axis=1)
    width = len(plain) + sum(len(values) for _, values in classed)
    if plan.classes:
        moved = graph.node("Sub", features, graph.constant(estimator.means_[at][None, :]))
        features = graph.node("Div", moved, graph.constant(estimator.scales_[at][None, :]))
    member = estimator.members_[at]
    emitter = _emitter_of(member)
    tail = emitter.emit(member, width)
    file = getattr(emitter, "file", TAIL_ONNX)
    model = load_model_from_string(as_onnx(tail, width) if file == TAIL_LINEAR else tail)
    own = compose.add_prefix(model, f"m{at}_").graph
    for node in own.node:
        for place, name in enumerate(node.input):
            if name == f"m{at}_x":
                node.input[place] = features
    graph.nodes += own.node
    graph.constants += own.initializer
    return f"m{at}_value"
