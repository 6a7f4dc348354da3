"""Which columns of a sample the inputs of a graph are, and what it is handed of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fairlead.contract.errors import UsageError
from fairlead.contract.signature import Column
from fairlead.lab.tables.tensors import column_of, together
from fairlead.runtime.bundle.tensor_cells import size

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.lab.compile.sources.onnx_file import Graph

AT_ONCE = 1 << 20
"""Elements of tensors that a model is asked about at once."""


@dataclass(frozen=True)
class Feed:
    """names: columns in the order of the graph. row: shape of one row of the graph's one input, where it is a tensor
    that comes as one column; else None. width: numbers a row.
    """

    names: list[str]
    row: tuple[int, ...] | None = None

    @property
    def width(self) -> int:
        """Numbers of one row."""
        return len(self.names) if self.row is None else math.prod(self.row)

    def rows(self, frame: pd.DataFrame) -> np.ndarray:
        """The numbers of a frame: (n, columns) in double precision, or (n, *row) in the tensor's own dtype."""
        if self.row is None:
            numbers: np.ndarray = frame[self.names].to_numpy(dtype=np.float64)
            return numbers
        found = together(frame[self.names[0]])
        if found is None:
            raise ValueError(f"column {self.names[0]!r} holds no tensors of one shape")
        return found.reshape(len(frame), *self.row)

    def parts(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Rows in pieces, as tensors of many elements would fill the memory with what a network makes of them."""
        step = len(rows) if self.row is None else max(1, AT_ONCE // self.width)
        yield from (rows[at : at + step] for at in range(0, len(rows), max(step, 1)))


def feed_of(graph: Graph, sample: pd.DataFrame) -> Feed:
    """Columns of the sample that the graph takes, in its order. Raises UsageError."""
    there = [str(name) for name in sample.columns]
    tensors = {n: column for n in there if (column := column_of(n, sample[n])) is not None}
    fitting = {n: row for n, column in tensors.items() if (row := _row(graph.rows, column)) is not None}
    if graph.single and (fitting or len(graph.rows) > 1):
        return _tensor_feed(graph, tensors, fitting)
    there = [name for name in there if name not in tensors]
    if graph.matrix:
        if graph.width and graph.width > len(there):
            raise UsageError(f"the model takes {graph.width} columns, the sample has {len(there)}.")
        return Feed(there[: graph.width or None])
    # Converters write what is no identifier as an underscore.
    written = {"".join(c if c.isalnum() or c == "_" else "_" for c in name): name for name in there}
    written |= {name: name for name in there}
    names = [name for name, _ in graph.inputs]
    if absent := [name for name in names if name not in written]:
        raise UsageError(f"the sample lacks columns that the model takes: {', '.join(absent)}.")
    return Feed([written[name] for name in names])


def _tensor_feed(graph: Graph, tensors: dict[str, Column], fitting: dict[str, tuple[int, ...]]) -> Feed:
    """The one column of tensors that the graph's one input takes."""
    wanted = f"rows of shape {[edge or '?' for edge in graph.rows]}"
    if not tensors:
        raise UsageError(
            f"the model takes {wanted}; no column of the sample holds tensors: nested lists of finite numbers, all of "
            "one shape, none missing."
        )
    if len(fitting) == 1:
        ((name, row),) = fitting.items()
        return Feed([name], row)
    shapes = ", ".join(f"{name} {list(column.shape)}" for name, column in tensors.items())
    which = "more than one column has" if fitting else "no column has"
    raise UsageError(
        f"the model takes {wanted}; {which} such tensors: {shapes}. "
        + ("Leave one in the sample." if fitting else "Bring the sample's into that shape (order of axes included).")
    )


def _row(rows: tuple[int, ...], column: Column) -> tuple[int, ...] | None:
    """The shape of a row that the graph takes a tensor as; None if it cannot be that tensor.

    Edges of 1 may be there or not, and either side may be flat; anything else would mix up axes.
    """
    if rows == (0,):
        return (size(column),)
    if 0 in rows:
        # Edges that the graph leaves open are those of the column.
        if len(rows) != len(column.shape) or any(a and a != b for a, b in zip(rows, column.shape, strict=True)):
            return None
        return column.shape
    if math.prod(rows) != size(column):
        return None
    bare, own = ([edge for edge in shape if edge > 1] for shape in (rows, column.shape))
    return rows if bare == own or len(bare) <= 1 or len(own) <= 1 else None
