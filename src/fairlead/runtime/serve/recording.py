"""What is captured of a tick: requests as frames of the spool, redacted where the project says so."""

from __future__ import annotations

from collections.abc import Sequence
from time import time
from typing import Any

from fairlead.runtime.capture.redaction import redact_cell
from fairlead.runtime.serve.answering import Asked, Part
from fairlead.runtime.serve.assignment import share
from fairlead.runtime.serve.clock import steady, stepped
from fairlead.runtime.serve.deployed import Deployed, Endpoint, Live, Serving
from fairlead.runtime.serve.whole import Whole
from fairlead.runtime.wire import frames
from fairlead.runtime.wire.status import status_of


def recorded(serving: Serving, whole: Whole) -> bool:
    """Encode what is captured of a group. False when it cannot be: the general path then finds out which request."""
    live, deployed, parsed = whole.live, whole.endpoint.deployed, whole.parsed
    rows: Any = whole.rows
    passes: Any = None
    if live.schema.passes and any(one.passes for one in parsed):
        blank = (None,) * len(live.schema.passes)
        passes = [cells for one in parsed for cells in one.passes or [blank] * len(one.rows)]
    try:
        if deployed.redacts:
            rows, passes = _redacted(deployed, live, rows, passes, serving.redact_key)
        now = steady()
        set_by = stepped(now, time())
        arrivals = [request.arrived for request in whole.requests]
        if set_by:
            arrivals = [arrived + set_by for arrived in arrivals]
        callers = None
        if serving.access is not None:
            callers = [None if one.caller is None else one.caller.rules.mark for one in whole.requests]
        taken = live.variant
        tick = frames.Tick(
            now + set_by, deployed.route.model, taken.bundle, taken.name, whole.endpoint.codec.name,
            arrivals, whole.ids, callers, whole.sizes, rows, passes, whole.labels, whole.scores,
        )  # fmt: skip
        whole.frames.append(frames.encode(tick))
    except Exception:
        return False
    return True


def sampled(asked: Asked) -> bool:
    """Whether this request is among those that are recorded."""
    deployed = asked.endpoint.deployed
    return not deployed.sampled or share("sample", asked.id) < deployed.route.sample


def error_frame(endpoint: Endpoint, id: str, error: Exception, now: float) -> frames.Error:
    """A request that was refused or failed. now: seconds since the epoch."""
    model, protocol = endpoint.deployed.route.model, endpoint.codec.name
    return frames.Error(now, id, model, protocol, status_of(error), type(error).__name__)


def record(kind: type[frames.Prediction], serving: Serving, part: Part, done: float, today: float) -> bytes:
    """A part of a request as a frame of this kind. done: steady seconds of its answer; today: the time of day."""
    asked, live = part.asked, part.live
    deployed = asked.endpoint.deployed
    rows: Any = part.rows
    passes: Any = asked.parsed.passes
    if passes is not None and part.positions is not None:
        passes = [passes[at] for at in part.positions]
    if deployed.redacts:
        rows, passes = _redacted(deployed, live, rows, passes, serving.redact_key)
    arrived = asked.request.arrived
    return frames.encode(
        kind(
            arrived + stepped(done, today),
            done - arrived,
            asked.id,
            None if asked.request.caller is None else asked.request.caller.rules.mark,
            deployed.route.model,
            live.variant.bundle,
            live.variant.name,
            asked.endpoint.codec.name,
            rows,
            passes,
            part.positions,
            part.labels,
            part.scores or [],
        )
    )


def _redacted(deployed: Deployed, live: Live, rows: Any, passes: Any, key: bytes) -> tuple[Any, Any]:
    hidden = set(deployed.route.redact)
    places = [at for at, name in enumerate(live.model.signature.names) if name in hidden]
    return _hidden(rows, places, key), None if passes is None else _hidden(passes, deployed.hidden_passes, key)


def _hidden(rows: Any, places: Sequence[int], key: bytes) -> Any:
    if not places:
        return rows
    copies = [list(row) for row in rows]
    for row in copies:
        for at in places:
            row[at] = redact_cell(row[at], key)
    return copies
