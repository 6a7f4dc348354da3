"""Weights of an ONNX graph that came from elsewhere, kept in fewer bytes: the same nodes, fed by narrower constants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.contract.signature import Signature
from fairlead.lab.train.estimators.compact_weights import LARGEST_HALF
from fairlead.runtime.bundle.front import Front
from fairlead.runtime.bundle.onnx_guard import check_onnx

if TYPE_CHECKING:
    import pandas as pd

FORMS = {
    "float32": "weights kept in single precision",
    "float16": "weights kept in half precision",
    "int8": "weights kept in eight bits",
}
FEWEST = 64
"""Numbers of a constant below which it stays as it is."""
AHEAD = "compact_"
"""Of names that are added."""
PRODUCTS = {"MatMul": 1, "Gemm": 1, "Conv": 1}
"""Operators, and the place of their weights among the inputs."""


def in_fewer_bytes(tail: bytes, form: str) -> bytes:
    """The graph with its constants of many numbers kept in that form and made what they were when it is loaded.

    int8: weights of products and convolutions alone, with a scale of each output (Jacob et al., 2018), other constants
    in half precision. Raises NotCompilable where nothing would be smaller.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_model_from_string(tail)
    graph = model.graph
    if any(tensor.name.startswith(AHEAD) for tensor in graph.initializer):
        raise NotCompilable("its weights are kept in fewer bytes already.")
    nodes: list[Any] = []
    held: list[Any] = []
    for tensor in graph.initializer:
        numbers = numpy_helper.to_array(tensor)
        kept = _kept(numbers, form, _axis(tensor.name, numbers, graph.node))
        if kept is None:
            held.append(tensor)
            continue
        small, scale = kept
        held.append(numpy_helper.from_array(small, f"{AHEAD}{tensor.name}"))
        at = tensor.name if scale is None else f"{AHEAD}{tensor.name}_whole"
        nodes.append(helper.make_node("Cast", [f"{AHEAD}{tensor.name}"], [at], to=tensor.data_type))
        if scale is not None:
            held.append(numpy_helper.from_array(scale, f"{AHEAD}{tensor.name}_scale"))
            nodes.append(helper.make_node("Mul", [at, f"{AHEAD}{tensor.name}_scale"], [tensor.name]))
    if not nodes:
        raise NotCompilable("it has no constants that would take fewer bytes.")
    rest = list(graph.node)
    del graph.node[:], graph.initializer[:]
    graph.node.extend([*nodes, *rest])
    graph.initializer.extend(held)
    data: bytes = model.SerializeToString(deterministic=True)
    check_onnx(data)
    return data


def _axis(name: str, numbers: np.ndarray[Any, Any], nodes: Any) -> int | None:
    """Along which axis the outputs of products with this constant lie; None where it is no weight, or of several."""
    found = set()
    for node in nodes:
        for place, source in enumerate(node.input):
            if source != name:
                continue
            if PRODUCTS.get(node.op_type) != place:
                return None
            across = any(a.name == "transB" and a.i for a in node.attribute)
            found.add(0 if node.op_type == "Conv" or across else numbers.ndim - 1)
    return found.pop() if len(found) == 1 and numbers.ndim >= 2 else None


def _kept(
    numbers: np.ndarray[Any, Any], form: str, axis: int | None
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None] | None:
    """The constant in fewer bytes, and the scale by which it is multiplied; None where it stays as it is."""
    if numbers.dtype not in (np.float32, np.float64) or numbers.size < FEWEST:
        return None
    if form == "int8" and axis is not None:
        others = tuple(at for at in range(numbers.ndim) if at != axis)
        top = np.abs(numbers).max(axis=others, keepdims=True)
        scale = np.where(top > 0.0, top / 127.0, 1.0).astype(numbers.dtype)
        return np.clip(np.rint(numbers / scale), -127, 127).astype(np.int8), scale
    if form != "float32" and np.abs(numbers).max() <= LARGEST_HALF:
        return numbers.astype(np.float16), None
    return (numbers.astype(np.float32), None) if numbers.dtype == np.float64 else None


class Evaluated:
    """A graph behind a front, run by ONNX's own reference evaluator: what a compact graph in onnxruntime is certified
    against. It answers as a fitted estimator does.
    """

    def __init__(self, front: Front, tail: bytes, signature: Signature) -> None:
        import onnx
        from onnx.reference import ReferenceEvaluator

        self.front, self.signature = front, signature
        self.feature_names_in_ = np.array(signature.names, dtype=object)
        self.n_features_in_ = len(signature.names)
        self._run = ReferenceEvaluator(onnx.load_model_from_string(tail)).run
        if signature.classes:
            self.classes_ = np.array(signature.classes, dtype=object)

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray[Any, Any]:
        """Scores, shape (n, outputs)."""
        from fairlead.lab.compile.foreign import columns_like

        columns: Mapping[str, Any] = columns_like(rows, self.signature)
        found: Any = self._run(["value"], {"x": self.front.encode(columns)})
        return np.asarray(found[0], dtype=np.float64)

    def predict(self, rows: pd.DataFrame) -> np.ndarray[Any, Any]:
        """Numbers, shape (n,)."""
        return self.predict_proba(rows)[:, 0]
