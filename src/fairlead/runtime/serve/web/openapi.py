"""The OpenAPI 3.1 document of what a server serves now: typed by the signatures of its models.

It is made from `Serving.endpoints`, so an address that answers predictions is in it by construction.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from urllib.parse import quote

import msgspec

from fairlead.runtime.serve.deployed import Deployed, Endpoint, Serving
from fairlead.runtime.serve.web.addresses import (
    ERROR,
    FIXED,
    NAMED,
    REQUEST_ID,
    RETRY_AFTER,
    SITE,
    Schema,
    errors,
    feedback,
    item_of,
    named,
    reply,
)
from fairlead.runtime.serve.web.columns import fields_of
from fairlead.runtime.serve.web.protocols import Said, columns_of, prediction_of, row_of, spoken

VERSION = "3.1.0"
_LONGEST_KEY = 10**128
_SECURITY: Schema = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, or a JWT of the configured issuer."},
    "key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "An API key."},
}


def document(serving: Serving, fixed: Collection[str], version: str, *, secured: bool) -> Schema:
    """fixed: addresses of pages that are served; secured: callers need a key or a token."""
    components: Schema = {
        "schemas": {"Error": ERROR},
        "headers": {"RequestId": REQUEST_ID, "RetryAfter": RETRY_AFTER},
    }
    denied = errors(401, 403, 429) if secured else {}
    paths: Schema = {path: FIXED[path] for path in fixed if path in FIXED}
    paths |= SITE
    paths |= {path: named(path, serving.deployed) for path in NAMED}
    told = {name: _said(one, components["schemas"]) for name, one in serving.deployed.items()}
    paths |= _feedback(serving, told, components["schemas"], denied)
    ids: set[str] = set()
    for path, endpoint in endpoints_of(serving):
        paths[path] = {"post": _predict(path, endpoint, told[endpoint.deployed.route.model], ids, denied)}
    made: Schema = {
        "openapi": VERSION,
        "info": {
            "title": "Fairlead",
            "version": version,
            "description": "Predictions of the served models, by every protocol that this server speaks.",
        },
        "servers": [{"url": "/"}],
        "tags": _tags(serving),
        "paths": paths,
        "components": components,
    }
    if secured:
        components["securitySchemes"] = _SECURITY
        made["security"] = [{name: []} for name in _SECURITY]
    return made


def endpoints_of(serving: Serving) -> Iterator[tuple[str, Endpoint]]:
    """Where predictions are asked for over HTTP; what other protocols call their addresses does not begin with `/`."""
    return ((path, endpoint) for path, endpoint in serving.endpoints.items() if path.startswith("/"))


def _tags(serving: Serving) -> list[Schema]:
    fixed = ("feedback", "health", "metadata", "documentation")
    models = [
        {"name": name, "description": f"Predictions of the model {name}."}
        for name in sorted(serving.deployed)
        if name not in fixed
    ]
    return models + [{"name": name} for name in fixed]


def _said(deployed: Deployed, schemas: Schema) -> Said:
    """What one model says of itself; its row, columns and prediction become components."""
    prefix = _component(deployed.route.model, schemas)
    signature = deployed.signature
    said = Said(
        deployed.route.model,
        fields_of(deployed),
        {name: _passed(deployed, name) for name in signature.passthrough},
        signature.classes if signature.task == "classification" else (),
        lambda part: {"$ref": f"#/components/schemas/{prefix}.{part}"},
    )
    schemas[f"{prefix}.row"] = row_of(said)
    schemas[f"{prefix}.columns"] = columns_of(said)
    schemas[f"{prefix}.prediction"] = prediction_of(said)
    schemas[f"{prefix}.feedback"] = item_of(_label(deployed))
    return said


def _component(model: str, taken: Iterable[str]) -> str:
    """A component's name may hold letters, digits, dot, dash and underscore alone."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", model) or "model"
    while f"{name}.row" in taken:
        name += "_"
    return name


def _passed(deployed: Deployed, name: str) -> Schema:
    """A pass-through cell: any scalar, but a time has to be one."""
    signature = deployed.signature
    if signature.time and name == signature.time[0]:
        return {
            "anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}, {"const": ""}, {"type": "null"}],
            "description": "Event time, passed through: ISO 8601, or seconds since 1970. Without it, time is arrival.",
        }
    words = "Row key, passed through: labels may come by it." if name == signature.key else "Passed through."
    whole = {"type": "integer", "exclusiveMinimum": -_LONGEST_KEY, "exclusiveMaximum": _LONGEST_KEY}
    return {"anyOf": [{"type": ["string", "boolean", "null"]}, whole, {"type": "number"}], "description": words}


def _predict(path: str, endpoint: Endpoint, said: Said, ids: set[str], denied: Schema) -> Schema:
    codec = endpoint.codec
    how = spoken(codec.name, said)
    body = _error_of(endpoint)
    operation: Schema = {
        "operationId": _id(path, ids),
        "tags": [said.model],
        "summary": how.summary,
        "requestBody": {"required": True, "content": how.request},
        "responses": {
            "200": reply("The answer.", how.answer),
            **errors(400, 404, 413, 415, 422, 500, 503, 504, schema=body),
            **denied,
        },
    }
    if how.words:
        operation["description"] = how.words
    return operation


def _id(path: str, ids: set[str]) -> str:
    id = re.sub(r"[^A-Za-z0-9]+", "_", path).strip("_") or "root"
    while id in ids:
        id += "_"
    ids.add(id)
    return id


def _error_of(endpoint: Endpoint) -> Schema:
    """How this codec says that something is wrong, asked of itself; what the transport refuses is told our way."""
    ours: Schema = {"$ref": "#/components/schemas/Error"}
    said = msgspec.json.decode(endpoint.codec.error("text", 400))
    if not isinstance(said, dict) or list(said) == ["error"]:
        return ours
    kinds = {str: "string", int: "integer", float: "number", bool: "boolean", list: "array", dict: "object"}
    fields = {name: {"type": kinds[type(value)]} for name, value in said.items() if type(value) in kinds}
    return {"anyOf": [{"type": "object", "required": list(fields), "properties": fields}, ours]}


def _feedback(serving: Serving, told: Mapping[str, Said], schemas: Schema, denied: Schema) -> Schema:
    # Without a name in the address an item may be about any model.
    schemas["Feedback"] = item_of({"type": ["string", "number", "boolean", "null"]})
    paths: Schema = {"/feedback": feedback("feedback", {"$ref": "#/components/schemas/Feedback"}, denied)}
    for name in serving.deployed:
        path = f"/feedback/{quote(name)}"
        paths[path] = feedback(_id(path, set()), told[name].part("feedback"), denied)
    return paths


def _label(deployed: Deployed) -> Schema:
    signature = deployed.signature
    if signature.task != "classification":
        return {"type": ["number", "null"], "description": "The true number."}
    return {"enum": [*signature.classes, None], "description": "The true class."}
