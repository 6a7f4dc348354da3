"""How strange a row is, by densities, margins and residuals, as ONNX in double; isolation forests are `trees`."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.lab.compile.kernels import FAR, MOST_NUMBERS, distances
from fairlead.lab.compile.matrix_onnx import Graph
from fairlead.runtime.bundle.manifest import TAIL_ONNX

MACHINE, NEIGHBOURS, RESIDUALS = "OneClassSVM", "OutlierNeighbours", "Reconstruction"
"""Of scikit-learn, and two of `lab.train.estimators`."""


class Strange:
    """Port `emitter`: the negative of `score_samples`."""

    form = "strange"
    tolerance = 1e-9
    file = TAIL_ONNX

    def accepts(self, estimator: Any) -> str | None:
        """See Emitter."""
        name, module = type(estimator).__name__, type(estimator).__module__.split(".")[0]
        if (module, name) not in (("sklearn", MACHINE), ("fairlead", NEIGHBOURS), ("fairlead", RESIDUALS)):
            return f"{name} is no anomaly detection that can be compiled"
        if name == MACHINE and estimator.kernel != "rbf":
            return f"the kernel {str(estimator.kernel)[:40]!r} is not compiled, only rbf"
        held = getattr(estimator, "places_", getattr(estimator, "support_vectors_", None))
        if held is not None and held.size > MOST_NUMBERS:
            return f"its rows have {held.size:,} numbers, at most {MOST_NUMBERS:,} are compiled"
        return None

    def emit(self, estimator: Any, features: int) -> bytes:
        """ONNX bytes: `x` double (rows, features) to `value` double (rows, 1)."""
        if estimator.n_features_in_ != features:
            raise NotCompilable(f"the model was fitted on {estimator.n_features_in_} features and gets {features}.")
        graph = Graph()
        {MACHINE: _margin, NEIGHBOURS: _outliers, RESIDUALS: _residual}[type(estimator).__name__](graph, estimator)
        return graph.model(features, 1)


def _margin(graph: Graph, machine: Any) -> None:
    apart = distances(graph, np.asarray(machine.support_vectors_, dtype=np.float64))
    narrow = graph.node("Mul", [apart, graph.constant("gamma", [-float(machine._gamma)])], "narrowed")
    near = graph.node("Exp", [narrow], "near")
    graph.node("MatMul", [near, graph.constant("dual", -np.asarray(machine.dual_coef_, dtype=np.float64).T)], "value")


def _outliers(graph: Graph, model: Any) -> None:
    """mean density of the neighbours times the mean of what is reached through them."""
    from onnx import TensorProto

    apart = distances(graph, model.places_)
    graph.node("TopK", [apart, graph.constant("k", [model.k_], whole=True)], "nearest", axis=1, largest=0)
    graph.nodes[-1].output.append("who")
    axis = graph.constant("axis", [1], whole=True)
    kth = graph.node("ReduceMax", ["nearest", axis], "kth", keepdims=1)
    room = graph.node("Mul", [graph.node("Add", [kth, "size"], "whole"), graph.constant("tie", [model.tie])], "room")
    inside = graph.node("LessOrEqual", [apart, graph.node("Add", [kth, room], "limit")], "inside")
    near = graph.node("Cast", [inside], "near", to=TensorProto.DOUBLE)
    ones = np.ones((len(model.places_), 1))
    count = graph.node("MatMul", [near, graph.constant("ones", ones)], "count")
    dense = graph.node("MatMul", [near, graph.constant("density", model.density_[:, None])], "dense")
    far = graph.node(
        "Max", [graph.node("Sqrt", [apart], "far"), graph.constant("reach", model.reach_[None])], "reached"
    )
    through = graph.node("ReduceSum", [graph.node("Mul", [near, far], "through"), axis], "sum", keepdims=1)
    around = graph.node("Div", [dense, count], "around")
    graph.node("Mul", [around, graph.node("Div", [through, count], "apart_by")], "value")


def _residual(graph: Graph, model: Any) -> None:
    near = graph.node("Clip", ["x", graph.constant("low", -FAR), graph.constant("high", FAR)], "bounded")
    centred = graph.node("Sub", [near, graph.constant("mean", model.mean_[None])], "centred")
    rest = graph.node("MatMul", [centred, graph.constant("residual", model.residual_)], "rest")
    square = graph.node("Mul", [rest, rest], "square")
    graph.node("ReduceMean", [square, graph.constant("axis", [1], whole=True)], "value", keepdims=1)
