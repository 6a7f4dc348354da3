"""Networks of the user's own, up to one of their tensors, with a straight line after it: sealed as one graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.contract.errors import BundleRefused, ConfigInvalid, NotCompilable
from fairlead.lab.compile.matrix_onnx import Graph
from fairlead.lab.compile.pictures import DOUBLE, answer, part
from fairlead.lab.compile.sources.onnx_file import ELEMENTS, needed_nodes
from fairlead.runtime.bundle.manifest import TAIL_ONNX
from fairlead.runtime.bundle.onnx_guard import check_onnx

MODELS = ("HeadClassifier", "HeadRegressor")
PREFIX = "trunk_"
AT_ONCE = 1 << 20
"""Pixels that a network is asked about at once."""
MOST_NUMBERS = 65_536
"""Numbers of one picture that a straight line is learned over."""
WHOLE = (np.uint8, np.int8, np.uint16, np.int16, np.int32, np.int64)


class Trunk:
    """What a network makes of a picture.

    data: an ONNX graph with one input, of any number of pictures. picture: `lab.train.layout.Picture`; layer: the
    tensor that is taken, empty: the graph's one output. scaled: pixels are handed over as the features are, 0 to 1;
    else as the table has them. Raises ConfigInvalid for a graph that does not take such pictures.
    """

    def __init__(self, data: bytes, picture: Any, layer: str, *, scaled: bool) -> None:
        self.data, self.picture, self.layer, self.scaled = data, picture, layer, scaled
        self._read()

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("data", "picture", "layer", "scaled")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._read()

    def _read(self) -> None:
        import onnx

        try:
            self.model = onnx.load_model_from_string(self.data)
        except Exception as why:
            # protobuf has an error of its own for bytes that are no model.
            raise _invalid("the file is no ONNX model.") from why
        graph = self.model.graph
        fixed = {held.name for held in graph.initializer}
        given = [one for one in graph.input if one.name not in fixed]
        if len(given) != 1 or given[0].type.tensor_type.elem_type not in ELEMENTS:
            raise _invalid("the network takes something else than one input of numbers.")
        self.given, self.kind = given[0].name, given[0].type.tensor_type.elem_type
        self.shape, self.turn = arranged([dim.dim_value for dim in given[0].type.tensor_type.shape.dim], self.picture)
        outputs = [one.name for one in graph.output]
        known = [name for node in graph.node for name in node.output]
        if self.layer and self.layer not in known:
            raise _invalid(f"no tensor is called {self.layer!r}.", f"The last are: {', '.join(known[-8:])}.", "layer")
        if not self.layer and len(outputs) != 1:
            raise _invalid("the network has several outputs.", f"Choose one of: {', '.join(outputs)}.", "layer")
        self.taken, self._session = self.layer or outputs[0], None

    def numbers(self, features: np.ndarray) -> np.ndarray:
        """What the tensor holds for rows of features, (n, numbers), as doubles. Raises ConfigInvalid."""
        step = max(1, AT_ONCE // self.picture.size)
        cuts = range(0, max(len(features), 1), step)
        return np.concatenate([self._asked(features[at : at + step]) for at in cuts])

    def _asked(self, features: np.ndarray) -> np.ndarray:
        said = self._running().run([self.taken], {self.given: self._pixels(features)})[0]
        numbers = np.asarray(said, dtype=np.float64)
        if numbers.ndim < 2 or len(numbers) != len(features):
            raise _invalid(f"{self.taken!r} does not hold numbers for each picture.", "Choose another tensor.", "layer")
        numbers = numbers.reshape(len(features), -1)
        if numbers.shape[1] > MOST_NUMBERS:
            what = f"{self.taken!r} holds {numbers.shape[1]:,} numbers a picture, more than {MOST_NUMBERS:,}."
            raise _invalid(what, "Choose a tensor further on.", "layer")
        return numbers

    def _pixels(self, features: np.ndarray) -> np.ndarray:
        picture, kind = self.picture, ELEMENTS[self.kind]
        pixels = features[:, picture.start : picture.start + picture.size]
        if not self.scaled:
            pixels = pixels * picture.scale + picture.low
        at = (np.rint(pixels) if kind in WHOLE else pixels).astype(kind).reshape(len(features), *own_shape(picture))
        at = at if self.turn is None else at.transpose(self.turn)
        return np.ascontiguousarray(at).reshape(len(features), *self.shape)

    def _running(self) -> Any:
        if self._session is None:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.log_severity_level = 4
            options.intra_op_num_threads = 1
            model = type(self.model)()
            model.CopyFrom(self.model)
            if self.taken not in {one.name for one in model.graph.output}:
                model.graph.output.add().name = self.taken
            try:
                self._session = onnxruntime.InferenceSession(
                    model.SerializeToString(), options, providers=["CPUExecutionProvider"]
                )
            except Exception as why:
                # onnxruntime raises a family of its own without a public root.
                raise _invalid(f"onnxruntime does not run the network: {type(why).__name__}.") from why
        return self._session


def own_shape(picture: Any) -> tuple[int, ...]:
    """How the features hold one picture."""
    edges = (picture.height, picture.width)
    return (*edges, picture.channels) if picture.last else (picture.channels, *edges)


def arranged(asked: list[int], picture: Any) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """The shape of one picture that a network asks for, and how axes are turned on the way; sizes of 0 are any.

    Raises ConfigInvalid where the network takes other pictures, or only so many at once.
    """
    edges = (picture.height, picture.width)
    first, last = (picture.channels, *edges), (*edges, picture.channels)
    if asked and asked[0] > 0:
        cure = "Export it with a dynamic first dimension."
        raise _invalid("the network takes a fixed number of pictures at once.", cure)
    for shape, turn in (
        (first, (0, 3, 1, 2) if picture.last else None),
        (last, None if picture.last else (0, 2, 3, 1)),
        *([(edges, None)] if picture.channels == 1 else []),
    ):
        if len(shape) == len(asked) - 1 and all(size in (0, own) for size, own in zip(asked[1:], shape, strict=True)):
            return shape, turn
    raise _invalid(
        f"the network takes {asked[1:]} and {picture.column!r} holds {list(own_shape(picture))}.",
        "Bring the images to that size by [data] prepare.",
    )


def _invalid(what: str, cure: str = "", key: str = "from") -> ConfigInvalid:
    return ConfigInvalid(what, file="fairlead.toml", key=f"train.transfer.{key}", cure=cure)


class Trunks:
    """Port `emitter`: the nodes of a file that its tensor needs, and the head after them."""

    form = "trunk"
    tolerance = 1e-4
    file = TAIL_ONNX

    def accepts(self, estimator: Any) -> str | None:
        """See Emitter."""
        name, module = type(estimator).__name__, type(estimator).__module__.split(".")[0]
        if module != "fairlead" or name not in MODELS:
            return f"{name} is no head of a network"
        try:
            check_onnx(_emitted(estimator, estimator.n_features_in_))
        except BundleRefused as why:
            return str(why).removeprefix("tail.onnx: ")
        return None

    def emit(self, estimator: Any, features: int) -> bytes:
        """ONNX bytes: `x` double (rows, features) to `value` double (rows, outputs)."""
        return _emitted(estimator, features)


def _emitted(estimator: Any, features: int) -> bytes:
    import onnx
    from onnx import TensorProto, compose, helper

    trunk, graph = estimator.trunk_, Graph()
    if features != estimator.n_features_in_:
        raise NotCompilable(f"the network takes {estimator.n_features_in_} features and gets {features}.")
    # Names of the file are kept apart from ours.
    given = compose.add_prefix(trunk.model, PREFIX)
    _feed(graph, trunk)
    nodes = needed_nodes(given.graph.node, f"{PREFIX}{trunk.taken}")
    graph.nodes += nodes
    used = {name for node in nodes for name in node.input}
    graph.constants += [held for held in given.graph.initializer if held.name in used]
    weights, bias = estimator.head_
    at = graph.node("Cast", [f"{PREFIX}{trunk.taken}"], "double", to=DOUBLE)
    at = graph.node("Reshape", [at, graph.constant("numbers", [-1, len(weights)], whole=True)], "seen")
    at = graph.node("Gemm", [at, graph.constant("head", weights), graph.constant("head_bias", bias)], "raw")
    outputs = answer(graph, at, estimator)
    made = helper.make_graph(
        graph.nodes,
        "tail",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, [None, features])],
        [helper.make_tensor_value_info("value", TensorProto.DOUBLE, [None, outputs])],
        graph.constants,
    )
    model = helper.make_model(
        made, opset_imports=list(trunk.model.opset_import), ir_version=trunk.model.ir_version, producer_name="fairlead"
    )
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as why:
        raise NotCompilable(f"the network's graph is not valid: {str(why).splitlines()[0][:200]}") from why
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _feed(graph: Graph, trunk: Trunk) -> None:
    """Nodes from `x` to the input of the file."""
    picture = trunk.picture
    at = part(graph, "x", "pixels", picture.start, picture.start + picture.size)
    if not trunk.scaled:
        at = graph.node("Mul", [at, graph.constant("scale", picture.scale)], "scaled")
        at = graph.node("Add", [at, graph.constant("low", picture.low)], "moved")
    if ELEMENTS[trunk.kind] in WHOLE:
        at = graph.node("Round", [at], "whole")
    at = graph.node("Cast", [at], "typed", to=trunk.kind)
    shape = trunk.shape if trunk.turn is None else own_shape(picture)
    given = f"{PREFIX}{trunk.given}"
    shaped = graph.constant("shape", [-1, *shape], whole=True)
    at = graph.node("Reshape", [at, shaped], given if trunk.turn is None else "picture")
    if trunk.turn is not None:
        graph.node("Transpose", [at], given, perm=list(trunk.turn))
