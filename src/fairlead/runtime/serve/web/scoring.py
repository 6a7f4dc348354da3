"""What the scoring protocols take and give, as OpenAPI media types: KServe V1, MLflow, SageMaker, Vertex AI, Azure ML.

Each has rows as objects or as lists in the order of the columns, some also columns or a frame as pandas splits it;
all answer what the model's own `predict` would.
"""

from __future__ import annotations

from fairlead.contract.signature import Signature
from fairlead.runtime.serve.web.addresses import json_of
from fairlead.runtime.serve.web.said import Said, Schema, Spoken
from fairlead.runtime.wire.codec import Answer
from fairlead.runtime.wire.labels import Labels

_TEXT: Schema = {"schema": {"type": "string"}}
_LINES = "application/jsonlines"


def _rows(said: Said) -> Schema:
    """Objects, or lists of values in order; all rows of a request in one of the two ways."""
    cells = [said.cell(field.column.name) for field in said.fields]
    listed = {"type": "array", "prefixItems": cells, "items": False, "minItems": len(cells)}
    ways: list[Schema] = [{"type": "array", "items": one, "minItems": 1} for one in (said.part("row"), listed)]
    if len(cells) == 1:
        ways.append({"type": "array", "items": cells[0], "minItems": 1})
    return {"anyOf": ways}


def _columns(said: Said) -> Schema:
    return {"$ref": f"{said.part('columns')['$ref']}/properties/columns"}


def _frame(said: Said) -> Schema:
    """As pandas splits a table; the names say which value is whose."""
    return {
        "type": "object",
        "required": ["columns", "data"],
        "properties": {
            "columns": {"type": "array", "items": {"enum": [*said.example, *said.passes]}},
            "index": {"type": "array"},
            "data": {"type": "array", "items": {"type": "array"}, "minItems": 1},
        },
        "additionalProperties": False,
    }


def _framed(said: Said) -> Schema:
    return {"columns": [*said.example], "index": [0], "data": [[*said.example.values()]]}


def _one_of(keys: Schema, example: Schema | None) -> Schema:
    """A body with exactly one of these keys; fields beside them are taken and change nothing."""
    ways = [{"required": [key]} for key in keys]
    told = {} if example is None else {"examples": [example]}
    return {"type": "object", "properties": keys, "oneOf": ways, **told}


def steps_of(signature: Signature) -> Schema:
    """One forecast."""
    return {
        "type": "array",
        "items": {"type": "number"},
        "minItems": signature.horizon,
        "maxItems": signature.horizon,
        "description": "A number a step, t+1 first.",
    }


def answers_of(said: Said) -> Schema:
    """A list of labels as they look in tables, of numbers, or of forecasts."""
    known = said.signature.labels
    if said.signature.task == "forecasting":
        return {"type": "array", "items": steps_of(said.signature), "minItems": 1}
    if not known:
        return {"type": "array", "items": {"type": "number"}, "minItems": 1}
    labels = Labels(said.signature).values(Answer(list(known), []))
    return {"type": "array", "items": {"enum": labels}, "minItems": 1}


def _predictions(said: Said) -> Schema:
    fields = {"predictions": answers_of(said)}
    if said.signature.confidence > 0.0:
        fields["abstained"] = {
            "type": "array",
            "items": {"type": "boolean"},
            "description": "Which are left to people.",
        }
    return json_of({"type": "object", "required": ["predictions"], "properties": fields})


def v1(said: Said) -> Spoken:
    """KServe's V1 and Vertex AI's, which differ in their addresses alone."""
    keys = {"instances": _rows(said), "inputs": {"anyOf": [_rows(said), _columns(said)]}}
    body: Schema = {"type": "object", "properties": keys, "anyOf": [{"required": [key]} for key in keys]}
    example = {"instances": [said.example]}
    return Spoken(
        "Predict: instances in, predictions out",
        json_of(body, **said.examples(row=("One row", example))),
        _predictions(said),
    )


def mlflow(said: Said) -> Spoken:
    """MLflow's scoring server, and SageMaker's `/invocations`."""
    rows = _rows(said)
    table = {"anyOf": [rows, _columns(said)]}
    keys = {"dataframe_split": _frame(said), "dataframe_records": rows, "instances": table, "inputs": table}
    split = {"dataframe_split": _framed(said)}
    body = _one_of(keys, split if said.short else None)
    body["properties"] = {**body["properties"], "params": {"type": "object"}}
    request = json_of(body, **said.examples(split=("A frame as pandas splits it", split)))
    names = ",".join(said.example)
    answer = _predictions(said)
    return Spoken(
        "Score: a frame, rows, columns or CSV in, predictions out",
        {**request, "text/csv": {**_TEXT, "example": names + "\n"}, _LINES: _TEXT},
        {**answer, "text/csv": _TEXT, _LINES: _TEXT},
        "CSV has the columns' names in its first line, or a value for every column in their order. An `accept` of "
        "text/csv or application/jsonlines is followed.",
    )


def azureml(said: Said) -> Spoken:
    """Azure ML's `/score`."""
    table = {"anyOf": [_rows(said), _columns(said), _frame(said)]}
    mine = {"input_data": table, "data": table}
    keys = {**mine, "dataframe_split": _frame(said), "dataframe_records": _rows(said)}
    example = {"input_data": _framed(said)}
    return Spoken(
        "Score: a frame, rows or columns in, a bare list out",
        json_of(_one_of(keys, example if said.short else None), **said.examples(frame=("A frame", example))),
        json_of(answers_of(said)),
    )
