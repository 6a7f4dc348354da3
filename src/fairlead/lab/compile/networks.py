"""Small neural networks of scikit-learn, in double."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.lab.compile.tree_onnx import model_bytes
from fairlead.runtime.bundle.manifest import TAIL_ONNX

MODELS = ("MLPClassifier", "MLPRegressor")
OURS = ("ScaledMLP", "NetworkClassifier", "NetworkRegressor")
"""Of `lab.train.estimators`, with the attributes of scikit-learn's."""
ACTIVATIONS = {"identity": None, "relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid"}
LINKS = {"identity": "Identity", "logistic": "Sigmoid", "softmax": "Softmax", "exp": "Exp"}


class Networks:
    """Port `emitter`: matrix products and activations."""

    form = "network"
    tolerance = 1e-9
    file = TAIL_ONNX

    def accepts(self, estimator: Any) -> str | None:
        """See Emitter."""
        name, module = type(estimator).__name__, type(estimator).__module__.split(".")[0]
        if (module != "sklearn" or name not in MODELS) and (module != "fairlead" or name not in OURS):
            return f"{name} is not a network that can be compiled"
        if estimator.activation not in ACTIVATIONS or estimator.out_activation_ not in LINKS:
            return f"activation {estimator.activation!r} or {estimator.out_activation_!r} is not known"
        outputs = estimator.n_outputs_
        if not hasattr(estimator, "classes_"):
            return None if outputs == 1 else "it predicts more than one target"
        two = estimator.out_activation_ == "logistic"
        if two != (outputs == 1) or len(estimator.classes_) != (2 if two else outputs):
            return "it predicts several labels at once"
        return None

    def emit(self, estimator: Any, features: int) -> bytes:
        """ONNX bytes: `x` double (rows, features) to `value` double (rows, outputs)."""
        from onnx import helper, numpy_helper

        nodes: list[Any] = []
        constants: list[Any] = []

        def constant(name: str, numbers: Any) -> str:
            constants.append(numpy_helper.from_array(np.asarray(numbers, np.float64), name))
            return name

        def node(op: str, sources: list[str], output: str, **attributes: Any) -> str:
            nodes.append(helper.make_node(op, sources, [output], **attributes))
            return output

        if len(estimator.coefs_[0]) != features:
            raise NotCompilable(f"the network was fitted on {len(estimator.coefs_[0])} features and gets {features}.")
        at, last = "x", len(estimator.coefs_) - 1
        for depth, (weights, bias) in enumerate(zip(estimator.coefs_, estimator.intercepts_, strict=True)):
            sources = [at, constant(f"weights{depth}", weights), constant(f"bias{depth}", bias)]
            at = node("Gemm", sources, f"layer{depth}")
            if depth < last and (op := ACTIVATIONS[estimator.activation]) is not None:
                at = node(op, [at], f"active{depth}")
        link, outputs = LINKS[estimator.out_activation_], len(estimator.intercepts_[-1])
        if estimator.out_activation_ == "softmax":
            node(link, [at], "value", axis=1)
        elif hasattr(estimator, "classes_"):
            node("Sigmoid", [at], "second")
            node("Sub", [constant("one", [1.0]), "second"], "first")
            node("Concat", ["first", "second"], "value", axis=1)
            outputs = 2
        else:
            node(link, [at], "value")
        return model_bytes(nodes, constants, features, outputs)
