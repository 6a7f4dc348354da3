"""Open Inference Protocol V2 over gRPC: the messages of `proto/open_inference.proto`, values typed or raw.

What a tensor means is that of `tensors`; raw is answered raw. A message arrives as the bytes it came in, as the
body of a request to an address that begins with `grpc:`, so that it takes the one path of all protocols.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any
from urllib.parse import quote

import msgspec

from fairlead.contract.errors import BodyInvalid, ShapeMismatch
from fairlead.contract.signature import Signature
from fairlead.runtime.wire.checks import Checks, Values
from fairlead.runtime.wire.codec import Answer, Header, Parsed
from fairlead.runtime.wire.proto import messages
from fairlead.runtime.wire.tensor_inputs import cells_of_list, cells_of_raw, column_for
from fairlead.runtime.wire.tensors import asked_outputs, columns_of, outputs_of, raw_of, values_of, values_of_raw
from fairlead.runtime.wire.v2_timeout import timeout_s

_encode = msgspec.json.Encoder().encode
_HEAD: tuple[Header, ...] = (("content-type", "application/grpc+proto"),)
_FIELDS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
_EXACT = frozenset({"BOOL", "INT32", "INT64", "UINT32", "UINT64", "FP32", "FP64", "BYTES"})
"""Datatypes whose field can hold nothing that is out of their range."""
_WIDE = {"FP64": struct.Struct("<d").unpack, "INT64": struct.Struct("<q").unpack}
_ONE = [1]

STATUS: dict[int, str] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    409: "FAILED_PRECONDITION",
    413: "RESOURCE_EXHAUSTED",
    415: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""Codes of HTTP as names of gRPC's; any other is INTERNAL."""


def address(body: bytes) -> str:
    """Where a ModelInferRequest is answered; without a model's name, the address of the default model.

    Raises BodyInvalid for what is no protobuf message.
    """
    said = _read(messages("open_inference").Addressed, body)
    model, version = quote(said.model_name, safe=""), quote(said.model_version, safe="")
    return f"grpc:/v2/models/{model}/versions/{version}/infer" if version else f"grpc:/v2/models/{model}/infer"


class V2Grpc:
    """`inference.GRPCInferenceService/ModelInfer`. protobuf is imported with the first message."""

    name = "v2grpc"

    def __init__(self, model: str, signature: Signature, checks: Checks) -> None:
        self.model, self._signature, self._checks = model, signature, checks
        self._first: Callable[[Any], Parsed | None] = self._careful if checks.tensors else self._quick

    def paths(self) -> Sequence[str]:
        name = quote(self.model, safe="")
        return (f"grpc:/v2/models/{name}/infer", f"grpc:/v2/models/{name}/versions/{{version}}/infer")

    def default_paths(self) -> Sequence[str]:
        return ("grpc:/v2/models//infer",)

    def parse(self, body: bytes, headers: Mapping[str, str]) -> Parsed:
        """Raises InputInvalid and below, MissingExtra without protobuf."""
        asked = _read(messages("open_inference").ModelInferRequest, body)
        parsed = self._first(asked) or self._careful(asked)
        self._checks.check_times(parsed.passes)
        parsed.id = asked.id or None
        if asked.outputs:
            parsed.outputs = asked_outputs([output.name for output in asked.outputs], self._signature)
        if asked.parameters:
            # Microseconds in whatever field a client puts whole numbers; 0 where it said nothing.
            said = asked.parameters.get("timeout")
            parsed.patience = None if said is None else timeout_s(said.int64_param or said.uint64_param)
        parsed.form, parsed.head = bool(asked.raw_input_contents), _HEAD
        return parsed

    def _quick(self, asked: Any) -> Parsed | None:
        """One row that is surely right; None sends it along the careful path."""
        record = _raw_row(asked) if asked.raw_input_contents else _typed_row(asked)
        if record is None or len(record) != len(asked.inputs):
            return None
        try:
            row = msgspec.convert(record, self._checks.row_type)
        except msgspec.ValidationError:
            return None
        cells, passed = self._checks.split(row)
        if not isfinite(sum([cell for cell in cells if isinstance(cell, float)])):
            return None  # unlike JSON, a message can hold an infinity
        return Parsed([cells], None if passed is None else [passed])

    def _careful(self, asked: Any) -> Parsed:
        rows, passes = self._checks.columns(columns_of(_tensors(asked, self._checks), self._signature))
        if not rows:
            raise BodyInvalid("the inputs have no rows")
        return Parsed(rows, passes)

    def render(self, asked: Parsed, answer: Answer) -> bytes:
        said = messages("open_inference").ModelInferResponse(
            model_name=self.model, model_version=answer.version, id=asked.id or ""
        )
        for tensor in outputs_of(self._signature, answer, asked.outputs):
            made = said.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
            if asked.form:
                said.raw_output_contents.append(raw_of(tensor.values, tensor.datatype))
            elif tensor.datatype == "BYTES":
                made.contents.bytes_contents.extend([value.encode() for value in tensor.values])
            else:
                getattr(made.contents, _FIELDS[tensor.datatype]).extend(tensor.values)
        whole: bytes = said.SerializeToString()
        return whole

    def error(self, message: str, code: int) -> bytes:
        """For the door alone, which tells the message by gRPC's own means."""
        return _encode({"error": message})


def _read(kind: Any, body: bytes) -> Any:
    from google.protobuf.message import DecodeError

    try:
        return kind.FromString(body)
    except DecodeError:
        raise BodyInvalid(f"the message is no {kind.DESCRIPTOR.name}") from None


def _typed_row(asked: Any) -> dict[str, Any] | None:
    """The values of tensors of one value each; None where any is out of the ordinary."""
    record: dict[str, Any] = {}
    for tensor in asked.inputs:
        fields = tensor.contents.ListFields()
        if len(fields) != 1 or tensor.shape != _ONE:
            return None
        field, values = fields[0]
        datatype = tensor.datatype
        if len(values) != 1 or datatype not in _EXACT or field.name != _FIELDS[datatype]:
            return None
        value = values[0]
        if datatype == "BYTES":
            try:
                value = value.decode()
            except UnicodeDecodeError:
                return None
        record[tensor.name] = None if value != value else value
    return record


def _raw_row(asked: Any) -> dict[str, Any] | None:
    """The same of raw contents."""
    raw = asked.raw_input_contents
    if len(raw) != len(asked.inputs):
        return None
    record: dict[str, Any] = {}
    for tensor, held in zip(asked.inputs, raw, strict=True):
        datatype = tensor.datatype
        value: Any
        if tensor.shape != _ONE or tensor.HasField("contents"):
            return None
        if datatype == "BYTES":
            if int.from_bytes(held[:4], "little") != len(held) - 4:
                return None
            try:
                value = held[4:].decode()
            except UnicodeDecodeError:
                return None
        elif datatype in _WIDE and len(held) == 8:
            (value,) = _WIDE[datatype](held)
        elif datatype == "BOOL" and held in (b"\0", b"\1"):
            value = held == b"\1"
        else:
            return None
        record[tensor.name] = None if value != value else value
    return record


def _tensors(asked: Any, checks: Checks) -> list[tuple[str, Sequence[int], Values]]:
    """Name, shape and values of every input."""
    raw = asked.raw_input_contents
    if raw and len(raw) != len(asked.inputs):
        raise ShapeMismatch(f"raw_input_contents has {len(raw)} entries for {len(asked.inputs)} inputs")
    found: list[tuple[str, Sequence[int], Values]] = []
    for at, tensor in enumerate(asked.inputs):
        name, datatype, shape = tensor.name, tensor.datatype, list(tensor.shape)
        column = column_for(name, len(asked.inputs), checks) if checks.tensors else None
        values: Values
        if not raw:
            data = _contents(tensor, name, datatype)
            if column is None:
                values = values_of(data, datatype, shape, name)
            else:
                values = cells_of_list(data, datatype, shape, column, name)
        elif tensor.HasField("contents"):
            raise BodyInvalid(f"input {name[:80]!r}: has contents and raw_input_contents, which exclude each other")
        elif column is None:
            values = values_of_raw(raw[at], datatype, shape, name)
        else:
            values = cells_of_raw(raw[at], datatype, shape, column, name)
        found.append((name, shape, values) if column is None else (column.name, [len(values)], values))
    return found


def _contents(tensor: Any, name: str, datatype: str) -> Sequence[Any]:
    """The typed values of an input, which must be in the field of its datatype alone."""
    field = _FIELDS.get(datatype)
    if field is None:
        if datatype in {"FP16", "BF16"}:
            raise BodyInvalid(f"input {name[:80]!r}: {datatype} has no typed contents, send it in raw_input_contents")
        return ()
    filled = [one.name for one, _ in tensor.contents.ListFields()]
    if filled and filled != [field]:
        raise BodyInvalid(f"input {name[:80]!r}: values of {datatype} belong in {field} alone")
    values: Sequence[Any] = getattr(tensor.contents, field)
    return values
