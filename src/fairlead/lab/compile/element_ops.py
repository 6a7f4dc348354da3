"""What a preparation does to each element of a tensor in a way of its own: arithmetic ahead of the model, in its graph.

The front treats all elements of a tensor alike. A scaler that was fitted on pixels does not, so its numbers go, exactly
as they are, into tail.onnx, one vector an operation.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.lab.compile.lanes import AnyLane, ElementLane, first_elements, shared
from fairlead.lab.compile.tree_onnx import model_bytes
from fairlead.runtime.bundle.manifest import TAIL_LINEAR
from fairlead.runtime.bundle.ops import Add, Clip, Divide, Impute, Multiply, Subtract
from fairlead.runtime.bundle.tail import LinearForm
from fairlead.runtime.bundle.tensor_cells import size

SIGNS = {Subtract: ("Sub", 0.0), Add: ("Add", 0.0), Multiply: ("Mul", 1.0), Divide: ("Div", 1.0)}
"""Operations of ONNX, and the number with which they change nothing."""


@dataclass(frozen=True)
class Ahead:
    """chosen: outputs of the front that are features, in order. steps: (operation, a number a feature), in turn."""

    chosen: list[int]
    steps: list[tuple[str, np.ndarray]]


def parted(lanes: Sequence[AnyLane]) -> tuple[list[AnyLane], Ahead | None]:
    """Lanes that a front can compute, and what is left to do to them; None where the front does it all.

    Raises NotCompilable for operations on elements that are no plain arithmetic.
    """
    groups = [list(group) for _, group in itertools.groupby(lanes, key=shared)]
    if all(_alike(group) for group in groups):
        return list(lanes), None
    plain: list[AnyLane] = []
    first: dict[str, int] = {}
    chosen = []
    for lane in lanes:
        if not isinstance(lane, ElementLane):
            chosen.append(len(plain))
            plain.append(lane)
            continue
        if lane.column.name not in first:
            first[lane.column.name] = len(plain)
            plain += first_elements(lane.column)
        chosen.append(first[lane.column.name] + lane.at)
    return plain, Ahead(chosen, _steps(lanes))


def _alike(group: list[AnyLane]) -> bool:
    one = group[0]
    if not isinstance(one, ElementLane):
        return True
    whole = [lane.at for lane in group if isinstance(lane, ElementLane)] == list(range(size(one.column)))
    return whole and all(isinstance(lane, ElementLane) and lane.ops == one.ops for lane in group)


def _steps(lanes: Sequence[AnyLane]) -> list[tuple[str, np.ndarray]]:
    # A tensor is never missing, so what fills gaps does nothing to it.
    own = {
        at: [op for op in lane.ops if not isinstance(op, Impute)]
        for at, lane in enumerate(lanes)
        if isinstance(lane, ElementLane)
    }
    kinds = {tuple(type(op) for op in ops) for ops in own.values()}
    row = kinds.pop()
    if kinds or not all(kind in SIGNS or kind is Clip for kind in row):
        raise NotCompilable("the elements of a tensor are prepared in ways that differ in more than their numbers.")
    steps = []
    for number, kind in enumerate(row):
        if kind is Clip:
            for op, edge, nothing in (("Max", "low", -np.inf), ("Min", "high", np.inf)):
                steps.append((op, _vector(lanes, own, number, edge, nothing)))
        else:
            op, nothing = SIGNS[kind]
            steps.append((op, _vector(lanes, own, number, "by", nothing)))
    return steps


def _vector(lanes: Sequence[AnyLane], own: dict[int, list[Any]], number: int, name: str, nothing: float) -> np.ndarray:
    found = np.full(len(lanes), nothing)
    for at, ops in own.items():
        value = getattr(ops[number], name)
        found[at] = nothing if value is None else value
    return found


def with_ahead(tail: bytes, file: str, ahead: Ahead, width: int) -> bytes:
    """Bytes of tail.onnx: `tail` of `file` after those steps. width: outputs of the front."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_model_from_string(as_onnx(tail, len(ahead.chosen)) if file == TAIL_LINEAR else tail)
    nodes, constants, at = [], [], "x"
    if ahead.chosen != list(range(width)):
        constants.append(numpy_helper.from_array(np.array(ahead.chosen, np.int64), "ahead_chosen"))
        nodes.append(helper.make_node("Gather", [at, "ahead_chosen"], ["ahead_features"], axis=1))
        at = "ahead_features"
    for number, (op, by) in enumerate(ahead.steps):
        constants.append(numpy_helper.from_array(by, f"ahead_by{number}"))
        nodes.append(helper.make_node(op, [at, f"ahead_by{number}"], [f"ahead{number}"]))
        at = f"ahead{number}"
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name == "x":
                node.input[place] = at
    outputs = model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    return model_bytes([*nodes, *model.graph.node], [*constants, *model.graph.initializer], width, outputs)


def as_onnx(tail: bytes, features: int) -> bytes:
    """A linear model as a graph."""
    from onnx import helper, numpy_helper

    form = msgspec.json.decode(tail, type=LinearForm)
    outputs = len(form.intercept)
    weights = np.array(form.weights, dtype=np.float64).reshape(features, outputs)
    constants = [
        numpy_helper.from_array(weights, "weights"),
        numpy_helper.from_array(np.array(form.intercept, dtype=np.float64), "intercept"),
    ]
    nodes = [helper.make_node("Gemm", ["x", "weights", "intercept"], ["raw"])]
    if form.link == "sigmoid":
        constants.append(numpy_helper.from_array(np.array([1.0]), "one"))
        nodes += [
            helper.make_node("Sigmoid", ["raw"], ["second"]),
            helper.make_node("Sub", ["one", "second"], ["first"]),
            helper.make_node("Concat", ["first", "second"], ["value"], axis=1),
        ]
        return model_bytes(nodes, constants, features, 2)
    if form.link == "softmax":
        nodes.append(helper.make_node("Softmax", ["raw"], ["value"], axis=1))
    else:
        nodes.append(helper.make_node("Exp" if form.link == "exp" else "Identity", ["raw"], ["value"]))
    return model_bytes(nodes, constants, features, outputs)
