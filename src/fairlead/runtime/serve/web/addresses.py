"""The addresses that are not predictions, as OpenAPI operations. What is not in these tables is not documented, and a
test says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fairlead.runtime.serve.feedback import LONGEST_COMMENT, MOST_ITEMS

Schema = dict[str, Any]
REQUEST_ID: Schema = {
    "description": "Id of the request: the caller's own where it gave a usable one, else a new one.",
    "schema": {"type": "string"},
}
RETRY_AFTER: Schema = {
    "description": "Seconds after which trying again makes sense.",
    "schema": {"type": "integer", "minimum": 0},
}
ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}},
    "description": "What was wrong, where, and what would be right; never a value that was sent.",
}
WORDS = {
    400: "What was sent does not fit: says which row, which column, what was found, what is allowed.",
    401: "No key or token, or one that does not hold.",
    403: "The caller is known and may not do this.",
    404: "Nothing of that name is served.",
    405: "This address takes another method.",
    413: "The body is over the limit.",
    415: "A content type or encoding that is not taken.",
    422: "The row fits, and the model's answer to it is no finite number.",
    429: "The caller is over its own limits.",
    500: "A fault of the server.",
    501: "A call that this server knows and does not offer.",
    503: "Over capacity, or not ready.",
    504: "Not answered in time.",
}


def json_of(schema: Schema, **more: Any) -> Schema:
    return {"application/json": {"schema": schema, **more}}


def reply(description: str, content: Schema | None = None, **headers: Schema) -> Schema:
    """A response object; every answer of the application carries x-request-id."""
    said: Schema = {"description": description, "headers": {"x-request-id": {"$ref": "#/components/headers/RequestId"}}}
    said["headers"] |= {name.replace("_", "-"): header for name, header in headers.items()}
    return said | ({"content": content} if content else {})


def errors(*codes: int, schema: Schema | None = None) -> Schema:
    """Responses by code. Those that the transport gives before the application sees the request have no id."""
    said: Schema = {}
    for code in codes:
        one: Schema = {"description": WORDS[code], "content": json_of(schema or {"$ref": "#/components/schemas/Error"})}
        if code in {429, 503}:
            one["headers"] = {"retry-after": {"$ref": "#/components/headers/RetryAfter"}}
        said[str(code)] = one
    return said


def get(id: str, tag: str, summary: str, content: Schema, *codes: int) -> Schema:
    """A page that is read; codes: of the errors it has beside 503."""
    responses = {"200": reply(summary, content), **errors(*codes, 503)}
    return {"get": {"operationId": id, "tags": [tag], "summary": summary, "responses": responses}}


def _flag(name: str, values: list[bool]) -> Schema:
    return {"type": "object", "required": [name], "properties": {name: {"type": "boolean", "enum": values}}}


def _ready(id: str) -> Schema:
    made = get(id, "health", "Whether predictions are answered", json_of(_flag("ready", [True])))
    made["get"]["responses"]["503"] = {
        "description": "No model is loaded yet, or over capacity.",
        "content": json_of({"anyOf": [_flag("ready", [False]), {"$ref": "#/components/schemas/Error"}]}),
    }
    return made


def names_under(key: str) -> Schema:
    """A list of names in a field."""
    return json_of(
        {"type": "object", "required": [key], "properties": {key: {"type": "array", "items": {"type": "string"}}}}
    )


_LIVE = json_of(_flag("live", [True]))
_TEXT = {"text/plain": {"schema": {"type": "string"}}}
_HTML = {"text/html": {"schema": {"type": "string"}}}
_OBJECT: Schema = {"type": "object"}
_TENSOR: Schema = {
    "type": "object",
    "required": ["name", "datatype", "shape"],
    "properties": {
        "name": {"type": "string"},
        "datatype": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
    },
}
_METADATA = json_of(
    {
        "type": "object",
        "required": ["name", "platform", "inputs", "outputs"],
        "properties": {
            "name": {"type": "string"},
            "versions": {"type": "array", "items": {"type": "string"}},
            "platform": {"type": "string"},
            "inputs": {"type": "array", "items": _TENSOR},
            "outputs": {"type": "array", "items": _TENSOR},
        },
    }
)
_SERVER = json_of(
    {
        "type": "object",
        "required": ["name", "version", "extensions"],
        "properties": {
            "name": {"type": "string"},
            "version": {"type": "string"},
            "extensions": {"type": "array", "items": {"type": "string"}},
        },
    }
)
model_ready = json_of(
    {
        "type": "object",
        "required": ["name", "ready"],
        "properties": {"name": {"type": "string"}, "ready": {"type": "boolean"}},
    }
)

_ANALYSIS = json_of(
    {
        "type": "object",
        "required": ["data"],
        "properties": {
            "data": {
                "type": "object",
                "required": ["model", "verdict", "n", "state", "why"],
                "properties": {
                    "model": {"type": "string"},
                    "verdict": {"type": "string", "enum": ["pass", "fail", "inconclusive"]},
                    "n": {"type": "integer"},
                    "state": {"type": "string", "enum": ["none", "running", "ended"]},
                    "why": {"type": "string"},
                },
            }
        },
    }
)


def _of_model(page: Schema) -> Schema:
    """A page about one model, which a query names."""
    named = {"name": "model", "in": "query", "required": False, "schema": {"type": "string"}}
    return {"get": {**page["get"], "parameters": [named]}}


FIXED: Mapping[str, Schema] = {
    "/health/live": get("live", "health", "Whether the server runs", _LIVE),
    "/v2/health/live": get("v2Live", "health", "Whether the server runs", _LIVE),
    "/health/ready": _ready("ready"),
    "/v2/health/ready": _ready("v2Ready"),
    "/version": get("version", "health", "The version of this server", _TEXT),
    "/metrics": get("metrics", "health", "Prometheus metrics, text format 0.0.4", _TEXT),
    "/analysis": _of_model(get("analysis", "health", "How a rollout stands, for Argo Rollouts and CI", _ANALYSIS, 404)),
    "/v2": get("v2Server", "metadata", "What this server is", _SERVER),
    "/v2/models": get("v2Models", "metadata", "Names of the served models", names_under("models")),
}
"""By address; an entry is documented when its address is served."""

SITE: Mapping[str, Schema] = {
    "/openapi.json": get("openapi", "documentation", "This document", json_of(_OBJECT)),
    "/": get("root", "documentation", "The same as /docs; a word for programs", {**_HTML, **json_of(_OBJECT)}),
    "/docs": get("docs", "documentation", "This documentation for people", _HTML),
    "/docs/contents": get("docsContents", "documentation", "The same without its frame", _HTML),
}
"""The site's own addresses; `site.py` serves them."""

_VERSION = {
    "name": "version",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
    "description": "A served version of the model.",
}
NAMED: Mapping[str, Schema] = {
    "/v2/models/{model}": get("v2Model", "metadata", "What a model takes and gives", _METADATA, 404),
    "/v2/models/{model}/ready": get("v2ModelReady", "metadata", "Whether a model answers", model_ready, 404),
    "/v2/models/{model}/versions/{version}": get("v2Version", "metadata", "The same of a version", _METADATA, 404),
    "/v2/models/{model}/versions/{version}/ready": get(
        "v2VersionReady", "metadata", "Whether a version answers", model_ready, 404
    ),
    "/models/{model}": get("form", "documentation", "A form for one model, for people", _HTML, 404),
    "/models/{model}/openapi.json": get("modelOpenapi", "documentation", "One model alone", json_of(_OBJECT), 404),
    "/models/{model}/contents": get("formContents", "documentation", "The same without its frame", _HTML, 404),
}
"""Addresses that name a model: `{model}` and `{version}` are parameters."""


def named(path: str, entry: Schema, models: Iterable[str]) -> Schema:
    """An entry with its parameters, `{model}` and perhaps `{version}`."""
    listed = sorted(models)
    name: Schema = {"type": "string", **({"enum": listed} if listed else {})}
    parameters = [
        {"name": "model", "in": "path", "required": True, "schema": name, "description": "Name of a served model."}
    ]
    return {"parameters": parameters + ([_VERSION] if "{version}" in path else []), **entry}


def feedback(id: str, schema: Schema, more: Schema) -> Schema:
    """`POST /feedback[/{model}]`. schema: of one item."""
    items: Schema = {"type": "array", "items": schema, "maxItems": MOST_ITEMS}
    responses = {
        "200": reply("How many were written, and why others were not.", json_of(_ACCEPTED)),
        **errors(400, 404, 413, 415, 500, 503, 504),
        **more,
    }
    operation = {
        "operationId": id,
        "tags": ["feedback"],
        "summary": "Say what was right: a label, a number, or words",
        "description": "Written before it is acknowledged; joined to its prediction later. `request` is the "
        "`x-request-id` of the answer.",
        "requestBody": {"required": True, "content": json_of({"anyOf": [schema, items]})},
        "responses": responses,
    }
    return {"post": operation}


def item_of(label: Schema, *, alone: bool = False) -> Schema:
    """Schema of one item of feedback; label: what the models of this address take. alone: a time is enough, as of
    forecasts of one series.
    """
    fields: Schema = {
        "request": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
        "row": {"type": "integer", "minimum": 0, "maximum": (1 << 31) - 1, "default": 0},
        "key": {"anyOf": [{"type": "string", "maxLength": 1024}, {"type": "number"}]},
        "time": {"description": "Event time, where a key comes back.", "anyOf": [_time(), _time_parts()]},
        "label": label,
        "value": {"type": ["number", "null"], "description": "A business number."},
        "comment": {"type": ["string", "null"], "maxLength": LONGEST_COMMENT},
        "definition": {"type": ["string", "null"], "maxLength": 128},
    }
    fields["request_id"] = fields["request"]
    fields["model"] = {"type": "string", "description": "Which model; not needed where the address or the server says."}
    return {
        "type": "object",
        "properties": fields,
        "additionalProperties": False,
        "anyOf": [{"required": [name]} for name in ("request", "request_id", "key", *(("time",) if alone else ()))],
        "description": "What it is about: `request` and `row`, or `key` and perhaps `time`. What is given: `label`, "
        "`value`, `comment`, or several of them.",
    }


def _time() -> Schema:
    return {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]}


def _time_parts() -> Schema:
    return {"type": "array", "minItems": 1, "items": {"type": ["string", "number"]}, "description": "[date, hour]"}


_ACCEPTED: Schema = {
    "type": "object",
    "required": ["accepted", "rejected"],
    "properties": {
        "accepted": {"type": "integer", "minimum": 0},
        "rejected": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["item", "reason"],
                "properties": {"item": {"type": "integer", "minimum": 0}, "reason": {"type": "string"}},
            },
        },
    },
}
