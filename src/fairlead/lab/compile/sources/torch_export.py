"""Programs of `torch.export`: a matrix or a tensor of numbers in, probabilities or a number out, as an ONNX graph."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.errors import MissingExtra
from fairlead.lab.compile.sources.feeding import feed_of
from fairlead.lab.compile.sources.onnx_file import ELEMENTS, OnnxClasses, OnnxNumber, answered, classes_of, read_graph
from fairlead.lab.compile.sources.opening import Hints, Opened, needs_trust
from fairlead.lab.compile.sources.torch_ops import Making, dtype_of, shape_of

if TYPE_CHECKING:
    import pandas as pd


class TorchExport:
    """Port `source`."""

    def takes(self, where: str) -> bool:
        """See Source."""
        return where.endswith(".pt2")

    def open(self, where: str, sample: pd.DataFrame, hints: Hints) -> Opened:
        """See Source. torch reads the file with pickle, so it needs trust."""
        if not hints.trust:
            raise needs_trust("a torch.export program")
        try:
            import torch
        except ModuleNotFoundError as missing:
            raise MissingExtra("torch", "torch") from missing
        program = torch.export.load(where)
        data = onnx_of(program)
        graph = read_graph(data)
        feed = feed_of(graph, sample)
        found = TorchNumber(data, feed, graph)
        found.module = _module(program)
        classes = classes_of(found, sample, hints, graph.outputs)
        said = f"translated the {len(graph.nodes)} operations of a torch.export program to ONNX"
        if classes is None:
            return Opened(found, said)
        several = TorchClasses(data, feed, graph, classes)
        several.module = found.module
        return Opened(several, said)


def _module(program: Any) -> Any:
    """The program as torch runs it. Where that can be chosen it is not asked to check sizes: what it was traced with
    says nothing of what the bundle answers.
    """
    choice = "check_guards" in inspect.signature(program.module).parameters
    return program.module(check_guards=False) if choice else program.module()


class _Torch:
    """Scores by torch itself: what the translation is compared with."""

    module: Any

    def scores(self, frame: Any) -> np.ndarray:
        """What the program gives, shape (n, k)."""
        import torch

        rows = self.feed.rows(frame)  # type: ignore[attr-defined]
        if np.isnan(rows).any():
            raise ValueError("the program takes no missing cells")
        kind = ELEMENTS[self.graph.inputs[0][1]]  # type: ignore[attr-defined]
        found = []
        with torch.no_grad():
            for part in self.feed.parts(rows):  # type: ignore[attr-defined]
                said = self.module(torch.from_numpy(np.array(part, dtype=kind)))
                found.append(answered(part, said.numpy()))
        return np.concatenate(found)


class TorchNumber(_Torch, OnnxNumber):
    """A program that gives numbers."""


class TorchClasses(_Torch, OnnxClasses):
    """A program that gives probabilities."""


def onnx_of(program: Any) -> bytes:
    """ONNX bytes of a program's graph. Raises NotCompilable naming the operation that has no translation."""
    from onnx import helper

    making = Making(program)
    given, outputs = making.walk()
    graph = helper.make_graph(
        making.nodes,
        "program",
        [_port(given)],
        [_port(outputs)],
        making.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _port(node: Any) -> Any:
    from onnx import helper

    kind = helper.np_dtype_to_tensor_dtype(dtype_of(node))
    return helper.make_tensor_value_info(node.name, kind, [None, *shape_of(node)[1:]])
