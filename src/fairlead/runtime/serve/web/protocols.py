"""What each codec takes and gives, as OpenAPI media types; a codec that is not in the table is told in general."""

from __future__ import annotations

from collections.abc import Callable

from fairlead.contract.signature import Column
from fairlead.runtime.bundle.tensor_cells import cell_from, outside, size
from fairlead.runtime.serve.web.addresses import json_of
from fairlead.runtime.serve.web.columns import Field, example_of, schema_of
from fairlead.runtime.serve.web.said import Said, Schema, Spoken
from fairlead.runtime.serve.web.scoring import azureml, mlflow, steps_of, v1
from fairlead.runtime.serve.web.tensor_columns import element_of
from fairlead.runtime.wire.arrow_tables import MEDIA
from fairlead.runtime.wire.tensors import BINARY, datatype_of

_OCTETS = "application/octet-stream"
_BYTES: Schema = {"schema": {}}


def row_of(said: Said) -> Schema:
    """A row as an object: every feature, and what is passed through."""
    properties = {field.column.name: schema_of(field) for field in said.fields}
    return {
        "type": "object",
        "required": list(properties),
        "properties": {**properties, **said.passes},
        "additionalProperties": False,
        **({"examples": [said.example]} if said.short else {}),
    }


def columns_of(said: Said) -> Schema:
    """Rows column by column; the lists are of one length, which JSON Schema cannot say."""

    def listed(cell: Schema) -> Schema:
        return {"type": "array", "items": cell, "minItems": 1}

    names = list(said.example)
    inner = {
        "type": "object",
        "required": names,
        "properties": {name: listed(said.cell(name)) for name in (*names, *said.passes)},
        "additionalProperties": False,
        "description": "Lists of the same length.",
    }
    return {
        "type": "object",
        "required": ["columns"],
        "properties": {"columns": inner},
        "additionalProperties": False,
        **({"examples": [_as_columns(said)]} if said.short else {}),
    }


def _as_columns(said: Said) -> Schema:
    return {"columns": {name: [value] for name, value in said.example.items()}}


def prediction_of(said: Said) -> Schema:
    """One native answer."""
    task = said.signature.task
    if task == "clustering":
        cluster = {"type": "string", "enum": list(said.classes)}
        return {"type": "object", "required": ["cluster"], "properties": {"cluster": cluster}}
    if task == "anomaly":
        fields = {"anomaly": {"type": "boolean"}, "score": {"type": "number", "description": "Larger is stranger."}}
        return {"type": "object", "required": list(fields), "properties": fields}
    if task == "forecasting":
        return {"type": "object", "required": ["forecast"], "properties": {"forecast": steps_of(said.signature)}}
    if not said.classes:
        return {"type": "number"}
    share = {"type": "number", "minimum": 0, "maximum": 1}
    mark = {"type": "boolean", "description": "The model is not sure enough: the answer is left to a person."}
    left = {"abstained": mark} if said.signature.confidence > 0.0 else {}
    return {
        "type": "object",
        "required": ["label"],
        "properties": {
            "label": {"type": "string", "enum": list(said.classes)},
            "probabilities": {
                "type": "object",
                "properties": dict.fromkeys(said.classes, share),
                "additionalProperties": False,
                "description": "Left out for callers that may have the label alone.",
            },
            **left,
        },
    }


def _answers(items: Schema) -> Schema:
    return {
        "type": "object",
        "required": ["predictions"],
        "properties": {"predictions": {"type": "array", "items": items, "minItems": 1}},
    }


def _native(said: Said) -> Spoken:
    row = said.part("row")
    body = {"anyOf": [row, {"type": "array", "items": row, "minItems": 1}, said.part("columns")]}
    examples = said.examples(
        row=("One row", said.example),
        rows=("Several rows", [said.example] * 2),
        columns=("Column by column", _as_columns(said)),
    )
    return Spoken(
        "Predict: rows as JSON objects, columns, or an Arrow stream",
        {**json_of(body, **examples), MEDIA: _BYTES},
        {**json_of(_answers(said.part("prediction"))), MEDIA: _BYTES},
        "An Arrow stream is answered by one, unless `accept` asks for JSON.",
    )


def _tensor_types(column: Column) -> list[str]:
    """Datatypes whose values can be cells of the column."""
    numbers = [name for name in BINARY if name != "BOOL"]
    if column.kind in {"category", "text"}:
        return {"integer": ["BYTES", *numbers], "boolean": ["BOOL", "BYTES", *numbers]}.get(column.coded, ["BYTES"])
    if column.kind == "time":
        return ["BYTES", *numbers]
    return ["BOOL", *numbers] if column.kind == "boolean" else numbers


def _tensor_of(field: Field, said: Said) -> Schema:
    """One column's tensor."""
    column = field.column
    if column.kind != "tensor":
        return _tensor(column.name, _tensor_types(column), said.cell(column.name))
    rows: Schema = {"type": "integer", "minimum": 1}
    shapes = dict.fromkeys([column.shape, (size(column),)])
    ways = [
        {"prefixItems": [rows, *({"const": edge} for edge in shape)], "items": False, "minItems": len(shape) + 1}
        for shape in shapes
    ]
    made = _tensor(column.name, _tensor_types(column), element_of(column))
    shape = {"type": "array", "anyOf": ways, "description": "Rows first."}
    return {**made, "properties": {**made["properties"], "shape": shape}}


def _tensor(name: str, types: list[str], cell: Schema) -> Schema:
    return {
        "type": "object",
        "required": ["name", "shape", "datatype"],
        "properties": {
            "name": {"const": name},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "maxItems": 8},
            "datatype": {"enum": types},
            "data": {"type": "array", "items": {"anyOf": [cell, {"type": "array"}]}},
            "parameters": {"type": "object"},
        },
    }


def _v2(said: Said) -> Spoken:
    kinds = [_tensor_of(field, said) for field in said.fields]
    kinds += [_tensor(name, [*BINARY, "BYTES"], said.cell(name)) for name in said.passes]
    body = {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string", "description": "Comes back as it is, and names the request."},
            "parameters": {
                "type": "object",
                "description": "`timeout`: how long the client waits, in whole microseconds, 0 for ever. "
                "`binary_data_output`: whether outputs come as binary data.",
            },
            "inputs": {
                "type": "array",
                "minItems": len(said.fields),
                "items": {"anyOf": kinds},
                "description": "One tensor a column, [rows] or [rows, 1], and for a column of tensors [rows, ...] with "
                "its shape or its number of elements; every column once, all of the same length.",
            },
            "outputs": {"type": "array", "items": {"type": "object", "required": ["name"]}},
        },
    }
    example = {"inputs": [_example_tensor(field) for field in said.fields]} if said.short else {}
    output = {
        "type": "object",
        "required": ["name", "shape", "datatype"],
        "properties": {
            "name": {"type": "string"},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "datatype": {"type": "string"},
            "data": {"type": "array"},
            "parameters": {"type": "object"},
        },
    }
    answer = {
        "type": "object",
        "required": ["model_name", "outputs"],
        "properties": {
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "id": {"type": "string"},
            "parameters": {"type": "object"},
            "outputs": {"type": "array", "items": output},
        },
    }
    return Spoken(
        "Infer: the Open Inference Protocol, one tensor a column",
        {**json_of(body, **said.examples(row=("One row", example))), _OCTETS: _BYTES},
        {**json_of(answer), _OCTETS: _BYTES},
        "Octets are Triton's binary extension: JSON of the length that `inference-header-content-length` says, then "
        "the tensors' bytes.",
    )


def _example_tensor(field: Field) -> Schema:
    """One row of a column; tensors as nested lists, as V2 has no other form of them in JSON."""
    column, value = field.column, example_of(field)
    shape, data = [1], [value]
    if column.kind == "tensor":
        cell = cell_from(value, column)
        shape, data = [1, *column.shape], [] if cell is None else [outside(cell, column)]
    return {"name": column.name, "shape": shape, "datatype": datatype_of(column), "data": data}


def _general(said: Said) -> Spoken:
    """A codec of a third party: what it takes is its own to say."""
    return Spoken("Predict, by a protocol of its own", json_of({}), json_of({}))


_TABLE: dict[str, Callable[[Said], Spoken]] = {
    "native": _native,
    "v2": _v2,
    "v1": v1,
    "vertex": v1,
    "mlflow": mlflow,
    "sagemaker": mlflow,
    "azureml": azureml,
}
TITLES = {
    "native": "rows as JSON, columns, Arrow",
    "v2": "Open Inference Protocol",
    "v1": "KServe V1",
    "vertex": "Vertex AI",
    "mlflow": "MLflow",
    "sagemaker": "SageMaker",
    "azureml": "Azure ML",
}
"""What a codec is called where people read about it."""


def spoken(codec: str, said: Said) -> Spoken:
    """Request and answer of a codec for one model."""
    return _TABLE.get(codec, _general)(said)
