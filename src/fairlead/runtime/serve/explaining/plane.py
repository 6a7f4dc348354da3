"""The data plane of the process that explains: one request after another, none of them recorded as a prediction."""

from __future__ import annotations

import logging
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from time import monotonic, time
from typing import Any

import msgspec
import numpy as np

from fairlead.contract.errors import (
    BodyInvalid,
    BodyTooLarge,
    DeadlineExceeded,
    Forbidden,
    InputInvalid,
    ModelNotFound,
    NotOffered,
    TooManyRows,
    Unanswerable,
)
from fairlead.contract.ports import Request
from fairlead.contract.settings import ServeSettings
from fairlead.runtime.explain import Explanation, Terms
from fairlead.runtime.serve.answering import Asked, Part, assigned
from fairlead.runtime.serve.bodies import head_of, read_again
from fairlead.runtime.serve.clock import steady
from fairlead.runtime.serve.counters import BUCKETS
from fairlead.runtime.serve.deployed import Deployed, Endpoint, Live, Serving
from fairlead.runtime.serve.explaining.addresses import About, asked
from fairlead.runtime.serve.patience import keep_time
from fairlead.runtime.serve.plane import DataPlane
from fairlead.runtime.serve.worker import Worker
from fairlead.runtime.wire.codec import Parsed
from fairlead.runtime.wire.status import headers_of, message_of, status_of

_JSON = ("content-type", "application/json")
_log = logging.getLogger("fairlead.serve")
_json = msgspec.json.Encoder().encode


def open_plane(slot: int, settings: Mapping[str, Any]) -> DataPlane:
    """The factory of the lane: a plane that follows the routes by itself, as those of the workers do."""
    own = {"load": "fairlead.runtime.serve.explaining.loading:load", "keep_records": False}
    worker = ExplainWorker(slot, {**settings, **own})
    server: ServeSettings = settings.get("server") or ServeSettings()
    plane = worker.plane
    assert isinstance(plane, ExplainPlane)
    plane.most_rows = server.explain_rows
    return plane


class _Endpoint(Endpoint):
    """Counts requests for explanations apart from those for predictions."""

    __slots__ = ()

    def __init__(self, deployed: Deployed, codec: str, serving: Serving, plane: ExplainPlane) -> None:
        super().__init__(deployed, deployed.codecs[codec], plane.counters)
        self._labels = (deployed.route.model, "explain")


class ExplainPlane(DataPlane):
    """Answers what `addresses` knows. most_rows: of one request."""

    most_rows = 100

    @property
    def counters(self) -> Any:
        """Where it counts."""
        return self._counters

    def answer(self, requests: Sequence[Request]) -> None:
        """See `Application`."""
        serving = self._serving
        self._ids.tick(time())
        for request in requests:
            if not (serving.asleep and self._wakes(serving, request)):
                self._explain(serving, request)

    def _explain(self, serving: Serving, request: Request) -> None:
        id = self._id(request, None)
        endpoint: Endpoint | None = None
        live: Live | None = None
        try:
            about = asked(request.path)
            deployed = _deployed(serving, about)
            assert about is not None
            endpoint = _Endpoint(deployed, about.codec, serving, self)
            parsed, id = self._read(serving, endpoint, request, id)
            part = _sole(assigned(Asked(request, endpoint, id, parsed)))
            live = part.live
            body = _said(about, endpoint, part, self._terms(serving, request))
        except Exception as error:
            self._failed(endpoint, live, request, id, error)
            return
        endpoint.count(200, live)
        took = steady() - request.arrived
        at = endpoint.seconds_at(live)
        self._counters.cells[at + bisect_left(BUCKETS, took)] += 1
        self._counters.cells[at + len(BUCKETS) + 1] += took
        endpoint.carried(len(request.body), len(body))
        request.reply(200, [_JSON, ("x-request-id", id)], body)

    def _read(self, serving: Serving, endpoint: Endpoint, request: Request, id: str) -> tuple[Parsed, str]:
        """What is asked, by a caller that may. Raises what refuses it."""
        limits = serving.limits
        if steady() - request.arrived > limits.timeout_s:
            raise DeadlineExceeded(f"not answered within {limits.timeout_s:g} s")
        if request.patience is not None:
            keep_time(request, request.patience, steady())
        if serving.access is not None:
            caller = serving.access.admit(request, endpoint.deployed.route.model, "explain")
            if caller.rules.blunts:
                raise Forbidden("this key is told less than a model's scores, which an explanation would tell it")
        if len(request.body) > limits.max_body_bytes:
            raise BodyTooLarge(limits.max_body_bytes)
        try:
            parsed = endpoint.parse(request.body, request.headers)
        except InputInvalid as error:
            parsed = read_again(
                endpoint.parse, endpoint.codec, request.body, request.headers, limits.max_body_bytes, error
            )
        if len(parsed.rows) > self.most_rows:
            raise TooManyRows(len(parsed.rows), self.most_rows)
        if request.caller is not None:
            request.caller.rules.charge(len(parsed.rows), time())
        return parsed, parsed.id or id

    @staticmethod
    def _terms(serving: Serving, request: Request) -> Terms:
        patience = serving.limits.timeout_s
        if request.patience is not None:
            patience = min(patience, request.patience)
        return Terms(deadline=monotonic() + max(0.0, patience - (steady() - request.arrived)))

    def _failed(
        self, endpoint: Endpoint | None, live: Live | None, request: Request, id: str, error: Exception
    ) -> None:
        code = status_of(error)
        if endpoint is None:
            self._pages.refuse(request, id, error)
            return
        endpoint.count(code, live)
        self._watch.failed(endpoint, request, id, error, code)
        body = endpoint.codec.error(message_of(error), code)
        request.reply(code, [head_of(body), ("x-request-id", id), *headers_of(error)], body)


class ExplainWorker(Worker):
    """Follows the routes for a plane that explains."""

    answers_by = ExplainPlane


def _deployed(serving: Serving, about: About | None) -> Deployed:
    known = f"Served: {', '.join(serving.models) or 'no model yet'}."
    if about is None or about.model is None:
        if serving.default is None:
            raise ModelNotFound(f"several models are served, or none: ask for /explain/{{model}}. {known}")
        return serving.default
    found = serving.deployed.get(about.model)
    if found is None:
        raise ModelNotFound(f"no such model. {known}")
    return found


def _sole(one: Asked) -> Part:
    if len(one.parts) != 1:
        raise BodyInvalid("the rows are answered by different versions of the model: ask about one at a time")
    return one.parts[0]


def _said(about: About, endpoint: Endpoint, part: Part, terms: Terms) -> bytes:
    """The body of an answer. Raises NotOffered, Unanswerable, DeadlineExceeded."""
    model: Any = part.live.model
    if model.why_not:
        raise NotOffered(model.why_not)
    found: Explanation = model.explain(part.rows, terms)
    bad = ~np.isfinite(found.margins).all(axis=1) | ~np.isfinite(found.attributions).all(axis=(1, 2))
    if bad.any():
        raise Unanswerable(part.row(int(np.argmax(bad))))
    if not math.isfinite(float(np.abs(found.baseline).max(initial=0.0))):
        raise NotOffered("the model has no finite answer to its background rows: there is nothing to explain against")
    answer = {
        "model": endpoint.deployed.route.model,
        "version": part.live.version,
        "bundle": part.live.variant.bundle,
        "predictions": model.answers(model.score_rows(part.rows)),
        **found.answer(),
    }
    if about.codec == "v1":
        answer["explanations"] = answer["attributions"]
    return _json(answer)
