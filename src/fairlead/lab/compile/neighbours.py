"""Nearest neighbours as arithmetic over the places they remember, in double."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.lab.compile.kernels import MOST_NUMBERS, distances
from fairlead.lab.compile.matrix_onnx import Graph
from fairlead.runtime.bundle.manifest import TAIL_ONNX

MODELS = ("NeighbourClassifier", "NeighbourRegressor")
"""Of `lab.train.estimators`, which answers ties by a rule that every arithmetic can follow; scikit-learn's do not."""


class Neighbours:
    """Port `emitter`: all places as near as the k-th, and their sums."""

    form = "neighbours"
    tolerance = 1e-9
    file = TAIL_ONNX

    def accepts(self, estimator: Any) -> str | None:
        """See Emitter."""
        name, module = type(estimator).__name__, type(estimator).__module__.split(".")[0]
        if module != "fairlead" or name not in MODELS:
            return f"{name} is not a model of neighbours that can be compiled"
        if estimator.places_.size > MOST_NUMBERS:
            return f"its rows have {estimator.places_.size:,} numbers, at most {MOST_NUMBERS:,} are compiled"
        return None

    def emit(self, estimator: Any, features: int) -> bytes:
        """ONNX bytes: `x` double (rows, features) to `value` double (rows, outputs)."""
        if estimator.n_features_in_ != features:
            raise NotCompilable(f"the model was fitted on {estimator.n_features_in_} features and gets {features}.")
        from onnx import TensorProto

        graph = Graph()
        apart = distances(graph, estimator.places_)
        graph.node("TopK", [apart, graph.constant("k", [estimator.k_], whole=True)], "nearest", axis=1, largest=0)
        graph.nodes[-1].output.append("who")
        kth = graph.node("ReduceMax", ["nearest", graph.constant("axis", [1], whole=True)], "kth", keepdims=1)
        reach = graph.node("Add", [kth, "size"], "reach")
        room = graph.node("Mul", [reach, graph.constant("tie", [estimator.tie])], "room")
        limit = graph.node("Add", [kth, room], "limit")
        inside = graph.node("LessOrEqual", [apart, limit], "inside")
        near = graph.node("Cast", [inside], "near", to=TensorProto.DOUBLE)
        sums, counts = estimator.sums_, estimator.counts_[:, None]
        outputs = sums.shape[1]
        top = graph.node("MatMul", [near, graph.constant("sums", sums)], "top")
        under = graph.node("MatMul", [near, graph.constant("counts", counts)], "under")
        if hasattr(estimator, "classes_"):
            more = (estimator.shrink * estimator.shares_)[None]
            top = graph.node("Add", [top, graph.constant("more", more)], "shrunken")
            under = graph.node("Add", [under, graph.constant("shrink", np.array([estimator.shrink]))], "rows")
        graph.node("Div", [top, under], "value")
        return graph.model(features, outputs)
