"""Where explanations are asked for: /explain, /explain/{model} and KServe's /v1/models/{model}:explain."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote

_V1, _VERB = "/v1/models/", ":explain"


class About(NamedTuple):
    """codec: how rows are written; model: None for the server's default."""

    codec: str
    model: str | None


def asked(path: str) -> About | None:
    """What an address asks an explanation of, None for any other.

    >>> asked("/explain"), asked("/explain/churn").model, asked("/v1/models/churn:explain").codec, asked("/predict")
    (About(codec='native', model=None), 'churn', 'v1', None)
    """
    if path == "/explain":
        return About("native", None)
    if path.startswith("/explain/"):
        name = unquote(path[len("/explain/") :])
        return About("native", name) if name and "/" not in name else None
    if path.startswith(_V1) and unquote(path).endswith(_VERB):
        return About("v1", unquote(path)[len(_V1) : -len(_VERB)])
    return None
