"""What an address takes: nothing (probes), any key, or one with a certain verb for a certain model.

Addresses of predictions are not here: they are known exactly, by `Serving.endpoints`. Everything else is read
here, and read strictly: what decides is the address after decoding and without doubled or trailing slashes, so
that no way of writing one is asked for less than another.
"""

from __future__ import annotations

from urllib.parse import unquote

from fairlead.runtime.serve.explaining.addresses import asked

OPEN = frozenset({"/health", "/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready", "/ping"})
"""Probes: they say whether the server is up, and nothing else. Written exactly so, and read only."""

_REPOSITORY = "/v2/repository/"


def is_open(method: str, path: str) -> bool:
    """Whether anybody may ask, as probes do."""
    return path in OPEN and method in {"GET", "HEAD"}


def wanted(path: str) -> tuple[str, str | None]:
    """(verb, model) that an address other than a prediction's asks a caller for.

    An empty verb: any key will do (metadata, documents, and what is not there). model None: no model is named.

    >>> wanted("/metrics"), wanted("/feedback/churn"), wanted("/v2"), wanted("/v2/repository/index")
    (('metrics', None), ('feedback', 'churn'), ('', None), ('', None))
    >>> wanted("//v2/repository/models/churn/%6coad/")
    ('admin', 'churn')
    """
    parts = [part for part in unquote(path).removeprefix("grpc:").split("/") if part]
    plain = "/" + "/".join(parts)
    if plain in ("/metrics", "/analysis") or plain.startswith(("/metrics/", "/analysis/")):
        return "metrics", None
    if plain == "/feedback" or plain.startswith("/feedback/"):
        return "feedback", _model(path, "/feedback/")
    explained = asked(plain)
    if explained is not None:
        return "explain", explained.model
    if plain.startswith(_REPOSITORY) and plain != _REPOSITORY + "index":
        whole = len(parts) == 5 and parts[2] == "models" and parts[4] in {"load", "unload"}
        return "admin", parts[3] if whole else None
    return "", None


def _model(path: str, before: str) -> str | None:
    """The model that the page will take the address for: decoded as it decodes."""
    return unquote(path[len(before) :]) or None if path.startswith(before) else None
