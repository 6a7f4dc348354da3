"""An ONNX graph of matrices in double, node by node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fairlead.lab.compile.tree_onnx import model_bytes


class Graph:
    """Nodes and constants as they come; the input is `x`, the last node's output must be `value`."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._named: set[str] = set()

    def node(self, op: str, sources: Sequence[str], output: str, **attributes: Any) -> str:
        """Add a node; returns the name of its output."""
        from onnx import helper

        self.nodes.append(helper.make_node(op, list(sources), [output], **attributes))
        return output

    def constant(self, name: str, numbers: Any, *, whole: bool = False) -> str:
        """Add a constant, of doubles or whole numbers, once under one name; returns the name."""
        from onnx import numpy_helper

        if name not in self._named:
            self._named.add(name)
            self.constants.append(numpy_helper.from_array(np.asarray(numbers, np.int64 if whole else np.float64), name))
        return name

    def single(self, name: str, numbers: Any) -> str:
        """Add a constant in single precision; returns the name."""
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.asarray(numbers, np.float32), name))
        return name

    def model(self, features: int, outputs: int) -> bytes:
        """The checked model, `x` (rows, features) to `value` (rows, outputs)."""
        return model_bytes(self.nodes, self.constants, features, outputs)
