"""How a client of each protocol says the same rows, in every form that the protocol has, and reads the answers."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import grpc_messages
import pyarrow as pa

from fairlead.contract.plugins import variant
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.tensors import raw_of, values_of_raw

SIGNATURE = Signature(
    task="classification",
    columns=(
        Column("age", "integer", nullable=False),
        Column("income, yearly", "number", minimum=0.0),
        Column("plan", "category", categories=("a", "b")),
        Column("member", "boolean"),
        Column("season", "category", coded="integer", categories=("1", "2")),
        Column("flag", "category", coded="boolean", categories=("false", "true")),
        Column("seen", "time"),
    ),
    classes=('No "%"', "Yes"),
    positive="Yes",
    key="id",
)
ROW = {
    "age": 31, "income, yearly": 1250.5, "plan": "a", "member": True, "season": 2, "flag": False,
    "seen": "2020-01-01T00:00:00Z", "id": "k1",
}  # fmt: skip
CELLS = [31.0, 1250.5, "a", 1.0, "2", "false", 1577836800.0]
IMAGE = Column("image", "tensor", nullable=False, dtype="uint8", shape=(2, 3), maximum=250.0)
PICTURED = Signature(
    task="classification",
    columns=(IMAGE, *(column for column in SIGNATURE.columns if column.name in {"age", "plan", "flag"})),
    classes=SIGNATURE.classes,
    positive="Yes",
    key="id",
)
BARE = Signature(task="classification", columns=(IMAGE,), classes=SIGNATURE.classes, positive="Yes")
PIXELS = [[0, 1, 2], [3, 250, 5]]
PICTURED_ROW = {"image": PIXELS, "age": 31, "plan": "a", "flag": False, "id": "k1"}
BARE_ROW = {"image": PIXELS}
PICTURE = bytes([0, 1, 2, 3, 250, 5])
PICTURED_CELLS = [PICTURE, 31.0, "a", "false"]
NAMES = ("image", *SIGNATURE.names)
Rows = Sequence[dict[str, Any]]
Said = tuple[bytes, dict[str, str]]
TYPES = {"age": "INT64", "income, yearly": "FP64", "member": "BOOL", "season": "INT64", "flag": "BOOL"}


class Speaker:
    """One form of one protocol.

    named: columns go by name (else in order, without pass-through ones). whole: one datatype a column, so that a
    mistake is in all rows. typed: what is written is what is read (CSV is text all over).
    """

    def __init__(
        self,
        codec: str,
        form: str,
        say: Callable[[Rows], bytes],
        kind: str = "application/json",
        *,
        named: bool = True,
        whole: bool = False,
        typed: bool = True,
        headers: Callable[[bytes], dict[str, str]] | None = None,
    ) -> None:
        self.name, self.form, self._say, self._kind = codec, form, say, kind
        self.named, self.whole, self.typed, self._headers = named, whole, typed, headers

    def __repr__(self) -> str:
        return f"{self.name}-{self.form}"

    def codec(self, signature: Signature = SIGNATURE) -> Any:
        return variant("codec", self.name)("churn", signature, Checks(signature))

    def say(self, rows: Rows) -> Said:
        """Body and headers of a request."""
        body = self._say(rows)
        return body, {"content-type": self._kind, **(self._headers(body) if self._headers else {})}

    def parse(self, codec: Any, rows: Rows) -> Any:
        return codec.parse(*self.say(rows))

    def labels(self, body: bytes) -> list[Any]:
        """The decisions that an answer tells: labels or numbers."""
        if self.name == "v2grpc":
            return list(grpc_messages.answer(body)["outputs"][0]["data"])
        if self.form == "arrow":
            return pa.ipc.open_stream(body).read_all().column(0).to_pylist()
        if self.form == "binary":
            said, end = json.JSONDecoder().raw_decode(body.decode("latin-1"))
            size = said["outputs"][0]["parameters"]["binary_data_size"]
            return list(values_of_raw(body[end : end + size], "BYTES", said["outputs"][0]["shape"], "label"))
        said = json.loads(body)
        if self.name == "v2":
            return list(said["outputs"][0]["data"])
        found = said if isinstance(said, list) else said["predictions"]
        return [one["label"] if isinstance(one, dict) else one for one in found]


def columns(rows: Rows) -> dict[str, list[Any]]:
    """One list a column."""
    return {name: [row.get(name) for row in rows] for name in {name: 0 for row in rows for name in row}}


def lists(rows: Rows) -> list[list[Any]]:
    """Values in the order of the signature."""
    return [[row.get(name) for name in NAMES if name in row] for row in rows]


def split(rows: Rows) -> dict[str, Any]:
    """As pandas splits a frame."""
    by_name = columns(rows)
    return {
        "columns": [*by_name],
        "index": [*range(len(rows))],
        "data": [list(row) for row in zip(*by_name.values(), strict=True)],
    }


def tensor(name: str, data: list[Any], count: int, upright: bool = False) -> dict[str, Any]:
    """A column as a tensor, its datatype that of its values."""
    if name == "image":
        return picture(name, data, count, upright)
    kind = TYPES.get(name, "BYTES")
    seen = {type(value) for value in data if value is not None}
    if kind == "INT64" and seen == {float}:
        kind = "FP64"
    if seen == {str}:
        kind = "BYTES"
    if seen == {bool}:
        kind = "BOOL"
    if seen == {int} and kind in {"BYTES", "BOOL"}:
        kind = "INT64"
    shape, said = ([count, 1], [[value] for value in data]) if upright else ([count], data)
    return {"name": name, "shape": shape, "datatype": kind, "data": said}


def picture(name: str, data: list[Any], count: int, upright: bool) -> dict[str, Any]:
    """A column of tensors as one, nested or flat."""
    said = data if upright else [pixel for cell in data for line in cell for pixel in line]
    return {"name": name, "shape": [count, *IMAGE.shape], "datatype": "UINT8", "data": said}


def tensors(rows: Rows, upright: bool = False) -> dict[str, Any]:
    return {"inputs": [tensor(name, data, len(rows), upright) for name, data in columns(rows).items()]}


def binary(rows: Rows) -> bytes:
    """Triton's extension; what is missing is NaN, which only FP tensors can say."""
    said, raws = tensors(rows), []
    for one in said["inputs"]:
        data = one.pop("data")
        if None in data:
            one["datatype"], data = "FP64", [math.nan if value is None else value for value in data]
        raws.append(raw_of(data, one["datatype"]))
        one["parameters"] = {"binary_data_size": len(raws[-1])}
    stated = json.dumps({**said, "parameters": {"binary_data_output": True}}).encode()
    return stated + b"".join(raws)


def header_length(body: bytes) -> dict[str, str]:
    """Of a binary request: where its JSON ends."""
    _, end = json.JSONDecoder().raw_decode(body.decode("latin-1"))
    return {"inference-header-content-length": str(end)}


def csv_text(rows: Rows, header: bool = True) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    names = [*columns(rows)] if header else [name for name in NAMES if any(name in row for row in rows)]
    if header:
        writer.writerow(names)
    for row in rows:
        writer.writerow(["" if row.get(name) is None else row[name] for name in names])
    return out.getvalue().encode()


def json_lines(rows: Rows) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in rows)


def arrow(rows: Rows) -> bytes:
    made = {}
    for name, data in columns(rows).items():
        try:
            made[name] = pa.array(data) if any(value is not None for value in data) else pa.array(data, pa.float64())
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            made[name] = pa.array([None if value is None else str(value) for value in data])
    table = pa.table(made)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def keyed(key: str, form: Callable[[Rows], Any]) -> Callable[[Rows], bytes]:
    """A JSON object with one key."""
    return lambda rows: json.dumps({key: form(rows)}).encode()


def _rows(codec: str, key: str) -> list[Speaker]:
    return [
        Speaker(codec, f"{key} objects", keyed(key, list)),
        Speaker(codec, f"{key} lists", keyed(key, lists), named=False),
    ]


ARROW = "application/vnd.apache.arrow.stream"
BYTES = "application/octet-stream"
SPEAKERS = [
    Speaker("native", "rows", lambda rows: json.dumps(rows[0] if len(rows) == 1 else list(rows)).encode()),
    Speaker("native", "columns", keyed("columns", columns)),
    Speaker("native", "arrow", arrow, ARROW, whole=True),
    Speaker("v2", "flat", lambda rows: json.dumps(tensors(rows)).encode(), whole=True),
    Speaker("v2", "upright", lambda rows: json.dumps(tensors(rows, True)).encode(), whole=True),
    Speaker("v2", "binary", binary, BYTES, whole=True, headers=header_length),
    Speaker("v2grpc", "typed", lambda rows: grpc_messages.message(json.dumps(tensors(rows)).encode()), whole=True),
    Speaker("v2grpc", "raw", lambda rows: grpc_messages.message(json.dumps(tensors(rows)).encode(), True), whole=True),
    *_rows("v1", "instances"),
    Speaker("v1", "inputs", keyed("inputs", columns)),
    *_rows("vertex", "instances"),
    *_rows("mlflow", "instances"),
    *_rows("mlflow", "inputs"),
    Speaker("mlflow", "inputs columns", keyed("inputs", columns)),
    Speaker("mlflow", "dataframe_split", keyed("dataframe_split", split)),
    Speaker("mlflow", "dataframe_records", keyed("dataframe_records", list)),
    Speaker("mlflow", "csv", csv_text, "text/csv; charset=utf-8", typed=False),
    Speaker("mlflow", "json lines", json_lines, "application/jsonlines"),
    Speaker("sagemaker", "csv", lambda rows: csv_text(rows, False), "text/csv", named=False, typed=False),
    Speaker("sagemaker", "json lines", json_lines, "application/jsonlines"),
    Speaker("azureml", "input_data", keyed("input_data", split)),
    Speaker("azureml", "input_data columns", keyed("input_data", columns)),
    *_rows("azureml", "input_data"),
    *_rows("azureml", "data"),
]
