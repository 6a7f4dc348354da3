"""Open Inference Protocol V2 over REST: one tensor a column in, one tensor an output out.

Outputs: a classification answers `label` (BYTES, [n]) and `probabilities` (FP64, [n, classes], in the order of
the signature's classes), a regression `value` (FP64, [n]).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union

import msgspec
from msgspec import Meta

from fairlead.contract.errors import BodyInvalid, ShapeMismatch
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.wire.checks import Checks, kind_of
from fairlead.runtime.wire.codec import Answer, Parsed
from fairlead.runtime.wire.native import read_json

_encode = msgspec.json.Encoder().encode
_WIDTHS = {f"{sign}{bits}": bits for sign in ("INT", "UINT") for bits in (8, 16, 32, 64)}
_FLOATS = frozenset({"FP16", "FP32", "FP64", "BF16"})
_Ones = Annotated[list[Literal[1]], Meta(min_length=1, max_length=2)]
_SCALARS: dict[str, Any] = {
    **dict.fromkeys(sorted(_FLOATS), int | float | None),
    **{f"INT{bits}": Annotated[int, Meta(ge=-(1 << (bits - 1)), le=(1 << (bits - 1)) - 1)] | None for bits in (32, 64)},
    "BOOL": bool | None,
    "BYTES": str | None,
}


def _tensor(kind: str, scalar: Any) -> Any:
    """The structure of a tensor of one value, so that decoding checks all there is to check but the column."""
    fields: list[Any] = [("name", str), ("shape", _Ones), ("data", tuple[scalar])]
    return msgspec.defstruct(f"One{kind}", fields, tag_field="datatype", tag=kind, gc=False)


_One: Any = Union[tuple(_tensor(kind, scalar) for kind, scalar in _SCALARS.items())]  # noqa: UP007


class _Output(msgspec.Struct, gc=False):
    name: str


class _Infer(msgspec.Struct, gc=False):
    inputs: list[_One]
    id: str | None = None
    outputs: list[_Output] | None = None


_quick = msgspec.json.Decoder(_Infer).decode


def datatype(column: Column) -> str:
    """The V2 datatype that metadata names for a column."""
    if column.kind in {"category", "text", "time"}:
        return {"integer": "INT64", "boolean": "BOOL"}.get(column.coded, "BYTES")
    return {"integer": "INT64", "boolean": "BOOL"}.get(column.kind, "FP64")


class V2:
    """`POST /v2/models/{model}[/versions/{version}]/infer`."""

    name = "v2"

    def __init__(self, model: str, signature: Signature, checks: Checks) -> None:
        self.model, self._checks = model, checks
        self._signature = signature
        self._classes = len(signature.classes)
        self._outputs = ("label", "probabilities") if signature.task == "classification" else ("value",)
        self._wanted = checks.width
        self._model = _encode(model).decode()

    def paths(self) -> Sequence[str]:
        return (f"/v2/models/{self.model}/infer", f"/v2/models/{self.model}/versions/{{version}}/infer")

    def default_paths(self) -> Sequence[str]:
        return ()

    def metadata(self, versions: Sequence[str]) -> bytes:
        """The body of `GET /v2/models/{model}`."""
        optional = [{"name": name, "datatype": "BYTES", "shape": [-1]} for name in self._checks.passthrough]
        inputs = [{"name": c.name, "datatype": datatype(c), "shape": [-1]} for c in self._signature.columns]
        shapes = {"label": ("BYTES", [-1]), "probabilities": ("FP64", [-1, self._classes]), "value": ("FP64", [-1])}
        outputs = [{"name": n, "datatype": shapes[n][0], "shape": shapes[n][1]} for n in self._outputs]
        said: dict[str, Any] = {
            "name": self.model,
            "versions": list(versions),
            "platform": "fairlead",
            "inputs": inputs,
            "outputs": outputs,
        }
        if optional:
            said["parameters"] = {"optional_inputs": optional}
        return _encode(said)

    def parse(self, body: bytes, headers: Mapping[str, str]) -> Parsed:
        """Raises InputInvalid and below."""
        parsed = self._parse(body)
        self._checks.check_times(parsed.passes)
        return parsed

    def _parse(self, body: bytes) -> Parsed:
        try:
            got = _quick(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self._careful(body)
        record = {tensor.name: tensor.data[0] for tensor in got.inputs}
        if len(record) != len(got.inputs):
            return self._careful(body)
        try:
            row = msgspec.convert(record, self._checks.row_type)
        except msgspec.ValidationError:
            return self._careful(body)
        cells, passed = self._checks.split(row)
        outputs = None if got.outputs is None else self._asked([output.name for output in got.outputs])
        return Parsed([cells], None if passed is None else [passed], got.id, outputs)

    def _careful(self, body: bytes) -> Parsed:
        got = read_json(body)
        if not isinstance(got, dict) or not isinstance(got.get("inputs"), list):
            raise BodyInvalid('body must be {"inputs": [{"name", "shape", "datatype", "data"}, ...]}')
        id = got.get("id")
        if id is not None and not isinstance(id, str):
            raise BodyInvalid("id must be text")
        columns: dict[str, list[Any]] = {}
        for at, tensor in enumerate(got["inputs"]):
            name, values = _values(tensor, at)
            if name in columns:
                raise BodyInvalid(f"input {name[:80]!r} is given twice")
            columns[name] = values
        rows, passes = self._checks.columns(columns)
        if not rows:
            raise BodyInvalid("the inputs have no rows")
        outputs = got.get("outputs")
        if outputs is not None:
            if not isinstance(outputs, list) or not all(
                isinstance(o, dict) and isinstance(o.get("name"), str) for o in outputs
            ):
                raise BodyInvalid('outputs must be [{"name": ...}, ...]')
            outputs = self._asked([output["name"] for output in outputs])
        return Parsed(rows, passes, id, outputs)

    def _asked(self, names: list[str]) -> tuple[str, ...] | None:
        unknown = [name[:80] for name in names if name not in self._outputs]
        if unknown:
            raise BodyInvalid(f"outputs unknown: {', '.join(unknown)}. This model gives: {', '.join(self._outputs)}.")
        return tuple(dict.fromkeys(names)) or None

    def render(self, asked: Parsed, answer: Answer) -> bytes:
        n = len(answer.scores)
        parts = []
        for name in asked.outputs or self._outputs:
            if name == "label":
                said = _encode(answer.labels).decode()
                parts.append(f'{{"name":"label","shape":[{n}],"datatype":"BYTES","data":{said}}}')
                continue
            flat = ",".join([repr(p) for row in answer.scores for p in row])
            shape = f"[{n},{self._classes}]" if name == "probabilities" else f"[{n}]"
            parts.append(f'{{"name":"{name}","shape":{shape},"datatype":"FP64","data":[{flat}]}}')
        version = f',"model_version":"{answer.version}"' if answer.version else ""
        id = "" if asked.id is None else f',"id":{_encode(asked.id).decode()}'
        return f'{{"model_name":{self._model}{version}{id},"outputs":[{",".join(parts)}]}}'.encode()

    def error(self, message: str, code: int) -> bytes:
        return _encode({"error": message})


def _values(tensor: Any, at: int) -> tuple[str, list[Any]]:
    """Name and checked values of one input tensor of one column."""
    if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
        raise BodyInvalid(f"input {at} must have name, shape, datatype and data")
    name, kind, shape, data = tensor["name"], tensor.get("datatype"), tensor.get("shape"), tensor.get("data")
    said = repr(name[:80])
    if not isinstance(kind, str) or not (kind in _WIDTHS or kind in _FLOATS or kind in {"BOOL", "BYTES"}):
        raise BodyInvalid(f"input {said}: datatype must be one of BOOL, BYTES, FP16, FP32, FP64, INT8 to UINT64")
    if not isinstance(data, list):
        raise BodyInvalid(f"input {said}: data must be a list")
    if (
        not isinstance(shape, list)
        or not all(isinstance(size, int) and not isinstance(size, bool) and size >= 0 for size in shape)
        or len(shape) not in (1, 2)
        or (len(shape) == 2 and shape[1] != 1)
    ):
        raise ShapeMismatch(f"input {said}: shape must be [rows] or [rows, 1]: one tensor holds one column")
    if any(isinstance(value, list) for value in data):
        data = _flat(data, said)
    if len(data) != shape[0]:
        raise ShapeMismatch(f"input {said}: shape says {shape[0]} rows, data has {len(data)}")
    return name, [_value(value, kind, said, row) for row, value in enumerate(data)]


def _flat(data: list[Any], said: str) -> list[Any]:
    if not all(isinstance(value, list) and len(value) == 1 and not isinstance(value[0], list) for value in data):
        raise ShapeMismatch(f"input {said}: data must be flat, or nested as [[value], [value], ...]")
    return [value[0] for value in data]


def _value(value: Any, kind: str, said: str, row: int) -> Any:
    """A value that is what its tensor's datatype promises. A whole number given as FP is a fine integer."""
    if value is None:
        return None
    if kind == "BYTES":
        fine = isinstance(value, str)
    elif kind == "BOOL":
        if not isinstance(value, bool) and value in (0, 1):
            return bool(value)
        fine = isinstance(value, bool)
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        fine = False
    elif kind in _FLOATS:
        fine = True
    else:
        bits = _WIDTHS[kind]
        low, high = (0, 1 << bits) if kind[0] == "U" else (-(1 << (bits - 1)), 1 << (bits - 1))
        fine = (isinstance(value, int) or value.is_integer()) and low <= value < high
        if fine:
            return int(value)
    if not fine:
        raise BodyInvalid(f"row {row}, column {said}: found {kind_of(value)} in a tensor of {kind}")
    return value
