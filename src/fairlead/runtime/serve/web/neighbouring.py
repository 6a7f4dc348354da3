"""What clients of other servers ask besides predictions (`serve/neighbours.py`), as OpenAPI operations."""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.runtime.serve.web.addresses import Schema, errors, get, json_of, model_ready, names_under, reply

_ANY: Schema = {"application/json": {}}
"""A line break, by convention."""


def probe(id: str) -> Schema:
    """Health as MLflow and SageMaker ask for it."""
    made = get(id, "health", "Whether a model is served, as platforms ask", _ANY)
    made["get"]["responses"]["404"] = reply("No model is served.", _ANY)
    return made


def _post(id: str, summary: str, schema: Schema, answer: Schema, *codes: int) -> Schema:
    responses = {"200": reply(summary, json_of(answer)), **errors(400, *codes, 413, 415, 500, 503, 504)}
    body = {"required": False, "content": json_of(schema)}
    operation = {
        "operationId": id,
        "tags": ["metadata"],
        "summary": summary,
        "requestBody": body,
        "responses": responses,
    }
    return {"post": operation}


_WHOLE: Schema = {"type": "integer", "minimum": 1}
_PARAMETERS: Schema = {"type": "object", "properties": {"parameters": {"type": ["object", "null"]}}}
_ENTRY: Schema = {
    "type": "object",
    "required": ["name", "version", "state", "reason"],
    "properties": {name: {"type": "string"} for name in ("name", "version", "state", "reason")},
}

_BY_COLUMN: Schema = {"type": "object", "additionalProperties": {"type": "number"}}
_NAMED_NUMBER: Schema = {"anyOf": [{"type": "number"}, _BY_COLUMN]}
_A_ROW: Schema = {"anyOf": [_BY_COLUMN, {"type": "object", "additionalProperties": _BY_COLUMN}]}
EXPLAINED: Schema = {
    "type": "object",
    "required": ["predictions", "method", "exact", "scale", "of", "baseline", "margins", "attributions", "residual"],
    "properties": {
        "predictions": {"type": "array"},
        "method": {"type": "string"},
        "exact": {"type": "boolean"},
        "scale": {"type": "string", "description": "The unit of baseline, margins and attributions."},
        "of": {"type": "array", "items": {"type": "string"}, "description": "What they are about: a class, or value."},
        "baseline": {
            **_NAMED_NUMBER,
            "description": "The mean margin of the background; with several outputs, by name.",
        },
        "margins": {"type": "array", "items": _NAMED_NUMBER},
        "attributions": {
            "type": "array",
            "items": _A_ROW,
            "description": "A row's, by column; they sum to its margin.",
        },
        "errors": {"type": "array", "items": _A_ROW, "description": "Standard errors, where they were sampled."},
        "residual": {"type": "number"},
    },
}
"""The answer to a question why."""

FIXED: Mapping[str, Schema] = {
    "/ping": probe("ping"),
    "/health": probe("health"),
    "/execution-parameters": get(
        "executionParameters",
        "metadata",
        "How SageMaker's batch transform may send its records",
        json_of(
            {
                "type": "object",
                "required": ["MaxConcurrentTransforms", "BatchStrategy", "MaxPayloadInMB"],
                "properties": {
                    "MaxConcurrentTransforms": _WHOLE,
                    "BatchStrategy": {"type": "string"},
                    "MaxPayloadInMB": _WHOLE,
                },
            }
        ),
    ),
    "/v1/models": get("v1Models", "metadata", "Names of the served models", names_under("models")),
}
ALWAYS: Mapping[str, Schema] = {
    "/v2/repository/index": _post(
        "repositoryIndex",
        "Every model that may be asked, with its versions",
        {"type": "object", "properties": {"ready": {"type": "boolean", "description": "Only what is loaded."}}},
        {"type": "array", "items": _ENTRY},
    ),
}
NAMED: Mapping[str, Schema] = {
    "/v1/models/{model}": get("v1Model", "metadata", "Whether a model answers", model_ready, 404),
    "/explain/{model}": _post(
        "explain",
        "Why: what each column of each row did to its answer",
        {"description": "A row, a list of rows, or columns, as for a prediction."},
        EXPLAINED,
        403,
        404,
        501,
    ),
    "/v1/models/{model}:explain": _post(
        "v1Explain",
        "Why: what each column of each instance did to its answer",
        {"type": "object", "required": ["instances"], "properties": {"instances": {"type": "array"}}},
        {**EXPLAINED, "required": [*EXPLAINED["required"], "explanations"]},
        403,
        404,
        501,
    ),
    "/v2/repository/models/{model}/load": _post(
        "repositoryLoad", "Load a model ahead of its first request", _PARAMETERS, {"type": "object"}, 404, 501
    ),
    "/v2/repository/models/{model}/unload": _post(
        "repositoryUnload", "Let a model go until it is asked again", _PARAMETERS, {"type": "object"}, 404, 501
    ),
}
"""Addresses with the parameter `{model}`."""
