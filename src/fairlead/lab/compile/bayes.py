"""Gaussian naive Bayes, as ONNX in double: the same sums in the same form, a class at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.lab.compile.matrix_onnx import Graph
from fairlead.runtime.bundle.manifest import TAIL_ONNX

MOST_CLASSES = 400
FAR = 1e140
"""Features beyond this are taken for this: their squares would be infinite, and the shares of infinities no number."""


class Bayes:
    """Port `emitter`: log prior - sum(log(2 pi var)) / 2 - sum((x - mean)^2 / var) / 2 a class, and their shares."""

    form = "bayes"
    tolerance = 1e-9
    file = TAIL_ONNX

    def accepts(self, estimator: Any) -> str | None:
        """See Emitter."""
        name, module = type(estimator).__name__, type(estimator).__module__.split(".")[0]
        if module != "sklearn" or name != "GaussianNB":
            return f"{name} is not a Gaussian naive Bayes"
        if len(estimator.classes_) > MOST_CLASSES:
            return f"more than {MOST_CLASSES} classes of a naive Bayes are not compiled"
        if not (
            np.isfinite(estimator.var_).all() and (estimator.var_ > 0).all() and (estimator.class_prior_ > 0).all()
        ):
            return "a variance or prior of this naive Bayes is 0 or not finite"
        return None

    def emit(self, estimator: Any, features: int) -> bytes:
        """ONNX bytes: `x` double (rows, features) to `value` double (rows, outputs)."""
        if estimator.theta_.shape[1] != features:
            raise NotCompilable(f"the model was fitted on {estimator.theta_.shape[1]} features and gets {features}.")
        graph = Graph()
        base = np.log(estimator.class_prior_) - 0.5 * np.sum(np.log(2.0 * np.pi * estimator.var_), axis=1)
        half = graph.constant("half", [0.5])
        near = graph.node("Clip", ["x", graph.constant("low", -FAR), graph.constant("high", FAR)], "bounded")
        sums = []
        for at in range(len(base)):
            # A difference first and its square then: what sklearn does, and what does not cancel.
            off = graph.node("Sub", [near, graph.constant(f"mean{at}", estimator.theta_[at][None])], f"off{at}")
            square = graph.node("Mul", [off, off], f"square{at}")
            scaled = graph.node(
                "Div", [square, graph.constant(f"variance{at}", estimator.var_[at][None])], f"scaled{at}"
            )
            summed = graph.node("ReduceSum", [scaled, graph.constant("axis", [1], whole=True)], f"sum{at}", keepdims=1)
            down = graph.node("Mul", [summed, half], f"down{at}")
            sums.append(graph.node("Sub", [graph.constant(f"base{at}", [[base[at]]]), down], f"log{at}"))
        graph.node("Concat", sums, "logs", axis=1)
        graph.node("Softmax", ["logs"], "value", axis=1)
        return graph.model(features, len(base))
