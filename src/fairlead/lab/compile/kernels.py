"""Support vector machines: linear ones as they are, radial ones over their support vectors, in double."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.lab.compile.matrix_onnx import Graph
from fairlead.runtime.bundle.manifest import TAIL_ONNX

CLASSIFIER, REGRESSOR = "MarginClassifier", "MarginRegressor"
"""Of `lab.train.estimators`."""
MOST_NUMBERS = 8_000_000
"""Numbers of all support vectors together: 64 MB."""
FAR = 1e150
"""Features beyond this are taken for this, or their squares were infinite and cancelled."""


class Kernels:
    """Port `emitter`: margins, then a sigmoid a machine."""

    form = "kernel"
    tolerance = 1e-9
    file = TAIL_ONNX

    def accepts(self, estimator: Any) -> str | None:
        """See Emitter."""
        name, module = type(estimator).__name__, type(estimator).__module__.split(".")[0]
        own = module == "fairlead" and name in (CLASSIFIER, REGRESSOR)
        if not own and not (module == "sklearn" and name == "SVR"):
            return f"{name} is not a support vector machine that can be compiled"
        machines = _machines(estimator)
        if estimator.kernel not in ("linear", "rbf"):
            return f"the kernel {str(estimator.kernel)[:40]!r} is not compiled, only linear and rbf"
        held = sum(m.support_vectors_.size for m in machines if hasattr(m, "support_vectors_"))
        if held > MOST_NUMBERS:
            return f"its support vectors have {held:,} numbers, at most {MOST_NUMBERS:,} are compiled"
        return None

    def emit(self, estimator: Any, features: int) -> bytes:
        """ONNX bytes: `x` double (rows, features) to `value` double (rows, outputs)."""
        if estimator.n_features_in_ != features:
            raise NotCompilable(f"the model was fitted on {estimator.n_features_in_} features and gets {features}.")
        graph, machines = Graph(), _machines(estimator)
        if hasattr(machines[0], "support_vectors_"):
            margins = _radial(graph, machines) if estimator.kernel == "rbf" else _straight(graph, machines, dual=True)
        else:
            margins = _straight(graph, machines, dual=False)
        outputs = _answer(graph, estimator, margins)
        # The last node bears the name that a tail's output must have.
        graph.nodes[-1].output[0] = "value"
        return graph.model(features, outputs)


def _machines(estimator: Any) -> list[Any]:
    if hasattr(estimator, "machines_"):
        return list(estimator.machines_)
    return [getattr(estimator, "machine_", estimator)]


def _straight(graph: Graph, machines: list[Any], dual: bool) -> str:
    weights = np.column_stack([np.ravel(m.dual_coef_ @ m.support_vectors_ if dual else m.coef_) for m in machines])
    bias = np.array([np.ravel(m.intercept_)[0] for m in machines], dtype=np.float64)
    return graph.node("Gemm", ["x", graph.constant("weights", weights), graph.constant("bias", bias)], "margins")


def _radial(graph: Graph, machines: list[Any]) -> str:
    """sum of dual * exp(-gamma |x - vector|^2) + intercept a machine, over the vectors of all of them together."""
    vectors, at = np.unique(np.concatenate([m.support_vectors_ for m in machines]), axis=0, return_inverse=True)
    at = np.ravel(at)
    dual = np.zeros((len(vectors), len(machines)))
    first = 0
    for number, machine in enumerate(machines):
        count = len(machine.support_vectors_)
        np.add.at(dual[:, number], at[first : first + count], np.ravel(machine.dual_coef_))
        first += count
    gamma = float(machines[0]._gamma)
    bias = np.array([np.ravel(m.intercept_)[0] for m in machines], dtype=np.float64)
    apart = distances(graph, vectors)
    narrow = graph.node("Mul", [apart, graph.constant("gamma", [-gamma])], "narrowed")
    near = graph.node("Exp", [narrow], "near")
    return graph.node("Gemm", [near, graph.constant("dual", dual), graph.constant("bias", bias)], "margins")


def distances(graph: Graph, places: np.ndarray) -> str:
    """Squared distances of each row from each place, (rows, places); `size`, (rows, 1), is the row's square."""
    low, high = graph.constant("low", -FAR), graph.constant("high", FAR)
    near = graph.node("Clip", ["x", low, high], "bounded")
    square = graph.node("Mul", [near, near], "squares")
    graph.node("ReduceSum", [square, graph.constant("axis", [1], whole=True)], "size", keepdims=1)
    dots = graph.node("MatMul", [near, graph.constant("places", 2.0 * places.T)], "dots")
    both = graph.node("Add", ["size", graph.constant("own", (places**2).sum(axis=1)[None])], "both")
    raw = graph.node("Sub", [both, dots], "rough")
    return graph.node("Max", [raw, graph.constant("nothing", [0.0])], "apart")


def _answer(graph: Graph, estimator: Any, margins: str) -> int:
    """From margins, (rows, machines), to the answer; the number of its columns."""
    if not hasattr(estimator, "classes_"):
        scaled = graph.node("Mul", [margins, graph.constant("scale", [getattr(estimator, "scale_", 1.0)])], "scaled")
        graph.node("Add", [scaled, graph.constant("mean", [getattr(estimator, "mean_", 0.0)])], "answer")
        return 1
    sloped = graph.node("Mul", [margins, graph.constant("slopes", estimator.slopes_[None])], "sloped")
    moved = graph.node("Add", [sloped, graph.constant("offsets", estimator.offsets_[None])], "moved")
    shares = graph.node("Sigmoid", [moved], "shares")
    if len(estimator.classes_) == 2:
        first = graph.node("Sub", [graph.constant("one", [1.0]), shares], "first")
        graph.node("Concat", [first, shares], "answer", axis=1)
        return 2
    lifted = graph.node("Add", [shares, graph.constant("even", [estimator.even])], "lifted")
    whole = graph.node("ReduceSum", [lifted, graph.constant("axis", [1], whole=True)], "whole", keepdims=1)
    graph.node("Div", [lifted, whole], "answer")
    return len(estimator.classes_)
