"""Reads the layers of a `tail.onnx` that Fairlead's own emitters of networks wrote, for the kernel of small tails.
Weights that are kept in few bytes become doubles here, as onnxruntime makes them.

Anything that is not exactly such a file gives None; onnxruntime then runs it. The bytes were checked by `check_onnx`.
"""

from __future__ import annotations

from math import prod
from typing import Any

import msgspec
import numpy as np

from fairlead.contract.errors import BundleRefused
from fairlead.runtime.bundle.onnx_guard import fields, varint
from fairlead.runtime.bundle.tail_kernel import Floats, Layer

_DOUBLE = 11
_KEPT = {1: "<f4", 3: "|i1", 10: "<f2", _DOUBLE: "<f8"}
"""Types of ONNX that weights are kept in."""
_ACTIVE = frozenset({"Relu", "Tanh", "Sigmoid"})
_LAST = {"Identity": "identity", "Exp": "exp", "Sigmoid": "sigmoid", "Softmax": "softmax"}
_AXIS = {"Softmax": {"axis": 1}, "Concat": {"axis": 1}}


Kept = np.ndarray[Any, Any]


class _Node(msgspec.Struct):
    operator: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, int | None]


def read_network(data: bytes) -> tuple[list[Layer], str] | None:
    """Layers and link (`tail_kernel.LINKS`) between `x` and `value`, or None for a file of any other make."""
    try:
        return _read(memoryview(data))
    except (KeyError, ValueError, IndexError, TypeError, StopIteration, BundleRefused):
        return None


def _read(data: memoryview) -> tuple[list[Layer], str] | None:
    nodes: list[_Node] = []
    constants: dict[str, Kept] = {}
    for field, payload in fields(_span(next(payload for field, payload in fields(data) if field == 7))):
        if field == 1:
            nodes.append(_node(_span(payload)))
        elif field in (5, 15):
            name, numbers = _tensor(_span(payload)) if field == 5 else _sparse(_span(payload))
            constants[name] = numbers
    nodes = _folded(nodes, constants)
    if not all(node.attributes == _AXIS.get(node.operator, {}) for node in nodes):
        return None
    if any(len(node.outputs) != 1 for node in nodes) or nodes[-1].outputs != ["value"]:
        return None
    layers, at, rest = _layers(nodes, constants)
    link = _link(rest, at, constants)
    if not layers or link is None:
        return None
    matrices = all(layer.weights.ndim == 2 and layer.bias.shape == layer.weights.shape[1:] for layer in layers)
    return (layers, link) if matrices else None


def _folded(nodes: list[_Node], constants: dict[str, Kept]) -> list[_Node]:
    """The nodes that are left once what follows from constants alone is worked out and put among them."""
    left = []
    for node in nodes:
        if node.operator == "Cast" and node.inputs[0] in constants:
            if node.attributes != {"to": _DOUBLE}:
                raise ValueError("a constant of another type")
            constants[node.outputs[0]] = constants[node.inputs[0]].astype(np.float64)
        elif node.operator == "Mul" and all(name in constants for name in node.inputs):
            numbers, by = (_double(constants[name]) for name in node.inputs)
            constants[node.outputs[0]] = numbers * by
        else:
            left.append(node)
    return left


def _double(numbers: Kept) -> Floats:
    if numbers.dtype != np.float64:
        raise ValueError("no doubles")
    return numbers


def _layers(nodes: list[_Node], constants: dict[str, Kept]) -> tuple[list[Layer], str, list[_Node]]:
    """Layers, the name of what the last of them gives, and the nodes that follow."""
    layers: list[Layer] = []
    at, rest = "x", list(nodes)
    while rest and rest[0].operator == "Gemm":
        node = rest.pop(0)
        source, weights, bias = node.inputs
        if source != at:
            break
        at, active = node.outputs[0], ""
        # What follows the last product is the link.
        if len(rest) > 1 and rest[0].operator in _ACTIVE and rest[1].operator == "Gemm":
            if rest[0].inputs != [at]:
                break
            active, at = rest[0].operator, rest[0].outputs[0]
            rest.pop(0)
        layers.append(Layer(_double(constants[weights]), _double(constants[bias]), active))
    return layers, at, rest


def _link(nodes: list[_Node], at: str, constants: dict[str, Kept]) -> str | None:
    operators = [node.operator for node in nodes]
    if len(nodes) == 1 and nodes[0].inputs == [at]:
        return _LAST.get(operators[0])
    if operators != ["Sigmoid", "Sub", "Concat"] or nodes[0].inputs != [at]:
        return None
    second, first = nodes[0].outputs[0], nodes[1].outputs[0]
    one, taken = nodes[1].inputs
    if taken != second or constants[one].tolist() != [1.0] or nodes[2].inputs != [first, second]:
        return None
    return "logistic"


def _node(payload: memoryview) -> _Node:
    found = _Node("", [], [], {})
    for field, value in fields(payload):
        if field == 1:
            found.inputs.append(_text(value))
        elif field == 2:
            found.outputs.append(_text(value))
        elif field == 4:
            found.operator = _text(value)
        elif field == 7 and value:
            raise ValueError("a domain of its own")
        elif field == 5:
            parts = dict(fields(_span(value)))
            number = parts.get(3)
            found.attributes[_text(parts[1])] = number if isinstance(number, int) else None
    return found


def _sparse(payload: memoryview) -> tuple[str, Kept]:
    """A constant of which the cells that are not 0 are written, with their places in it, row-major."""
    parts: dict[int, list[Any]] = {}
    for field, value in fields(payload):
        parts.setdefault(field, []).append(value)
    (values,), (places,) = parts[1], parts[2]
    name, numbers = _tensor(_span(values))
    sizes = [size for part in parts[3] for size in ([part] if isinstance(part, int) else _packed(part))]
    at = [place for field, value in fields(_span(places)) if field == 7 for place in _packed(_span(value))]
    cells = prod(sizes)
    if len(at) != len(numbers) or any(not 0 <= place < cells for place in at):
        raise ValueError("places outside")
    found = np.zeros(cells, numbers.dtype)
    found[at] = numbers
    return name, found.reshape(sizes)


def _tensor(payload: memoryview) -> tuple[str, Kept]:
    name, kind, shape = "", 0, []
    raw = memoryview(b"")
    for field, value in fields(payload):
        if field == 1:
            shape += [value] if isinstance(value, int) else _packed(value)
        elif field == 2 and isinstance(value, int):
            kind = value
        elif field == 8:
            name = _text(value)
        elif field == 9:
            raw = _span(value)
    numbers = np.frombuffer(raw, _KEPT[kind])
    if prod(shape) != len(numbers):
        raise ValueError("a tensor that holds less or more than it says")
    return name, numbers.reshape(shape)


def _packed(span: memoryview) -> list[int]:
    found, at = [], 0
    while at < len(span):
        number, at = varint(span, at)
        found.append(number)
    return found


def _span(payload: Any) -> memoryview:
    if not isinstance(payload, memoryview):
        raise ValueError("a number where bytes belong")
    return payload


def _text(payload: Any) -> str:
    return bytes(_span(payload)).decode()
