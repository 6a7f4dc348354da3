"""Trees of a single leaf beside others, as boosters grow them once nothing is left to learn."""

from __future__ import annotations

import numpy as np
import pytest

from fairlead.lab.compile.tree_onnx import ensemble, model_bytes
from fairlead.lab.compile.tree_tables import TreeTable
from fairlead.runtime.bundle.tail import load_tail


def tree(*values: float) -> TreeTable:
    """One leaf, or two: below a half and above."""
    leaf = np.array([True] if len(values) == 1 else [False, True, True])
    size = len(leaf)
    return TreeTable(
        leaf=leaf,
        feature=np.zeros(size, np.int64),
        threshold=np.full(size, 0.5),
        left=np.where(leaf, -1, 1),
        right=np.where(leaf, -1, 2),
        missing_left=np.zeros(size, bool),
        value=np.array(values if size == 1 else (0.0, *values)),
        target=0,
        strict=True,
    )


@pytest.mark.parametrize(
    ("trees", "sums"),
    [
        ([tree(1, 2), tree(10)], (11, 12)),
        ([tree(10), tree(1, 2)], (11, 12)),
        ([tree(10)], (10, 10)),
        ([tree(1, 2), tree(10), tree(100), tree(1000)], (1111, 1112)),
    ],
)
def test_a_single_leaf_adds_its_value_wherever_it_stands(trees: list[TreeTable], sums: tuple[float, ...]) -> None:
    import onnxruntime

    data = model_bytes([ensemble(trees, 1, "x", "value")], [], 1, 1)
    rows = np.array([[0.0], [1.0]])
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": rows})[0].ravel().tolist() == list(sums)
    assert load_tail({"model/tail.onnx": data}, 1).scores(rows).ravel().tolist() == list(sums)
