"""ONNX files: a matrix of numbers in, a tensor, or one number a column; a label, probabilities or a number out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.lab.compile.sources.feeding import Feed, feed_of
from fairlead.lab.compile.sources.opening import Hints, Opened, whole

if TYPE_CHECKING:
    import pandas as pd

FLOAT, INT64, DOUBLE = 1, 7, 11
NUMPY = {FLOAT: np.float32, INT64: np.int64, DOUBLE: np.float64}
"""Types of ONNX tensors that a column of numbers can be handed over as."""
ELEMENTS = {**NUMPY, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 10: np.float16}
"""Types that the elements of a column of tensors can be handed over as."""


class OnnxFile:
    """Port `source`."""

    def takes(self, where: str) -> bool:
        """See Source."""
        return where.endswith(".onnx")

    def open(self, where: str, sample: pd.DataFrame, hints: Hints) -> Opened:
        """See Source. The file is data; what it computes is checked against an allow-list when it is sealed."""
        data = whole(where)
        graph = read_graph(data)
        feed = feed_of(graph, sample)
        found = OnnxNumber(data, feed, graph)
        width = graph.outputs
        classes = graph.classes or classes_of(found, sample, hints, width)
        shape = "a matrix" if graph.matrix else "a number a column"
        if feed.row is not None:
            shape = f"tensors of shape {list(feed.row)}"
        said = f"read an ONNX graph of {len(graph.nodes)} nodes that takes {shape}"
        return Opened(found if classes is None else OnnxClasses(data, feed, graph, classes), said)


class Graph:
    """What an ONNX file computes. nodes: those that `output` needs. inputs: (name, element type), in order.

    single: whether it has one input; rows: that one's shape without the first dimension, 0 where the file does not
    say; fixed: whether it takes tensors, and only so many at once.
    classes: labels that the file itself states. outputs: columns of `output`, 0 where the file does not say.
    """

    def __init__(self, model: Any) -> None:
        from onnx import helper

        graph = model.graph
        fixed = {held.name for held in graph.initializer}
        self.inputs = [(i.name, i.type.tensor_type.elem_type) for i in graph.input if i.name not in fixed]
        shapes = [_shape(i) for i in graph.input if i.name not in fixed]
        self.single = len(self.inputs) == 1
        self.rows = tuple(shapes[0][1:]) if self.single else ()
        self.fixed = bool(self.single and len(shapes[0]) > 2 and shapes[0][0])
        self.matrix = self.single and shapes[0][-1:] != [1]
        self.width = shapes[0][-1] if self.matrix and shapes[0] else len(self.inputs)
        maps = {n.output[0]: n for n in graph.node if n.op_type == "ZipMap"}
        stated = [a for n in graph.node for a in n.attribute if a.name.startswith("classlabels_")]
        labels = [v for a in stated for v in helper.get_attribute_value(a)]
        self.classes = tuple(dict.fromkeys(v.decode() if isinstance(v, bytes) else v for v in labels)) or None
        scores = [o for o in graph.output if o.name in maps or o.type.tensor_type.elem_type in (FLOAT, DOUBLE)]
        if len(scores) != 1:
            raise NotCompilable(f"the ONNX graph has {len(scores)} outputs of numbers, one is needed.")
        self.output = maps[scores[0].name].input[0] if scores[0].name in maps else scores[0].name
        self.type = FLOAT if scores[0].name in maps else scores[0].type.tensor_type.elem_type
        self.rank = 2 if scores[0].name in maps else len(_shape(scores[0]))
        last = _shape(scores[0])[-1:] if self.rank == 2 and scores[0].name not in maps else []
        self.outputs = len(self.classes or ()) or (last[0] if last and last[0] else 1 if self.rank == 1 else 0)
        self.nodes = needed_nodes(graph.node, self.output)
        self.model = model


def read_graph(data: bytes) -> Graph:
    """The graph in `data`. Raises NotCompilable for inputs that are not numbers."""
    import onnx

    model = onnx.load_model_from_string(data)
    if model.functions:
        raise NotCompilable("the ONNX file holds functions of its own, which are not compiled.")
    found = Graph(model)
    known = ELEMENTS if len(found.rows) > 1 else NUMPY
    if not found.inputs or any(kind not in known for _, kind in found.inputs):
        raise NotCompilable("the ONNX graph takes something else than numbers: encode text ahead of it.")
    if found.fixed:
        raise NotCompilable("the ONNX graph has a fixed number of rows: export it with a dynamic first dimension.")
    return found


def _shape(value: Any) -> list[int]:
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim]


def needed_nodes(nodes: Any, output: str) -> list[Any]:
    """The nodes that compute `output`, in their order."""
    wanted, found = {output}, []
    for node in reversed(list(nodes)):
        if wanted & set(node.output):
            wanted |= set(node.input)
            found.append(node)
    return found[::-1]


def classes_of(model: OnnxNumber, sample: pd.DataFrame, hints: Hints, width: int) -> tuple[Any, ...] | None:
    """Classes of a graph that names none: of scores that add up to 1, or where the project says so."""
    said = model.scores(sample)
    width = width or said.shape[1]
    if width == 1:
        two = _in_order(hints.labels)
        return (two if len(two) == 2 else (0, 1)) if hints.task == "classification" else None
    if hints.task == "regression" or not np.allclose(said.sum(axis=1), 1.0, atol=1e-3):
        raise NotCompilable(
            f"the model gives {width} numbers a row that are no probabilities: end it with a softmax over the classes."
        )
    known = _in_order(hints.labels)
    return known if len(known) == width else tuple(range(width))


def _in_order(labels: tuple[Any, ...]) -> tuple[Any, ...]:
    """Classes as libraries number them: numbers by size, anything else by its text."""
    numbers = all(isinstance(label, int | float | np.number) for label in labels)
    return tuple(sorted(labels) if numbers else sorted(labels, key=str))


def answered(rows: np.ndarray, said: Any) -> np.ndarray:
    """Scores, shape (n, k). Raises ValueError where they are no numbers: a graph says so to cells that it cannot take,
    and operators do not agree on what becomes of them.
    """
    scores = np.asarray(said, dtype=np.float64).reshape(len(rows), -1)
    if not np.isfinite(scores).all():
        raise ValueError("the graph has no finite answer to some rows")
    return scores


class OnnxNumber:
    """An ONNX graph as an estimator, run by onnxruntime as its file says: what the sealed form is compared with."""

    def __init__(self, data: bytes, feed: Feed, graph: Graph) -> None:
        self.data, self.graph, self.feed = data, graph, feed
        self.feature_names_in_ = np.array(feed.names, dtype=object)
        self.n_features_in_ = feed.width
        self._session: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {"data": self.data, "feed": self.feed, "classes": getattr(self, "classes_", None)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        OnnxNumber.__init__(self, state["data"], state["feed"], read_graph(state["data"]))
        if state["classes"] is not None:
            self.classes_ = state["classes"]

    def scores(self, frame: Any) -> np.ndarray:
        """What the graph gives, shape (n, k)."""
        if self._session is None:
            import onnxruntime

            model = type(self.graph.model)()
            model.CopyFrom(self.graph.model)
            if self.graph.output not in {o.name for o in model.graph.output}:
                model.graph.output.add().name = self.graph.output
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 4
            options.intra_op_num_threads = 1
            self._session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        rows = self.feed.rows(frame)
        kinds = self.graph.inputs
        if any(kind == INT64 for _, kind in kinds) and np.isnan(rows).any():
            raise ValueError("an input of integers takes no missing cells")
        if self.feed.row is None and not self.graph.matrix:
            feeds = {name: rows[:, at : at + 1].astype(NUMPY[kind]) for at, (name, kind) in enumerate(kinds)}
            return answered(rows, self._session.run([self.graph.output], feeds)[0])
        name, kind = kinds[0]
        parts = [answered(part, self._run(name, part.astype(ELEMENTS[kind]))) for part in self.feed.parts(rows)]
        return np.concatenate(parts)

    def _run(self, name: str, rows: np.ndarray) -> Any:
        return self._session.run([self.graph.output], {name: rows})[0]

    def predict(self, frame: Any) -> Any:
        """Numbers, shape (n,)."""
        return self.scores(frame)[:, 0]


class OnnxClasses(OnnxNumber):
    """An ONNX graph that gives probabilities."""

    def __init__(self, data: bytes, feed: Feed, graph: Graph, classes: tuple[Any, ...]) -> None:
        super().__init__(data, feed, graph)
        self.classes_ = np.array(classes)

    def predict_proba(self, frame: Any) -> Any:
        """Probabilities, shape (n, classes)."""
        said = self.scores(frame)
        return np.column_stack((1.0 - said, said)) if said.shape[1] == 1 else said

    def predict(self, frame: Any) -> Any:
        """Classes, shape (n,)."""
        return self.classes_[self.predict_proba(frame).argmax(axis=1)]
