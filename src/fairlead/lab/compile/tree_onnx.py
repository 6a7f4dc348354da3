"""Tree tables as one `TreeEnsemble` of ai.onnx.ml 5: splits, leaves and sums in double, or in single."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fairlead.lab.compile.tree_tables import LEQ, LT, MEMBER, TreeTable

OPSETS = (("", 21), ("ai.onnx.ml", 5))
IR = 10


def ensemble(
    trees: Iterable[TreeTable], targets: int, source: str, output: str, dtype: type[np.floating[Any]] = np.float64
) -> Any:
    """The node that sums, per target, the leaves that a row of `source` falls into; `dtype` is that of all three."""
    from onnx import helper, numpy_helper

    def tensor(found: list[np.ndarray]) -> Any:
        return numpy_helper.from_array(np.concatenate(found).astype(dtype))

    parts = _Parts()
    for tree in trees:
        parts.add(tree)
    attributes: dict[str, Any] = {name: np.concatenate(found).tolist() for name, found in parts.ints.items()}
    if parts.members:
        # Memberships are listed in node order, each closed by a NaN.
        closed = [number for members in parts.members for number in (*members, np.nan)]
        attributes["membership_values"] = numpy_helper.from_array(np.array(closed, dtype))
    return helper.make_node(
        "TreeEnsemble",
        [source],
        [output],
        name="trees",
        domain="ai.onnx.ml",
        n_targets=targets,
        aggregate_function=1,
        post_transform=0,
        nodes_splits=tensor(parts.splits),
        nodes_modes=numpy_helper.from_array(np.concatenate(parts.modes)),
        leaf_weights=tensor(parts.weights),
        **attributes,
    )


class _Parts:
    """The attribute arrays of a TreeEnsemble, tree after tree; inner nodes and leaves are numbered apart."""

    INTS = (
        "nodes_featureids", "nodes_truenodeids", "nodes_trueleafs", "nodes_falsenodeids", "nodes_falseleafs",
        "nodes_missing_value_tracks_true", "leaf_targetids", "tree_roots",
    )  # fmt: skip

    def __init__(self) -> None:
        self.ints: dict[str, list[np.ndarray]] = {name: [] for name in self.INTS}
        self.splits: list[np.ndarray] = []
        self.modes: list[np.ndarray] = []
        self.weights: list[np.ndarray] = []
        self.members: list[list[float]] = []
        self.nodes = self.leaves = 0

    def add(self, tree: TreeTable) -> None:
        """Append one tree."""
        if tree.leaf[0]:
            self._stump(tree)
            return
        inner, leaves = np.flatnonzero(~tree.leaf), np.flatnonzero(tree.leaf)
        number = np.empty(len(tree.leaf), np.int64)
        number[inner] = self.nodes + np.arange(len(inner))
        number[leaves] = self.leaves + np.arange(len(leaves))
        splits, modes = tree.threshold[inner].copy(), np.full(len(inner), LT if tree.strict else LEQ, np.uint8)
        for at, node in enumerate(inner.tolist()):
            if node in tree.members:
                self._member(splits, modes, at, tree.members[node])
        left, right = tree.left[inner], tree.right[inner]
        self._append(
            nodes_featureids=tree.feature[inner],
            nodes_truenodeids=number[left],
            nodes_trueleafs=tree.leaf[left],
            nodes_falsenodeids=number[right],
            nodes_falseleafs=tree.leaf[right],
            nodes_missing_value_tracks_true=tree.missing_left[inner],
            leaf_targetids=np.full(len(leaves), tree.target),
            tree_roots=number[:1],
        )
        self._close(splits, modes, tree.value[leaves])

    def _member(self, splits: np.ndarray, modes: np.ndarray, at: int, members: Sequence[float]) -> None:
        if members:
            splits[at], modes[at] = 0.0, MEMBER
            self.members.append(list(members))
        else:
            # onnxruntime cannot hold an empty membership; nothing that is a category is below minus infinity.
            splits[at] = -np.inf

    def _stump(self, tree: TreeTable) -> None:
        """A tree of one leaf, as a split with equal leaves on both sides: an ensemble has no bare leaves, and
        onnxruntime before 1.30 takes another tree's where both sides name the same one."""
        self._append(
            nodes_featureids=np.array([0]),
            nodes_truenodeids=np.array([self.leaves]),
            nodes_trueleafs=np.array([1]),
            nodes_falsenodeids=np.array([self.leaves + 1]),
            nodes_falseleafs=np.array([1]),
            nodes_missing_value_tracks_true=np.array([0]),
            leaf_targetids=np.full(2, tree.target),
            tree_roots=np.array([self.nodes]),
        )
        self._close(np.zeros(1), np.full(1, LEQ, np.uint8), np.repeat(tree.value[:1], 2))

    def _append(self, **arrays: np.ndarray) -> None:
        for name, array in arrays.items():
            self.ints[name].append(array.astype(np.int64))

    def _close(self, splits: np.ndarray, modes: np.ndarray, weights: np.ndarray) -> None:
        self.splits.append(splits)
        self.modes.append(modes)
        self.weights.append(weights)
        self.nodes += len(splits)
        self.leaves += len(weights)


def model_bytes(nodes: Sequence[Any], constants: Sequence[Any], features: int, outputs: int) -> bytes:
    """A checked ONNX model from `x`, double (rows, features), to `value`, double (rows, outputs); deterministic."""
    from onnx import TensorProto, checker, helper

    graph = helper.make_graph(
        list(nodes),
        "tail",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, [None, features])],
        [helper.make_tensor_value_info("value", TensorProto.DOUBLE, [None, outputs])],
        list(constants),
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR, producer_name="fairlead")
    checker.check_model(model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data
