"""The model repository calls of Triton and MLServer, answered truthfully for a server whose models are deployed.

Nothing is brought in or taken out here: what is served is decided by deploying, and a bundle is loaded from where
the routes say. A model of many is loaded when asked, so it can be loaded ahead and let go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from fairlead.contract.errors import BodyInvalid, ModelNotFound, NotFound, NotOffered
from fairlead.runtime.serve.deployed import Serving
from fairlead.runtime.serve.fleet import AT_ONCE

PREFIX = "/v2/repository/"
Rest = Callable[[str], None]
"""Lets a model go until it is asked again."""


def repository(serving: Serving, path: str, body: bytes, rest: Rest | None) -> Any:
    """What a POST to an address below `PREFIX` is answered, as a JSON value.

    Raises ModelNotFound, NotOffered, BodyInvalid, NotFound.
    """
    asked = _asked(body)
    parts = path[len(PREFIX) :].split("/")
    if parts == ["index"]:
        listed = index(serving)
        return [one for one in listed if one["state"] == "READY"] if asked.get("ready") is True else listed
    if len(parts) != 3 or parts[0] != "models" or parts[2] not in {"load", "unload"}:
        raise NotFound("no such address")
    model = parts[1]
    if model not in serving.models:
        raise ModelNotFound(f"no such model. Served: {', '.join(serving.models) or 'no model yet'}.")
    parameters = asked.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise BodyInvalid("parameters must be an object")
    if "config" in parameters or any(str(name).startswith("file:") for name in parameters):
        raise NotOffered("a model is not brought in by a request: seal it as a bundle and deploy it")
    if parts[2] == "load":
        # Asked for a model that sleeps, the server has loaded it before it looks at the request.
        return {}
    if rest is None or not is_lazy(serving):
        raise NotOffered(f"{model} is deployed and stays loaded: roll it back, or deploy another, to take it out")
    if model in serving.deployed:
        rest(model)
    return {}


def index(serving: Serving) -> list[dict[str, str]]:
    """Every model that may be asked, with each of its numbered versions."""
    listed = []
    for name in serving.models:
        deployed = serving.deployed.get(name)
        if deployed is not None:
            listed += [_entry(name, version, "READY", "") for version in deployed.versions or ("",)]
        else:
            variants = [taken for taken in serving.asleep[name].variants if not taken.shadow]
            versions = [str(taken.version) for taken in variants if taken.version] or [""]
            listed += [_entry(name, version, "UNAVAILABLE", "loaded when asked") for version in versions]
    return listed


def is_lazy(serving: Serving) -> bool:
    """Whether models are loaded when asked and let go when memory is short."""
    return len(serving.routes.routes) > AT_ONCE or serving.limits.max_models_bytes > 0


def _entry(name: str, version: str, state: str, reason: str) -> dict[str, str]:
    return {"name": name, "version": version, "state": state, "reason": reason}


def _asked(body: bytes) -> dict[str, Any]:
    """The object that was sent; nothing at all is an empty one."""
    if not body.strip():
        return {}
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise BodyInvalid("body must be a JSON object, or empty") from None
