"""Reads the trees of a `tail.onnx` that Fairlead's own emitter wrote: arrays of nodes, and what follows their sum.

Anything that is not exactly such a file gives None; onnxruntime then runs it. The bytes were checked by `check_onnx`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import BundleRefused
from fairlead.runtime.bundle.onnx_guard import INTS, INTS_TAG, fields, varint

_TYPES = {1: np.float32, 2: np.uint8, 6: np.int32, 7: np.int64, 11: np.float64}
_DOUBLE, _FLOAT = 11, 1
LEQ, LT = 0, 1

Array = npt.NDArray[Any]


class TreeFile(msgspec.Struct, frozen=True):
    """targets: outputs of the sum. rounded: features go through single precision first; single: that, and sums are kept
    in it; sparse: zeros are missing. base, count, slope: the answer is link(((sum + base) / count) * slope). Arrays:
    one entry a node, then one a leaf; trues and falses below zero are leaves -1 - n."""

    targets: int
    rounded: bool
    single: bool
    sparse: bool
    roots: Array
    split: Array
    feature: Array
    trues: Array
    falses: Array
    missing: Array
    weight: Array
    target: Array
    base: Array | None
    count: float
    slope: float
    link: str


class _Node(msgspec.Struct):
    operator: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


def read_trees(data: bytes) -> TreeFile | None:
    """The trees, or None for a file of any other make."""
    try:
        return _read(data)
    except (KeyError, ValueError, IndexError, TypeError, StopIteration, BundleRefused):
        return None


def _read(data: bytes) -> TreeFile | None:
    nodes: list[_Node] = []
    constants: dict[str, Array] = {}
    graph: Any = next(payload for field, payload in fields(memoryview(data)) if field == 7)
    for field, payload in fields(graph):
        if field == 1:
            nodes.append(_node(payload))
        elif field == 5:
            name, array = _tensor(payload)
            constants[name] = array
    at = next(number for number, node in enumerate(nodes) if node.operator == "TreeEnsemble")
    steps, after = nodes[:at], nodes[at + 1 :]
    sparse = [node.operator for node in steps[-2:]] == ["Equal", "Where"]
    if sparse and not _zeros_are_missing(steps[-2:], constants):
        return None
    casts = [(node.operator, node.attributes.get("to")) for node in (steps[:-2] if sparse else steps)]
    if casts not in ([], [("Cast", _FLOAT)], [("Cast", _FLOAT), ("Cast", _DOUBLE)]):
        return None
    single = len(casts) == 1
    if single and (after.pop().attributes.get("to") != _DOUBLE):
        return None
    precision = np.dtype(np.float32 if single else np.float64)
    if any(array.dtype != precision for array in constants.values()):
        return None
    tail = _tail(after, constants)
    trees = _ensemble(nodes[at].attributes, precision)
    if tail is None or trees is None:
        return None
    return TreeFile(rounded=len(casts) == 2, single=single, sparse=sparse, **trees, **tail)


def _zeros_are_missing(steps: list[_Node], constants: dict[str, Array]) -> bool:
    """Whether the two steps are what `tree_sums` writes for models of sparse rows."""
    equal, where = steps
    source, zero = equal.inputs
    return (
        where.inputs[0] == equal.outputs[0]
        and where.inputs[2] == source
        and constants[zero].item() == 0.0
        and bool(np.isnan(constants[where.inputs[1]].item()))
    )


def _ensemble(said: dict[str, Any], precision: np.dtype[Any]) -> dict[str, Any] | None:
    modes, split = said["nodes_modes"], said["nodes_splits"]
    simple = np.isin(modes, (LEQ, LT)).all() and "membership_values" not in said
    if not simple or split.dtype != precision or said["leaf_weights"].dtype != precision:
        return None
    if said["aggregate_function"] != 1 or said["post_transform"] != 0:
        return None
    # x < split is x <= the number before it; there is none before minus infinity.
    if (np.isneginf(split) & (modes == LT)).any():
        return None
    split = split.astype(np.float64)
    split = np.where(modes == LT, np.nextafter(split, -np.inf), split)

    def child(side: str) -> Array:
        number, leaf = said[f"nodes_{side}nodeids"], said[f"nodes_{side}leafs"]
        found: Array = np.where(leaf == 1, -1 - number, number)
        return found

    return {
        "targets": int(said["n_targets"]),
        "roots": said["tree_roots"],
        "split": split,
        "feature": said["nodes_featureids"],
        "trues": child("true"),
        "falses": child("false"),
        "missing": np.where(said["nodes_missing_value_tracks_true"] == 1, 0, 1),
        "weight": said["leaf_weights"].astype(np.float64),
        "target": said["leaf_targetids"],
    }


def _tail(nodes: list[_Node], constants: dict[str, Array]) -> dict[str, Any] | None:
    """What `tree_sums` appends to a sum, in its order."""
    found: dict[str, Any] = {"base": None, "count": 1.0, "slope": 1.0}
    rest = list(nodes)

    def constant(node: _Node) -> Array:
        (name,) = (name for name in node.inputs if name in constants)
        return constants[name]

    if rest and rest[0].operator == "Add":
        found["base"] = constant(rest.pop(0)).astype(np.float64).reshape(1, -1)
    if rest and rest[0].operator == "Div":
        found["count"] = float(constant(rest.pop(0)).item())
    while rest and rest[0].operator == "Mul":
        found["slope"] *= float(constant(rest.pop(0)).item())
    link = "-".join(node.operator for node in rest)
    names = {
        "Identity": "identity", "Exp": "exp", "Sigmoid": "sigmoid", "Softmax": "softmax",
        "Sigmoid-Sub-Concat": "logistic", "Sub-Concat": "second",
    }  # fmt: skip
    if link not in names:
        return None
    if link.endswith("Concat"):
        one, first = constant(rest[-2]), rest[-1]
        if one.item() != 1.0 or rest[-2].inputs[0] not in constants or first.inputs[0] != rest[-2].outputs[0]:
            return None
    return {**found, "link": names[link]}


def _node(payload: Any) -> _Node:
    found = _Node("", [], [], {})
    for field, value in fields(payload):
        if field == 1:
            found.inputs.append(_text(value))
        elif field == 2:
            found.outputs.append(_text(value))
        elif field == 4:
            found.operator = _text(value)
        elif field == 5:
            name, what = _attribute(value)
            found.attributes[name] = what
    return found


def _attribute(payload: Any) -> tuple[str, Any]:
    name, value = "", None
    for field, part in _with_ints(payload):
        if field == 1:
            name = _text(part)
        elif field == 3:
            value = part
        elif field == 5:
            value = _tensor(part)[1]
        elif field == 8:
            value = part
    return name, value


def _with_ints(payload: Any) -> Iterator[tuple[int, Any]]:
    """Fields of an attribute; its whole numbers, which come one by one, as one array of field 8."""
    at = 0
    while at < len(payload):
        if payload[at] == INTS_TAG and (run := INTS.match(payload, at)) is not None:
            yield 8, _whole_numbers(np.frombuffer(payload[at : run.end()], np.uint8))
            at = run.end()
            continue
        start = at
        key, at = varint(payload, at)
        if key & 7 == 0:
            _, at = varint(payload, at)
        elif key & 7 == 2:
            size, at = varint(payload, at)
            at += size
        else:
            at += 4 if key & 7 == 5 else 8
        yield from fields(payload[start:at])


def _whole_numbers(raw: npt.NDArray[np.uint8]) -> Array:
    """Numbers of a run of (tag, varint). Every byte below 128 ends a tag or a number, in turn."""
    ends = np.flatnonzero(raw < 0x80)
    starts, finals = ends[0::2] + 1, ends[1::2]
    found = np.zeros(len(finals), np.int64)
    for part in range(int((finals - starts).max()) + 1):
        within = starts + part <= finals
        found[within] |= (raw[starts[within] + part].astype(np.int64) & 0x7F) << (7 * part)
    return found


def _tensor(payload: Any) -> tuple[str, Array]:
    name, raw = "", b""
    kind: Any = 0
    for field, value in fields(payload):
        if field == 2:
            kind = value
        elif field == 8:
            name = _text(value)
        elif field == 9:
            raw = bytes(value)
    return name, np.frombuffer(raw, np.dtype(_TYPES[kind]).newbyteorder("<"))


def _text(value: Any) -> str:
    return bytes(value).decode()
