"""Tensors of the Open Inference Protocol as columns, and answers as tensors, whatever carries them.

REST with JSON, REST with Triton's binary extension and gRPC differ in how the values of a tensor arrive; what a
datatype, a shape and a value mean is the same, and stands here. The way in, for each input tensor:

1. its values, flat and row-major, checked against its datatype: `values_of` (JSON or typed contents of gRPC),
   `values_of_raw` (binary: little-endian, BYTES as 4-byte length + UTF-8);
2. all of them to one list or array a column: `columns_of`;
3. `Checks.columns(columns)` decides whether they fit the signature.

The way out: `outputs_of(signature, answer)` and, for binary answers, `raw_of`.

Values are a list of float, int, bool, str or None, or a numeric array. Missing is None in a list, NaN in an array.
A whole number given as FP is a fine integer later on.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from fairlead.contract.errors import BodyInvalid, ShapeMismatch
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle.forecasts import FORECAST
from fairlead.runtime.wire.checks import kind_of
from fairlead.runtime.wire.codec import Answer
from fairlead.runtime.wire.whole_columns import Values

BINARY: dict[str, str] = {
    "BOOL": "?", "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q", "INT8": "b", "INT16": "h", "INT32": "i",
    "INT64": "q", "FP16": "e", "FP32": "f", "FP64": "d", "BF16": "H",
}  # fmt: skip
"""Datatypes of a fixed width with their format in `struct` and numpy; BYTES is the one without."""

FLOATS = frozenset({"FP16", "FP32", "FP64", "BF16"})
_FEW = 32
_FAR = 1 << 48
"""Bytes that nobody sends. Beyond, a number may have more digits than Python is willing to write into an error."""
_SAID = "BOOL, BYTES, FP16, FP32, FP64, BF16, INT8 to INT64, UINT8 to UINT64"
RANGES = {
    f"{sign}{bits}": (0, (1 << bits) - 1) if sign == "UINT" else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    for sign in ("INT", "UINT")
    for bits in (8, 16, 32, 64)
}
"""Integer types with the smallest and largest number of each."""
DATATYPES = {
    "uint8": "UINT8", "int8": "INT8", "uint16": "UINT16", "int16": "INT16", "int32": "INT32", "float16": "FP16",
    "float32": "FP32", "float64": "FP64",
}  # fmt: skip
"""What the dtype of a tensor column is called."""


_OUTPUTS = {
    "classification": ("label", "probabilities"), "clustering": ("cluster", "memberships"),
    "anomaly": ("anomaly", "score"), "forecasting": (FORECAST,),
}  # fmt: skip
_DECIDED = {"label": "BYTES", "cluster": "BYTES", "anomaly": "BOOL"}
_WIDE = ("probabilities", "memberships", FORECAST)
ABSTAINED = "abstained"
"""Output tensors by task; those that are decisions with their datatypes; those of a column a class or a step."""


class Tensor(NamedTuple):
    """One output. values: flat, row-major."""

    name: str
    datatype: str
    shape: list[int]
    values: list[Any]


def datatype_of(column: Column) -> str:
    """The datatype that metadata names for a column; others that can hold its values are taken, too."""
    if column.kind == "tensor":
        return DATATYPES[column.dtype]
    if column.kind in {"category", "text", "time"}:
        return {"integer": "INT64", "boolean": "BOOL"}.get(column.coded, "BYTES")
    return {"integer": "INT64", "boolean": "BOOL"}.get(column.kind, "FP64")


def size_of(shape: object, name: str) -> int:
    """How many values a shape says there are. Raises ShapeMismatch for one that is none, BodyInvalid for no list."""
    said = repr(name[:80])
    if not isinstance(shape, Sequence) or isinstance(shape, str) or not 1 <= len(shape) <= 8:
        raise ShapeMismatch(f"input {said}: shape must be [rows] or [rows, 1]: one tensor holds one column")
    size = 1
    for dimension in shape:
        if not isinstance(dimension, int) or isinstance(dimension, bool) or not 0 <= dimension < _FAR:
            raise ShapeMismatch(f"input {said}: shape must be of whole numbers, 0 or more and not beyond all data")
        size *= dimension
    return size


def values_of(data: Sequence[Any], datatype: str, shape: Sequence[int], name: str) -> list[Any]:
    """Values of a tensor that came as a list: JSON, nested or flat, or a typed content field of gRPC.

    Raises BodyInvalid for values that are not of `datatype` (with row and kind), ShapeMismatch for too few or many.
    """
    _known(datatype, name)
    size = size_of(shape, name)
    flat = list(data)
    for inner in shape[1:] if any(isinstance(value, list) for value in flat) else ():
        # One level of nesting after the other: [[1], [2]] of shape [2, 1].
        if not all(isinstance(value, list) and len(value) == inner for value in flat):
            raise ShapeMismatch(f"input {name[:80]!r}: data must be flat, or nested as its shape says")
        flat = [value for one in flat for value in one]
    if len(shape) == 1 and any(isinstance(value, list) for value in flat):
        if not all(isinstance(value, list) and len(value) == 1 for value in flat):
            raise ShapeMismatch(f"input {name[:80]!r}: data must be flat, or nested as [[value], [value], ...]")
        flat = [value for (value,) in flat]
    if len(flat) != size:
        rows = f"{size} rows" if len(shape) == 1 else f"{size} values"
        raise ShapeMismatch(f"input {name[:80]!r}: shape says {rows}, data has {len(flat)}")
    return flat if _exact(flat, datatype) else [_value(value, datatype, name, row) for row, value in enumerate(flat)]


def values_of_raw(raw: bytes | memoryview, datatype: str, shape: Sequence[int], name: str) -> Values:
    """Values of a tensor that came as bytes; a few as a list, many as an array that shares the bytes.

    Raises BodyInvalid for bytes that hold no such values, ShapeMismatch where size and shape disagree.
    """
    _known(datatype, name)
    size = size_of(shape, name)
    if datatype == "BYTES":
        return _texts(raw, size, name)
    form = BINARY[datatype]
    width = struct.calcsize("<" + form)
    if len(raw) != size * width:
        raise ShapeMismatch(
            f"input {name[:80]!r}: {size} values of {datatype} are {size * width} bytes, binary data has {len(raw)}"
        )
    if datatype == "BF16":
        wide = np.left_shift(np.frombuffer(raw, "<u2").astype(np.uint32), 16)
        return wide.view(np.float32)
    if datatype == "BOOL":
        flags = np.frombuffer(raw, np.uint8)
        if size and flags.max() > 1:
            raise BodyInvalid(f"input {name[:80]!r}: a byte of BOOL must be 0 or 1")
        return flags.astype(np.bool_) if size >= _FEW else flags.astype(np.bool_).tolist()
    if size >= _FEW:
        return np.frombuffer(raw, "<" + form)
    few = struct.unpack(f"<{size}{form}", raw)
    return [_value(value, datatype, name, row) for row, value in enumerate(few)] if datatype in FLOATS else few


def columns_of(tensors: Iterable[tuple[str, Sequence[int], Values]], signature: Signature) -> dict[str, Values]:
    """Columns of tensors (name, shape, values): each [rows] or [rows, 1] is the column of its name.

    One tensor alone of shape [rows, columns] that bears no column's name is the whole table, its columns in the
    order of the signature. Raises BodyInvalid for a name given twice, ShapeMismatch for any other shape.
    """
    found: dict[str, Values] = {}
    odd: tuple[str, Sequence[int], Values] | None = None
    for name, shape, values in tensors:
        if name in found:
            raise BodyInvalid(f"input {name[:80]!r} is given twice")
        found[name] = values
        if len(shape) != 1 and list(shape[1:]) != [1]:
            odd = odd or (name, shape, values)
    if odd is None:
        return found
    name, shape, values = odd
    width = len(signature.names)
    if len(found) == 1 and list(shape[1:]) == [width] and name not in signature.names:
        return {column: values[at::width] for at, column in enumerate(signature.names)}
    raise ShapeMismatch(
        f"input {name[:80]!r}: shape must be [rows] or [rows, 1]: one tensor holds one column "
        f"(or a single one all {width}, as [rows, {width}])"
    )


def outputs_of(signature: Signature, answer: Answer, wanted: Sequence[str] | None = None) -> list[Tensor]:
    """The output tensors of an answer, in the order of `wanted`, or all.

    Classification: `label` (BYTES, [rows]) and `probabilities` (FP64, [rows, classes]); clustering: `cluster` (BYTES,
    [rows]) and `memberships` (FP64, [rows, clusters]); anomaly: `anomaly` (BOOL, [rows]) and `score` (FP64, [rows]);
    forecasting: `forecast` (FP64, [rows, horizon]); else `value` (FP64, [rows]). Of a model that abstains `abstained`
    (BOOL, [rows]) comes last.
    """
    rows = len(answer.scores)
    made = []
    for name in wanted or output_names(signature):
        if name == ABSTAINED:
            made.append(Tensor(name, "BOOL", [rows], answer.abstained or [False] * rows))
            continue
        if name in _DECIDED:
            labels = answer.labels or ()
            said = [label == "true" for label in labels] if name == "anomaly" else list(labels)
            made.append(Tensor(name, _DECIDED[name], [rows], said))
            continue
        shape = [rows, len(signature.outputs)] if name in _WIDE else [rows]
        made.append(Tensor(name, "FP64", shape, [value for row in answer.scores for value in row]))
    return made


def output_names(signature: Signature) -> tuple[str, ...]:
    """Names of the output tensors."""
    names = _OUTPUTS.get(signature.task, ("value",))
    return (*names, ABSTAINED) if signature.confidence > 0.0 else names


def asked_outputs(names: Sequence[str], signature: Signature) -> tuple[str, ...] | None:
    """The outputs that a request names, each once; None for all. Raises BodyInvalid for one that there is not."""
    known = output_names(signature)
    unknown = [name[:80] for name in names if name not in known]
    if unknown:
        raise BodyInvalid(f"outputs unknown: {', '.join(unknown[:10])}. This model gives: {', '.join(known)}.")
    return tuple(dict.fromkeys(names)) or None


def metadata_of(signature: Signature) -> dict[str, Any]:
    """Inputs and outputs as metadata names them: `{"name", "datatype", "shape"}` each, -1 for the number of rows.

    `optional_inputs`: the pass-through columns, absent where there are none.
    """
    shapes = {name: [-1, len(signature.outputs)] for name in _WIDE}
    kinds = {**_DECIDED, ABSTAINED: "BOOL"}
    said: dict[str, Any] = {
        "inputs": [{"name": c.name, "datatype": datatype_of(c), "shape": [-1, *c.shape]} for c in signature.columns],
        "outputs": [
            {"name": name, "datatype": kinds.get(name, "FP64"), "shape": shapes.get(name, [-1])}
            for name in output_names(signature)
        ],
    }
    if signature.passthrough:
        said["optional_inputs"] = [{"name": n, "datatype": "BYTES", "shape": [-1]} for n in signature.passthrough]
    return said


def raw_of(values: Sequence[Any], datatype: str) -> bytes:
    """Values as little-endian bytes; BYTES: a 4-byte length and UTF-8 each."""
    if datatype == "BYTES":
        texts = [str(value).encode() for value in values]
        return b"".join([part for text in texts for part in (struct.pack("<I", len(text)), text)])
    return struct.pack(f"<{len(values)}{BINARY[datatype]}", *values)


def _known(datatype: object, name: str) -> None:
    if not isinstance(datatype, str) or not (datatype in BINARY or datatype == "BYTES"):
        raise BodyInvalid(f"input {name[:80]!r}: datatype must be one of {_SAID}")


def _texts(raw: bytes | memoryview, size: int, name: str) -> list[str]:
    """The texts of BYTES, whose stated lengths must add up to what there is."""
    held, at = bytes(raw), 0
    texts: list[str] = []
    try:
        while at < len(held):
            (length,) = struct.unpack_from("<I", held, at)
            at += 4
            if length > len(held) - at:
                raise ShapeMismatch(f"input {name[:80]!r}: row {len(texts)} says more bytes than there are")
            texts.append(held[at : at + length].decode())
            at += length
            if len(texts) > size:
                break
    except struct.error:
        raise ShapeMismatch(f"input {name[:80]!r}: its binary data ends within a length") from None
    except UnicodeDecodeError:
        raise BodyInvalid(f"row {len(texts)}, column {name[:80]!r}: found bytes that are not UTF-8") from None
    if len(texts) != size:
        raise ShapeMismatch(f"input {name[:80]!r}: shape says {size} values, binary data has another number")
    return texts


_EXACT: Mapping[str, frozenset[type]] = {
    **dict.fromkeys(FLOATS, frozenset((float, int))),
    **dict.fromkeys(RANGES, frozenset((int,))),
    "BOOL": frozenset((bool,)),
    "BYTES": frozenset((str,)),
}


def _exact(flat: list[Any], datatype: str) -> bool:
    """Whether all values are surely what their datatype promises, so that none need be looked at by itself."""
    kinds = set(map(type, flat))
    kinds.discard(type(None))
    if not kinds <= _EXACT[datatype]:
        return False
    if datatype in FLOATS:
        try:
            return isfinite(sum(filter(None, flat)))
        except OverflowError:
            return False
    if datatype in RANGES:
        low, high = RANGES[datatype]
        numbers = list(filter(None, flat))
        return not numbers or (low <= min(numbers) and max(numbers) <= high)
    return True


def _value(value: Any, datatype: str, name: str, row: int) -> Any:
    """A value that is what its tensor's datatype promises."""
    if value is None:
        return None
    kind = type(value)
    if kind is float and value - value != 0.0:
        if value != value:
            return None
        raise BodyInvalid(f"row {row}, column {name[:80]!r}: found a number that is not finite")
    if kind in _EXACT[datatype]:
        if datatype not in RANGES:
            return value
        low, high = RANGES[datatype]
        if low <= value <= high:
            return value
    elif kind is bytes and datatype == "BYTES":
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise BodyInvalid(f"row {row}, column {name[:80]!r}: found bytes that are not UTF-8") from None
    elif datatype == "BOOL" and kind in (int, float) and value in (0, 1):
        return bool(value)
    elif datatype in RANGES and kind is float and value.is_integer():
        low, high = RANGES[datatype]
        if low <= value <= high:
            return int(value) or value  # a zero keeps its sign
    raise BodyInvalid(f"row {row}, column {name[:80]!r}: found {kind_of(value)} in a tensor of {datatype}")
