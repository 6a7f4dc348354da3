"""Small ONNX graphs in double, put together node by node."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.lab.compile.tree_onnx import model_bytes


class Graph:
    """Nodes and constants as they come; `x` (rows, features) in double is there from the start."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, numbers: Any) -> str:
        """A constant in double."""
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(numbers, dtype=np.float64), name))
        return name

    def whole(self, name: str, numbers: Any) -> str:
        """A constant of whole numbers."""
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(numbers, dtype=np.int64), name))
        return name

    def node(self, op: str, sources: list[str], output: str, **attributes: Any) -> str:
        """A node with one output, whose name is returned."""
        from onnx import helper

        self.nodes.append(helper.make_node(op, sources, [output], **attributes))
        return output

    def bytes(self, features: int, outputs: int) -> bytes:
        """ONNX from `x` to `value`, which the last node must give."""
        return model_bytes(self.nodes, self.constants, features, outputs)
