"""The OpenAPI 3.1 document of what a server serves now: typed by the signatures of its models.

It is made from `Serving.endpoints`, so an address that answers predictions is in it by construction.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote
from weakref import WeakKeyDictionary

import msgspec

from fairlead.runtime.serve.deployed import Deployed, Endpoint, Serving
from fairlead.runtime.serve.web import neighbouring
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
    json_of,
    named,
    reply,
)
from fairlead.runtime.serve.web.columns import fields_of
from fairlead.runtime.serve.web.making import Steps, at_once
from fairlead.runtime.serve.web.protocols import columns_of, prediction_of, row_of, spoken
from fairlead.runtime.serve.web.said import Said

VERSION = "3.1.0"
MOST_TYPED = 32
"""Models that one document tells in full: more than that nobody reads at once, and each has a document of its own."""
_LONGEST_KEY = 1e128
_SECURITY: Schema = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, or a JWT of the configured issuer."},
    "key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "An API key."},
}


class Part(NamedTuple):
    """What a document says of one model: its components and its paths."""

    schemas: Schema
    paths: Schema


class Writer:
    """Makes documents; what was written of a model is kept as long as that model stays as it is.

    fixed: addresses of pages that are served.
    """

    def __init__(self, fixed: Collection[str], version: str) -> None:
        self._fixed, self._version = fixed, version
        self._parts: WeakKeyDictionary[Deployed, tuple[tuple[Any, ...], Part]] = WeakKeyDictionary()

    def document(self, serving: Serving, *, secured: bool, only: str | None = None) -> Schema:
        """secured: callers need a key or a token. only: a served model that the document is about; else it is about
        all of them, of which at most MOST_TYPED are told in full."""
        return at_once(self._steps(serving, secured, only))

    def encoded(self, serving: Serving, secured: bool, only: str | None = None) -> Steps[bytes]:
        """The same as JSON, piece by piece."""
        made = yield from self._steps(serving, secured, only)
        for part in (made["paths"], made["components"]["schemas"]):
            for name, value in part.items():
                part[name] = msgspec.Raw(msgspec.json.encode(value))
                yield
        return msgspec.json.encode(made)

    def _steps(self, serving: Serving, secured: bool, only: str | None) -> Steps[Schema]:
        denied = errors(401, 403, 429) if secured else {}
        # Without a name in the address an item may be about any model.
        alone = any(map(_alone, serving.deployed.values()))
        schemas: Schema = {"Error": ERROR, "Feedback": item_of(_ANY_LABEL, alone=alone)}
        headers = {"RequestId": REQUEST_ID, "RetryAfter": RETRY_AFTER}
        components: Schema = {"schemas": schemas, "headers": headers}
        names = sorted([*serving.deployed, *serving.asleep])
        paths: Schema = {path: _fixed(path) for path in sorted(self._fixed)}
        paths |= {**SITE, **neighbouring.ALWAYS}
        yield
        paths |= {path: named(path, entry, names) for path, entry in {**NAMED, **neighbouring.NAMED}.items()}
        paths["/feedback"] = feedback("feedback", {"$ref": "#/components/schemas/Feedback"}, denied)
        endpoints: dict[Deployed, list[tuple[str, Endpoint]]] = {one: [] for one in serving.deployed.values()}
        yield
        for path, endpoint in endpoints_of(serving):
            endpoints[endpoint.deployed].append((path, endpoint))
        yield
        full = [one for one in endpoints if one.route.model == only] if only else list(endpoints)[:MOST_TYPED]
        for deployed in full:
            own = endpoints[deployed]
            part = yield from self._part(deployed, own, denied)
            schemas |= part.schemas
            paths |= part.paths
        told = {deployed.route.model for deployed in full}
        for name in [] if only else [name for name in names if name not in told]:
            paths |= _untold(name, denied)
            yield
        made: Schema = {
            "openapi": VERSION,
            "info": {
                "title": "Fairlead",
                "version": self._version,
                "description": "Predictions of the served models, by every protocol that this server speaks.",
            },
            "servers": [{"url": "/"}],
            "tags": _tags(names),
            "paths": paths,
            "components": components,
        }
        if secured:
            components["securitySchemes"] = _SECURITY
            made["security"] = [{name: []} for name in _SECURITY]
        return made

    def _part(self, deployed: Deployed, endpoints: Sequence[tuple[str, Endpoint]], denied: Schema) -> Steps[Part]:
        key = (bool(denied), tuple(path for path, _ in endpoints))
        kept = self._parts.get(deployed)
        if kept is None or kept[0] != key:
            kept = self._parts[deployed] = (key, (yield from _written(deployed, endpoints, denied)))
        return kept[1]


def _fixed(path: str) -> Schema:
    """A page of one address; what is in no table is where a platform has its probe."""
    known = FIXED.get(path) or neighbouring.FIXED.get(path)
    return known if known is not None else neighbouring.probe(_id(path, set()))


def _written(deployed: Deployed, endpoints: Sequence[tuple[str, Endpoint]], denied: Schema) -> Steps[Part]:
    schemas: Schema = {}
    said = _said(deployed, schemas)
    yield
    ids: set[str] = set()
    paths: Schema = {}
    for path, endpoint in endpoints:
        paths[path] = {"post": _predict(path, endpoint, said, schemas, ids, denied)}
        yield
    path = f"/feedback/{quote(said.model)}"
    paths[path] = feedback(_id(path, ids), said.part("feedback"), denied)
    return Part(schemas, paths)


def _untold(model: str, denied: Schema) -> Schema:
    """A model that is not loaded, or one of very many."""
    path = f"/predict/{quote(model)}"
    told = f"Its columns and its other addresses are in a document of its own, /models/{quote(model)}/openapi.json."
    operation: Schema = {
        "operationId": _id(path, set()),
        "tags": [model],
        "summary": "Predict: rows as JSON objects, or columns",
        "description": told,
        "requestBody": {"required": True, "content": json_of({"type": ["object", "array"]})},
        "responses": {
            "200": reply("The answer.", json_of({"type": "object"})),
            **errors(400, 404, 413, 415, 422, 500, 503, 504),
            **denied,
        },
    }
    return {path: {"post": operation}}


def endpoints_of(serving: Serving) -> Iterator[tuple[str, Endpoint]]:
    """Where predictions are asked for over HTTP; what other protocols call their addresses does not begin with `/`."""
    return ((path, endpoint) for path, endpoint in serving.endpoints.items() if path.startswith("/"))


def _tags(models: Iterable[str]) -> list[Schema]:
    fixed = ("feedback", "health", "metadata", "documentation")
    listed = [{"name": n, "description": f"Predictions of the model {n}."} for n in models if n not in fixed]
    return listed + [{"name": name} for name in fixed]


def _said(deployed: Deployed, schemas: Schema) -> Said:
    """What one model says of itself; its row, columns and prediction become components."""
    prefix = _component(deployed.route.model)
    signature = deployed.signature
    said = Said(
        deployed.route.model,
        signature,
        fields_of(deployed),
        {name: _passed(deployed, name) for name in signature.passthrough},
        lambda part: {"$ref": f"#/components/schemas/{prefix}.{part}"},
    )
    schemas[f"{prefix}.row"] = row_of(said)
    schemas[f"{prefix}.columns"] = columns_of(said)
    schemas[f"{prefix}.prediction"] = prediction_of(said)
    schemas[f"{prefix}.feedback"] = item_of(_label(deployed), alone=_alone(deployed))
    return said


def _component(model: str) -> str:
    """A component's name may hold letters, digits, dot, dash and underscore alone; different models stay different.

    >>> _component("churn"), _component("a b")
    ('churn', 'a_20b')
    """
    return re.sub(r"[^A-Za-z0-9.-]", lambda odd: f"_{ord(odd.group()):x}", model)


def _passed(deployed: Deployed, name: str) -> Schema:
    """A pass-through cell: any scalar, but a time has to be one."""
    signature = deployed.signature
    if signature.time and name == signature.time[0]:
        return {
            "anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}, {"const": ""}, {"type": "null"}],
            "description": "Event time, passed through: ISO 8601, or seconds since 1970. Without it, time is arrival.",
        }
    words = "Row key, passed through: labels may come by it." if name == signature.row_key else "Passed through."
    whole = {"type": "integer", "exclusiveMinimum": -_LONGEST_KEY, "exclusiveMaximum": _LONGEST_KEY}
    return {"anyOf": [{"type": ["string", "boolean", "null"]}, whole, {"type": "number"}], "description": words}


def _predict(path: str, endpoint: Endpoint, said: Said, schemas: Schema, ids: set[str], denied: Schema) -> Schema:
    codec = endpoint.codec
    how = spoken(codec.name, said)
    operation: Schema = {
        "operationId": _id(path, ids),
        "tags": [said.model],
        "summary": how.summary,
        "requestBody": {"required": True, "content": _shared(how.request, f"{codec.name}.request", said, schemas)},
        "responses": {
            "200": reply("The answer.", _shared(how.answer, f"{codec.name}.answer", said, schemas)),
            **errors(400, 404, 413, 415, 422, 500, 503, 504, schema=_error_of(endpoint)),
            **denied,
        },
    }
    if how.words:
        operation["description"] = how.words
    return operation


def _shared(content: Schema, name: str, said: Said, schemas: Schema) -> Schema:
    """Media types whose JSON schema is a component: the addresses of one codec are several."""
    json = content.get("application/json")
    if json is None:
        return content
    reference = said.part(name)
    schemas.setdefault(reference["$ref"].rpartition("/")[2], json["schema"])
    return {**content, "application/json": {**json, "schema": reference}}


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


def _alone(deployed: Deployed) -> bool:
    """Whether a model forecasts one series, so that the time of an origin says which of its answers is meant."""
    return deployed.signature.task == "forecasting" and deployed.signature.row_key is None


_ANY_LABEL: Schema = {
    "anyOf": [
        {"type": ["string", "number", "boolean", "null"]},
        {"type": "array", "items": {"type": ["number", "null"]}, "minItems": 1},
    ]
}


def _label(deployed: Deployed) -> Schema:
    signature = deployed.signature
    if signature.task == "anomaly":
        return {"enum": ["true", "false", True, False, None], "description": "Whether it was an anomaly."}
    if signature.task == "clustering":
        return {"enum": [*signature.classes, None], "description": "The cluster that it belongs to."}
    if signature.task == "forecasting":
        steps = {"type": "array", "items": {"type": ["number", "null"]}, "minItems": 1, "maxItems": signature.horizon}
        said = "The values that came, from t+1 on: null for what is not due, at least one number."
        return {"anyOf": [steps, {"type": "null"}], "description": said}
    if signature.task != "classification":
        return {"type": ["number", "null"], "description": "The true number."}
    return {"enum": [*signature.classes, None], "description": "The true class."}
