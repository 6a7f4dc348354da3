"""How long a client waits, where it says so: whoever has left by the time it would be answered is not worked for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fairlead.contract.errors import DeadlineExceeded
from fairlead.contract.ports import Request

HEADERS = ("x-timeout-ms", "x-envoy-expected-rq-timeout-ms")
"""Whole milliseconds, 0 is for ever: our own, and what Envoy (so Istio, and KServe behind it) tells those behind it."""

_MILLIS = re.compile("[0-9]{1,9}")
_NONE = [None] * len(HEADERS)


def patience_of(headers: Mapping[str, str]) -> float | None:
    """Seconds, the shortest that `HEADERS` say; None where none says any. What is no number is no deadline."""
    said = [headers.get(name) for name in HEADERS]
    if said == _NONE:
        return None
    found = [int(text) / 1000 for text in said if text is not None and _MILLIS.fullmatch(text)]
    return min([seconds for seconds in found if seconds], default=None)


def keep_time(request: Request, patience: float, begins: float) -> None:
    """Remember how long the client waits. begins: when, of `steady`, its request can be begun at the soonest.

    Raises DeadlineExceeded where that is too late. What its own work takes is not counted: what is known of that may
    be wrong, and would never be set right if nothing was begun.
    """
    if begins - request.arrived >= patience:
        raise DeadlineExceeded(f"not answered within {patience:g} s, as the client asked")
    if request.patience is None or patience < request.patience:
        request.patience = patience
