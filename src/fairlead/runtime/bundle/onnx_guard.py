"""What an ONNX file contains, read without building anything and without the onnx package.

The seal already says who made the file. This second lock makes sure that, whoever
sealed it, onnxruntime is only ever handed plain arithmetic: allow-listed operators,
no sub-graphs, no functions, no data outside the file, no custom domain.
Wire format: protobuf; field numbers: onnx.proto3 of ONNX 1.20.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fairlead.contract.errors import BundleRefused

ARITHMETIC = (
    "Abs", "Add", "And", "ArgMax", "ArgMin", "BatchNormalization", "Cast", "Ceil", "Clip", "Concat", "Constant",
    "Div", "Dropout", "Elu", "Equal", "Erf", "Exp", "Flatten", "Floor", "Gather", "Gelu", "Gemm", "Greater",
    "GreaterOrEqual", "HardSigmoid", "Identity", "IsNaN", "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual",
    "Log", "LogSoftmax", "MatMul", "MatMulInteger", "Max", "Mean", "Min", "Mul", "Neg", "Not", "Or", "PRelu", "Pow",
    "Reciprocal", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape",
    "Round", "Selu", "Sigmoid", "Sign", "Slice", "Softmax", "Softplus", "Split", "Sqrt", "Squeeze", "Sub", "Sum",
    "Tanh", "TopK", "Transpose", "Unsqueeze", "Where",
)  # fmt: skip
LEARNED = (
    "ArrayFeatureExtractor", "Binarizer", "FeatureVectorizer", "Imputer", "LinearClassifier", "LinearRegressor",
    "Normalizer", "Scaler", "SVMClassifier", "SVMRegressor", "TreeEnsemble", "TreeEnsembleClassifier",
    "TreeEnsembleRegressor",
)  # fmt: skip
PICTURES = (
    "AveragePool", "Conv", "GlobalAveragePool", "GlobalMaxPool", "HardSwish", "InstanceNormalization", "MaxPool",
)  # fmt: skip
ALLOWED: frozenset[tuple[str, str]] = frozenset(
    {(domain, op) for domain in ("", "ai.onnx") for op in ARITHMETIC + PICTURES}
    | {("ai.onnx.ml", op) for op in LEARNED}
)
"""Arithmetic on tensors whose sizes follow from those of inputs and constants: nothing loops, branches, reads or
makes a tensor of a size that is computed."""
PADDING = 256
"""Most elements that a convolution or a pool adds at an edge: what they give would otherwise be of any size."""
NODES, ATTRIBUTES = 4096, 32
"""Most nodes of a graph, and most attributes of a node."""
SPARSE_CELLS = 64
"""Cells that a sparse constant may have for each number that it holds: it is made dense when it is loaded."""

_Span = memoryview

# The whole numbers of an attribute (field 8) come one by one, millions of them in a large forest. Nothing is
# checked about them, so a run of them is skipped by a pattern; possessive, so that it cannot backtrack.
INTS_TAG = 0x40
INTS = re.compile(rb"(?:\x40[\x80-\xff]{0,9}+[\x00-\x7f])++")


def check_onnx(data: bytes) -> None:
    """Raises BundleRefused unless `data` is an ONNX model of allow-listed nodes and nothing else."""
    graphs = 0
    for field, payload in fields(memoryview(data)):
        if field == 7:
            graphs += 1
            _check_graph(_span(payload))
        elif field in (20, 25, 26):
            raise _refused("training steps, functions or configurations are not allowed")
    if graphs != 1:
        raise _refused(f"it holds {graphs} graphs, not one")


def _check_graph(graph: _Span) -> None:
    nodes = 0
    for field, payload in fields(graph):
        if field == 1:
            nodes += 1
            if nodes > NODES:
                raise _refused(f"more than {NODES} nodes")
            _check_node(_span(payload))
        elif field == 5:
            _check_tensor(_span(payload))
        elif field == 15:
            _check_sparse(_span(payload))


def _check_sparse(sparse: _Span) -> None:
    """A constant of which only some cells are written: its values, their places, and its sizes."""
    cells, held = 1, 0
    for field, payload in fields(sparse):
        if field in (1, 2):
            _check_tensor(_span(payload))
        if field == 1:
            held = _cells(_span(payload))
        elif field == 3:
            for size in _varints(payload):
                cells *= size
    if cells > held * SPARSE_CELLS:
        raise _refused(f"a sparse tensor with more than {SPARSE_CELLS} cells for each number that it holds")


def _check_node(node: _Span) -> None:
    operator, domain, attributes = "", "", 0
    for field, payload in fields(node):
        if field == 4:
            operator = _text(payload)
        elif field == 7:
            domain = _text(payload)
        elif field == 5:
            attributes += 1
            _check_attribute(_span(payload))
    if attributes > ATTRIBUTES:
        raise _refused("a node with too many attributes")
    if (domain, operator) not in ALLOWED:
        raise _refused(f"operator {operator[:40]!r} of domain {domain[:40]!r} is not allowed")


def _check_attribute(attribute: _Span) -> None:
    for field, payload in fields(attribute):
        if field == 1 and _text(payload) == "pads":
            _check_padding(attribute)
        if field in (6, 11):
            raise _refused("graphs inside nodes are not allowed")
        if field in (22, 23):
            raise _refused("sparse tensors are not allowed")
        if field in (5, 10):
            _check_tensor(_span(payload))


def _check_padding(attribute: _Span) -> None:
    for field, payload in fields(attribute, ints=True):
        if field == 8 and any(edge > PADDING for edge in _varints(payload)):
            raise _refused(f"an edge of more than {PADDING}, or of less than none")


def _check_tensor(tensor: _Span) -> None:
    cells, held = 1, 0
    for field, payload in fields(tensor):
        if field == 13 or (field == 14 and payload != 0):
            raise _refused("data outside the file is not allowed")
        if field == 1:
            # dims come packed or one by one; the product is bounded by what the file really holds.
            for size in _varints(payload):
                cells *= size
        elif field in (4, 5, 6, 7, 9, 10, 11):
            held += 8 if isinstance(payload, int) else len(payload)
    if cells > max(held, 1) * 8:
        raise _refused("a tensor that claims more cells than the file holds")


def _cells(tensor: _Span) -> int:
    found = 1
    for field, payload in fields(tensor):
        if field == 1:
            for size in _varints(payload):
                found *= size
    return found


def widest(data: bytes) -> int:
    """The greatest number of columns of a constant matrix in a checked model, at least 1: what a row becomes on its
    way through products with it.
    """
    found = 1
    for field, graph in fields(memoryview(data)):
        if field == 7:
            for inner, tensor in fields(_span(graph)):
                if inner in (5, 15):
                    where = 1 if inner == 5 else 3
                    sizes = [size for at, part in fields(_span(tensor)) if at == where for size in _varints(part)]
                    found = max(found, sizes[1]) if len(sizes) == 2 else found
    return found


def gathered(data: bytes) -> int:
    """The greatest number of columns of a constant matrix whose rows a node gathers: what each number of a row becomes
    that says which; 0 where none is gathered.
    """
    constants: dict[str, int] = {}
    read: set[str] = set()
    for field, graph in fields(memoryview(data)):
        if field != 7:
            continue
        for inner, part in fields(_span(graph)):
            if inner == 5:
                held = list(fields(_span(part)))
                sizes = [size for at, one in held if at == 1 for size in _varints(one)]
                name = next((_text(one) for at, one in held if at == 8), "")
                constants[name] = sizes[1] if len(sizes) == 2 else 0
            elif inner == 1:
                held = list(fields(_span(part)))
                if any(at == 4 and _text(one) == "Gather" for at, one in held):
                    read.add(next((_text(one) for at, one in held if at == 1), ""))
    return max((constants.get(name, 0) for name in read), default=0)


def _refused(why: str) -> BundleRefused:
    return BundleRefused(f"tail.onnx: {why}")


def _span(payload: int | _Span) -> _Span:
    if isinstance(payload, int):
        raise _refused("malformed")
    return payload


def _text(payload: int | _Span) -> str:
    return bytes(_span(payload)[:200]).decode("utf-8", "replace")


def _varints(payload: int | _Span) -> Iterator[int]:
    if isinstance(payload, int):
        yield payload
        return
    at = 0
    while at < len(payload):
        found, at = varint(payload, at)
        yield found


def varint(data: _Span, at: int) -> tuple[int, int]:
    found = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise _refused("malformed")
        byte = data[at]
        found |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return found, at
        shift += 7


def fields(data: _Span, ints: bool = False) -> Iterator[tuple[int, int | _Span]]:
    """(field number, varint or bytes) in order; fixed-width fields as bytes. ints: with the integers of attributes
    that come one by one, which are else left out.
    """
    at = 0
    while at < len(data):
        if not ints and data[at] == INTS_TAG and (run := INTS.match(data, at)) is not None:
            at = run.end()
            continue
        key, at = varint(data, at)
        kind, length = key & 7, 0
        if kind == 0:
            number, at = varint(data, at)
            yield key >> 3, number
            continue
        if kind == 2:
            length, at = varint(data, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise _refused("malformed")
        if at + length > len(data):
            raise _refused("malformed")
        yield key >> 3, data[at : at + length]
        at += length
