"""The data plane: lists of requests in, one model call a variant, one spool write, replies out.

The order within a tick is the promise: validate, score, write to the spool, count, reply. What a client saw
answered was written before.
"""

from __future__ import annotations

import logging
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fairlead.contract.errors import BodyInvalid, BodyTooLarge, DeadlineExceeded, InputInvalid
from fairlead.contract.ports import Request
from fairlead.contract.routes import Limits
from fairlead.runtime.capture.redaction import redact
from fairlead.runtime.capture.spool import Spool, Tally
from fairlead.runtime.serve.assignment import assign, share
from fairlead.runtime.serve.bodies import must_be_json, plain
from fairlead.runtime.serve.counters import BUCKETS, Counters
from fairlead.runtime.serve.deployed import Deployed, Endpoint, Live, Serving
from fairlead.runtime.serve.identity import Ids, usable
from fairlead.runtime.serve.pages import Pages
from fairlead.runtime.wire import frames
from fairlead.runtime.wire.checks import Row, text_of
from fairlead.runtime.wire.codec import Answer, Parsed
from fairlead.runtime.wire.status import message_of, status_of

JSON = ("content-type", "application/json")
_SUM = len(BUCKETS) + 1
_log = logging.getLogger("fairlead.serve")


class Asked:
    """A request that was understood."""

    __slots__ = ("endpoint", "id", "parsed", "parts", "request")

    def __init__(self, request: Request, endpoint: Endpoint, id: str, parsed: Parsed) -> None:
        self.request, self.endpoint, self.id, self.parsed = request, endpoint, id, parsed
        self.parts: list[Part] = []


class Part:
    """Rows of a request that one variant answers. positions: in the request; None when they are all of its rows.

    scores stays None when the model did not answer; error then says why.
    """

    __slots__ = ("asked", "error", "labels", "live", "positions", "rows", "scores")

    def __init__(self, asked: Asked, live: Live, rows: Sequence[Row], positions: list[int] | None = None) -> None:
        self.asked, self.live, self.positions = asked, live, positions
        order = live.columns
        self.rows = rows if order is None else [[row[at] for at in order] for row in rows]
        self.labels: list[str] | None = None
        self.scores: list[list[float]] | None = None
        self.error: Exception | None = None


class DataPlane:
    """The `Application` port. spool: None answers without capturing."""

    def __init__(
        self,
        serving: Serving,
        pages: Pages,
        spool: Spool | None,
        counters: Counters,
        closing: Callable[[], None] = lambda: None,
    ) -> None:
        self._serving, self._pages, self._spool, self._closing = serving, pages, spool, closing
        self._counters = counters
        self._ids = Ids()

    def swap(self, serving: Serving) -> None:
        """From the next tick on, answer with `serving`."""
        self._serving = serving
        if self._spool is not None:
            self._spool.max_bytes = serving.limits.max_spool_bytes

    def limits(self) -> Limits:
        return self._serving.limits

    def close(self) -> None:
        self._closing()
        if self._spool is not None:
            self._spool.close()

    def answer(self, requests: Sequence[Request]) -> None:
        serving = self._serving
        now = time.time()
        self._ids.tick(now)
        groups: dict[Live, list[Part]] = {}
        asked: list[Asked] = []
        refused: list[frames.Error] = []
        for request in requests:
            endpoint = serving.endpoints.get(request.path)
            if endpoint is None or request.method != "POST":
                self._pages.answer(serving, request, self._id(request, None), self._spool)
                continue
            try:
                one = self._admit(serving, endpoint, request, now)
            except Exception as error:
                refused.append(self._refuse(endpoint, request, error, now))
                continue
            asked.append(one)
            for part in one.parts:
                group = groups.get(part.live)
                if group is None:
                    groups[part.live] = [part]
                else:
                    group.append(part)
        for live, parts in groups.items():
            _score(live, parts)
        self._capture(serving, asked, refused)
        for one in asked:
            self._reply(one)
        shadowed = [one for one in asked if one.endpoint.deployed.shadows]
        if shadowed:
            self._shadow(serving, shadowed)

    def _id(self, request: Request, own: str | None) -> str:
        if own is not None and usable(own):
            return own
        given = request.headers.get("x-request-id")
        return given if given is not None and usable(given) else self._ids.new()

    def _admit(self, serving: Serving, endpoint: Endpoint, request: Request, now: float) -> Asked:
        limits = serving.limits
        if now - request.arrived > limits.timeout_s:
            raise DeadlineExceeded(f"not answered within {limits.timeout_s:g} s")
        if len(request.body) > limits.max_body_bytes:
            raise BodyTooLarge(limits.max_body_bytes)
        try:
            parsed = endpoint.parse(request.body)
        except InputInvalid as error:
            parsed = self._again(endpoint, request, limits, error)
        asked = Asked(request, endpoint, self._id(request, parsed.id), parsed)
        deployed = endpoint.deployed
        live = endpoint.pinned or deployed.only
        if live is not None:
            asked.parts.append(Part(asked, live, parsed.rows))
        else:
            _split(asked, deployed)
        return asked

    @staticmethod
    def _again(endpoint: Endpoint, request: Request, limits: Limits, error: InputInvalid) -> Parsed:
        """A body that did not read may be compressed, or of a content type that is not ours."""
        body = plain(request.body, request.headers, limits.max_body_bytes)
        if body is not request.body:
            return endpoint.parse(body)
        if isinstance(error, BodyInvalid):
            must_be_json(request.headers)
        raise error

    def _refuse(self, endpoint: Endpoint, request: Request, error: Exception, now: float) -> frames.Error:
        code = status_of(error)
        id = self._id(request, None)
        endpoint.count(code)
        request.reply(code, [JSON, ("x-request-id", id)], endpoint.codec.error(message_of(error)))
        deployed = endpoint.deployed.route.model
        return frames.Error(now, id, deployed, endpoint.codec.name, code, type(error).__name__)

    def _capture(self, serving: Serving, asked: Sequence[Asked], refused: list[frames.Error]) -> None:
        if self._spool is None or not (asked or refused):
            return
        done = time.time()
        tally = Tally(errors=len(refused))
        encoded = [frames.encode(error) for error in refused]
        schemas: dict[int, frames.Schema] = {}
        for one in asked:
            deployed = one.endpoint.deployed
            kept = not deployed.sampled or share("sample", one.id) < deployed.route.sample
            for part in one.parts:
                if part.scores is None:
                    continue
                rows = len(part.rows)
                tally.answered += rows
                if not kept:
                    tally.sampled_out += rows
                    continue
                tally.captured += rows
                schemas[id(part.live)] = part.live.schema
                encoded.append(_frame(frames.Prediction, serving, part, done))
        self._spool.append(encoded, list(schemas.values()), tally)
        self._count_captured(self._spool)

    def _count_captured(self, spool: Spool) -> None:
        """Rows by what became of them, as the spool has it; whoever reads /metrics sees drops at once."""
        counts, index, cells = spool.counts, self._counters.index, self._counters.cells
        cells[index(("capture", "captured", ""))] = counts.captured
        if counts.sampled_out:
            cells[index(("capture", "sampled_out", ""))] = counts.sampled_out
        for reason, rows in counts.dropped.items():
            cells[index(("capture", "dropped", reason))] = rows

    def _reply(self, asked: Asked) -> None:
        endpoint, request = asked.endpoint, asked.request
        headers = [JSON, ("x-request-id", asked.id)]
        live = asked.parts[0].live
        try:
            body = endpoint.codec.render(asked.parsed, _joined(asked))
        except Exception as error:
            code = status_of(error)
            endpoint.count(code, live)
            request.reply(code, headers, endpoint.codec.error(message_of(error)))
            return
        endpoint.count(200, live)
        cells, at = live.counters.cells, live.seconds_at
        took = time.time() - request.arrived
        cells[live.rows_at] += len(asked.parsed.rows)
        cells[at + bisect_left(BUCKETS, took)] += 1
        cells[at + _SUM] += took
        request.reply(200, headers, body)

    def _shadow(self, serving: Serving, asked: Sequence[Asked]) -> None:
        """After the replies: what shadows would have said, captured and told to nobody."""
        groups: dict[Live, list[Part]] = {}
        for one in asked:
            for live in one.endpoint.deployed.shadows:
                groups.setdefault(live, []).append(Part(one, live, one.parsed.rows))
        encoded: list[bytes] = []
        tally = Tally()
        for live, parts in groups.items():
            _score(live, parts)
            for part in parts:
                deployed = part.asked.endpoint.deployed
                if part.scores is None or (
                    deployed.sampled and share("sample", part.asked.id) >= deployed.route.sample
                ):
                    continue
                tally.shadows += len(part.rows)
                encoded.append(_frame(frames.Shadow, serving, part, time.time()))
        if self._spool is not None and encoded:
            self._spool.append(encoded, [live.schema for live in groups], tally)


def _score(live: Live, parts: Sequence[Part]) -> None:
    """One model call for all parts; where it fails, each by itself, so that one cannot fail the others."""
    rows: Sequence[Any] = parts[0].rows if len(parts) == 1 else [row for part in parts for row in part.rows]
    try:
        scores = live.model.score_rows(rows)
        labels = live.model.decide(scores) if live.classified else None
        if not np.isfinite(scores).all():
            raise ArithmeticError("a score that is no number")
    except Exception as error:
        if len(parts) > 1:
            for part in parts:
                _score(live, [part])
        else:
            parts[0].error = error
            if status_of(error) == 500:
                _log.error("model of bundle %s failed: %s", live.variant.bundle[:12], type(error).__name__)
        return
    if labels is not None and not isinstance(labels, list):
        labels = labels.tolist()
    said = scores.tolist()
    at = 0
    for part in parts:
        end = at + len(part.rows)
        part.scores = said[at:end]
        part.labels = None if labels is None else labels[at:end]
        at = end


def _split(asked: Asked, deployed: Deployed) -> None:
    """Rows to variants: by the sticky column of each row, else by the request's id."""
    route, rows, passes = deployed.route, asked.parsed.rows, asked.parsed.passes
    by_key: dict[str, Live] = {}
    groups: dict[Live, list[int]] = {}
    for number, row in enumerate(rows):
        value = None
        if deployed.sticky is not None:
            passed, at = deployed.sticky
            value = text_of((passes[number][at] if passes is not None else None) if passed else row[at])
        key = asked.id if value is None else value
        live = by_key.get(key)
        if live is None:
            live = by_key[key] = deployed.by_name[assign(route, key).name]
        groups.setdefault(live, []).append(number)
    if len(groups) == 1:
        asked.parts.append(Part(asked, next(iter(groups)), rows))
        return
    for live, positions in groups.items():
        asked.parts.append(Part(asked, live, [rows[at] for at in positions], positions))


def _joined(asked: Asked) -> Answer:
    """The answers of all parts in the request's order. Raises what the first part that failed died of."""
    parts = asked.parts
    if len(parts) == 1:
        part = parts[0]
        if part.scores is None:
            raise part.error or ArithmeticError
        version = part.live.variant.version
        return Answer(part.labels, part.scores, str(version) if version else "")
    count = len(asked.parsed.rows)
    scores: list[list[float]] = [[]] * count
    labels: list[str] = [""] * count
    for part in parts:
        if part.scores is None:
            raise part.error or ArithmeticError
        for at, position in enumerate(part.positions or ()):
            scores[position] = part.scores[at]
            if part.labels is not None:
                labels[position] = part.labels[at]
    return Answer(labels if parts[0].labels is not None else None, scores)


def _frame(kind: type[frames.Prediction], serving: Serving, part: Part, done: float) -> bytes:
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
            arrived,
            done - arrived,
            asked.id,
            None,
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
            text = text_of(row[at])
            row[at] = None if text is None else redact(text, key)
    return copies
