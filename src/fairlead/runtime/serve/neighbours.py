"""Addresses that clients and platforms of other servers ask besides predictions: health, lists, what is not offered.

MLflow and SageMaker: /ping, /health, /execution-parameters. KServe V1: /v1/models. Triton: /v2/repository. A platform
may name further addresses of its own for health.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec

from fairlead.contract.errors import BodyTooLarge, ModelNotFound, NotOffered
from fairlead.contract.ports import Request
from fairlead.runtime.serve.analysis import PATH, analysis_page
from fairlead.runtime.serve.bodies import plain
from fairlead.runtime.serve.deployed import Serving
from fairlead.runtime.serve.repository import PREFIX, Rest, repository
from fairlead.runtime.wire.mlflow import error_body

EXTENSIONS = ("binary_tensor_data", "model_repository")
"""What `GET /v2` says beyond the protocol."""

Said = tuple[int, tuple[str, str], bytes]
_json = msgspec.json.Encoder().encode
_JSON = ("content-type", "application/json")
_V1 = "/v1/models"


def alive(serving: Serving) -> Said:
    """200 with a line break, 404 while there is no model, as MLflow's and SageMaker's probes expect it."""
    return (200 if serving.models else 404), _JSON, b"\n"


def execution_parameters(serving: Serving) -> Said:
    """How SageMaker's batch transform may send its records; its own variables decide where they are set."""
    most = max(1, serving.limits.max_body_bytes >> 20)
    said = {
        "MaxConcurrentTransforms": _number("SAGEMAKER_MAX_CONCURRENT_TRANSFORMS", 8),
        "BatchStrategy": os.environ.get("SAGEMAKER_BATCH_STRATEGY") or "MULTI_RECORD",
        "MaxPayloadInMB": min(_number("SAGEMAKER_MAX_PAYLOAD_IN_MB", 6), most),
    }
    return 200, _JSON, _json(said)


FIXED: Mapping[str, Callable[[Serving], Said]] = {
    "/ping": alive,
    "/health": alive,
    "/execution-parameters": execution_parameters,
    _V1: lambda serving: (200, _JSON, _json({"models": serving.models})),
}
"""Pages that are read at one address."""


class Neighbours:
    """probes: further addresses of health. rest: lets a model go, where models are loaded when asked. run: the folder
    in which the watcher publishes how rollouts stand."""

    def __init__(self, probes: Sequence[str] = (), rest: Rest | None = None, run: Path | None = None) -> None:
        self.fixed = {**FIXED, **dict.fromkeys(probes, alive)}
        self._probes = frozenset(probes)
        self.rest, self.run = rest, run

    def is_probe(self, request: Request) -> bool:
        """Whether a platform asks for health, which it does without a key; the answer says nothing else."""
        return request.path in self._probes and request.method in {"GET", "HEAD"}

    def answer(self, serving: Serving, request: Request) -> Said | None:
        """The answer to a request of these addresses, None for any other; of a 405 the body is the right method."""
        path = request.path
        if path.startswith("/v1/models/"):
            return self._v1(serving, unquote(path[len(_V1) + 1 :]), request.method)
        if path.startswith(PREFIX):
            if request.method != "POST":
                return 405, _JSON, b"POST"
            return 200, _JSON, _json(repository(serving, unquote(path), _body(serving, request), self.rest))
        if path == PATH:
            reading = request.method in {"GET", "HEAD"}
            return (200, _JSON, analysis_page(serving, self.run, request.query)) if reading else (405, _JSON, b"GET")
        if path == "/explain" or path.startswith("/explain/"):
            return _unexplained(request.method)
        if path == "/invocations" or path.startswith("/invocations/"):
            return _no_invocations(serving, path)
        if path == "/score":
            raise ModelNotFound(f"several models are served, or none: name a default one. {_known(serving)}")
        return None

    @staticmethod
    def _v1(serving: Serving, name: str, method: str) -> Said:
        model, _, verb = name.partition(":")
        if model not in serving.models:
            raise ModelNotFound(f"no such model. {_known(serving)}")
        if verb == "explain":
            return _unexplained(method)
        if verb:
            raise NotOffered(f"{verb[:40]!r} is not offered: a model takes predict")
        if method not in {"GET", "HEAD"}:
            return 405, _JSON, b"GET"
        return 200, _JSON, _json({"name": model, "ready": True})


def _unexplained(method: str) -> Said:
    """Where explanations are made, posts go to the process that makes them and not here."""
    if method != "POST":
        return 405, _JSON, b"POST"
    raise NotOffered("explanations are switched off here: [serve] explain_rows is 0, or models are stand-ins")


def _no_invocations(serving: Serving, path: str) -> Said:
    """Where a model answers, its endpoint was asked and not this."""
    if path == "/invocations":
        said = f"several models are served, or none: ask for /invocations/{{model}}. {_known(serving)}"
    else:
        said = f"no such model. {_known(serving)}"
    return 404, _JSON, error_body(said, 404)


def _known(serving: Serving) -> str:
    return f"Served: {', '.join(serving.models) or 'no model yet'}."


def _body(serving: Serving, request: Request) -> bytes:
    limit = serving.limits.max_body_bytes
    if len(request.body) > limit:
        raise BodyTooLarge(limit)
    return plain(request.body, request.headers, limit)


def _number(variable: str, otherwise: int) -> int:
    said: Any = os.environ.get(variable, "")
    return int(said) if said.isascii() and said.isdigit() and 0 < len(said) < 6 and int(said) else otherwise
