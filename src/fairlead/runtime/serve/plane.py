"""The data plane: lists of requests in, one model call a variant, one spool write, replies out.

The order within a tick is the promise: validate, score, render, write to the spool, count, reply. What a client
saw answered was written before, and what is written as answered was answered. Requests share a tick and nothing
else: whatever is wrong with one of them, or goes wrong with it, the others do not notice.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Sequence
from time import time
from typing import Any

from fairlead.contract.errors import (
    BodyTooLarge,
    Busy,
    DeadlineExceeded,
    FairleadError,
    InputInvalid,
)
from fairlead.contract.ports import Request
from fairlead.contract.routes import Limits
from fairlead.runtime.capture.spool import Spool, Tally
from fairlead.runtime.serve.access import UNRECORDED, Access
from fairlead.runtime.serve.answering import Asked, answer, assigned, fail, render, sole
from fairlead.runtime.serve.aside import Aside
from fairlead.runtime.serve.bodies import head_of, read_again
from fairlead.runtime.serve.clock import steady
from fairlead.runtime.serve.counters import BUCKETS, Counters
from fairlead.runtime.serve.deployed import Endpoint, Live, Serving
from fairlead.runtime.serve.explaining.door import Explaining
from fairlead.runtime.serve.identity import Ids, usable
from fairlead.runtime.serve.lane import SMALL, Lane
from fairlead.runtime.serve.observing import unlike
from fairlead.runtime.serve.observing.watch import SLOW_S, Watch
from fairlead.runtime.serve.pages import Pages
from fairlead.runtime.serve.patience import keep_time
from fairlead.runtime.serve.recording import error_frame, record, recorded, sampled
from fairlead.runtime.serve.shadowing import Shadows
from fairlead.runtime.serve.stored import Stored
from fairlead.runtime.serve.waking import Waker
from fairlead.runtime.serve.web import is_frame
from fairlead.runtime.serve.whole import Whole
from fairlead.runtime.wire import frames
from fairlead.runtime.wire.status import headers_of, message_of, status_of

_SUM = len(BUCKETS) + 1
SHARE = 1 / 4
"""Of the deadline, what one tick may take by what its models cost lately; the rest is turned away before work is begun.
A request waits unread while the tick before runs, and granian splits one into up to three, so four fit the deadline."""


class DataPlane:
    """The `Application` port. spool: None answers without capturing."""

    def __init__(
        self,
        serving: Serving,
        pages: Pages,
        spool: Spool | None,
        counters: Counters,
        closing: Callable[[], None] = lambda: None,
        watch: Watch | None = None,
    ) -> None:
        self._serving, self._pages, self._spool, self._closing = serving, pages, spool, closing
        self._counters = counters
        self._captured_at = counters.index(("capture", "captured", ""))
        if spool is not None:
            self._count_captured(spool)
        self._ids = Ids()
        self._watch = watch or Watch(counters)
        self._access: Access | None = None
        self._changing = threading.Lock()
        self._aside = Aside(self._finish)
        self._shadows = Shadows(self._aside, spool)
        self.counts_unusual, self.callers = True, unlike.Callers()
        self.lane: Lane | None = None
        self.explaining: Explaining | None = None
        self.waker: Waker | None = None

    def swap(self, serving: Serving) -> None:
        """From the next tick on, answer with `serving`, and by the access that holds."""
        with self._changing:
            serving.access = self._access
            self._serving = serving
        if self._spool is not None:
            self._spool.max_bytes = serving.limits.max_spool_bytes

    def admit_by(self, access: Access | None) -> None:
        """From the next tick on `access` says who may ask, also of what is swapped in later; None: anybody."""
        with self._changing:
            self._access = self._serving.access = access

    def limits(self) -> Limits:
        return self._serving.limits

    def turned_away(self, code: int) -> None:
        """The transport answered with `code` what it did not pass on."""
        self._watch.turned_away(code)

    def close(self) -> None:
        self._closing()
        if self._spool is not None:
            self._spool.close()

    def answer_here(self, request: Request) -> None:
        """Answer a request in this process, however large it is."""
        lane, self.lane = self.lane, None
        try:
            self.answer([request])
        finally:
            self.lane = lane

    def answer_large(self, request: Request, body: Stored) -> None:
        """Answer one whose body the transport stored instead of gathering it; that is closed when it was read."""
        serving, lane = self._serving, self.lane
        if self.explaining is not None and self.explaining.takes(request):
            self._pass_on(serving, self.explaining, request, body)
            return
        if lane is not None and serving.limits.batch_bytes:
            self._pass_on(serving, lane, request, body)
            return
        with body:
            request.body = body.read()
        self.answer_here(request)

    def admits(self, request: Request) -> bool:
        """Asked when the large body of a request begins to come: whether to take it in. If not, it is answered."""
        access = self._serving.access
        try:
            if access is not None:
                access.authenticate(request)
        except FairleadError as error:
            self.refuse(request, error)
            return False
        return True

    def answer(self, requests: Sequence[Request]) -> None:
        serving = self._serving
        now, today = steady(), time()
        self._ids.tick(today)
        wholes: dict[tuple[Endpoint, Live], Whole] = {}
        asked: list[Asked] = []
        refused: list[frames.Error] = []
        endpoints, limits, access = serving.endpoints, serving.limits, serving.access
        room = share_s = limits.timeout_s * SHARE
        # Where many wait, those whose time is half gone would be answered too late, or make others so.
        late = now - (limits.timeout_s / 2 if len(requests) > 1 else limits.timeout_s)
        most, lane, new_id = limits.max_body_bytes, self.lane, self._ids.new
        before: Endpoint | None = None
        alike: Live | None = None
        watch = self._watch
        lap, taps = watch.layers.begin(requests), watch.taps
        for request in requests:
            body = request.body
            endpoint = endpoints.get(request.path)
            if endpoint is None and self.explaining is not None and self.explaining.takes(request):
                self._pass_on(serving, self.explaining, request)
                continue
            if lane is not None and len(body) > SMALL and lane.wants(request, limits):
                self._pass_on(serving, lane, request)
                continue
            if endpoint is None and serving.asleep and self._wakes(serving, request):
                continue
            if endpoint is None or request.method != "POST":
                self._pages.answer(serving, request, self._id(request, None), self._spool)
                continue
            if taps:
                request = watch.watched(serving, endpoint, request)
            try:
                if room <= 0.0 or request.arrived < late:
                    raise _too_late(request, now, limits)
                if request.patience is not None:
                    keep_time(request, request.patience, now + share_s - room)
                if access is not None:
                    access.admit(request, endpoint.deployed.route.model, "predict")
                if len(body) > most:
                    raise BodyTooLarge(most)
                try:
                    parsed = endpoint.parse(body, request.headers)
                except InputInvalid as error:
                    parsed = read_again(endpoint.parse, endpoint.codec, body, request.headers, most, error)
                if parsed.patience is not None:
                    keep_time(request, parsed.patience, now + share_s - room)
                caller = request.caller
                if caller is not None:
                    caller.rules.charge(len(parsed.rows), today)
                id = parsed.id
                if id is None or not usable(id):
                    id = request.headers.get("x-request-id")
                    if id is None or not usable(id):
                        id = new_id()
                room -= endpoint.likely.cost * len(parsed.rows)
                live = endpoint.whole or (sole(endpoint.deployed, parsed, id) if endpoint.shared else None)
                if live is None or (caller is not None and caller.rules.blunts):
                    asked.append(assigned(Asked(request, endpoint, id, parsed)))
                    continue
                if live.guard is not None:
                    live.guard(parsed.rows)
            except Exception as error:
                frame = self._refuse(endpoint, request, error, today)
                if not isinstance(error, UNRECORDED):
                    refused.append(frame)
                continue
            if endpoint is not before or live is not alike:
                before, alike = endpoint, live
                whole = wholes.get((endpoint, live)) or wholes.setdefault((endpoint, live), Whole(endpoint, live))
            whole.requests.append(request)
            whole.parsed.append(parsed)
            whole.ids.append(id)
        groups = []
        if lap:
            lap("parse")
        for whole in wholes.values():
            if whole.answer(lap) and (self._spool is None or recorded(serving, whole)):
                groups.append(whole)
            else:
                asked += whole.asked()
            if lap:
                lap("capture")
        if asked:
            asked = self._aside.take(serving, asked)
            answer(asked)
            if lap:
                lap("predict")
        self._capture(serving, groups, asked, refused)
        if lap:
            lap("capture")
        done = steady()
        for whole in groups:
            self._reply_whole(whole, done)
        for one in asked:
            self._reply(one)
        if lap:
            lap("reply")
        if self.counts_unusual:
            unlike.count(groups, asked)
        if access is not None:
            self.callers.add(unlike.marks_of(groups, asked))
        if lap:
            lap("unlike")
        watch.layers.end(lap)
        if taps:
            watch.end_tick(groups, asked)
        if requests and done - requests[0].arrived > SLOW_S:
            watch.slow(groups, asked, done)
        shadowed = [one for one in asked if one.endpoint.deployed.shadows and one.error is None]
        for whole in groups:
            if whole.endpoint.deployed.shadows:
                shadowed += whole.asked()
        if shadowed:
            self._shadows.mirror(serving, shadowed)

    def _finish(self, serving: Serving, asked: list[Asked]) -> None:
        """Answer requests whose scores came after their tick."""
        for one in asked:
            one.request.later = False
            render(one)
        self._capture(serving, (), asked, [])
        self._watch.know(asked)
        for one in asked:
            self._reply(one)
        if self.counts_unusual:
            unlike.count((), asked)
        if serving.access is not None:
            self.callers.add(unlike.marks_of((), asked))
        self._watch.slow((), asked, steady())
        shadowed = [one for one in asked if one.endpoint.deployed.shadows and one.error is None]
        if shadowed:
            self._shadows.mirror(serving, shadowed)

    def _pass_on(self, serving: Serving, lane: Lane, request: Request, body: Stored | None = None) -> None:
        try:
            if serving.access is not None:
                serving.access.authenticate(request)
            lane.take(request, serving.limits, body)
        except FairleadError as error:
            if body is not None:
                body.close()
            self.refuse(request, error)

    def _wakes(self, serving: Serving, request: Request) -> bool:
        """Whether a request is about a model that sleeps, and so is parked until that is loaded."""
        model = serving.sleeper(request.path)
        if model is None or self.waker is None or (serving.access is not None and is_frame(request.path)):
            return False
        try:
            if serving.access is not None:
                serving.access.authenticate(request)
            self.waker.park(model, request, serving.limits.max_queue)
        except FairleadError as error:
            self.refuse(request, error)
        return True

    def refuse(self, request: Request, error: Exception) -> None:
        """Reply to a request that is turned away before it was read."""
        endpoint = self._serving.endpoints.get(request.path)
        if endpoint is None:
            self._pages.refuse(request, self._id(request, None), error)
            return
        frame = self._refuse(endpoint, request, error, time())
        if not isinstance(error, UNRECORDED):
            self._capture(self._serving, (), (), [frame])

    def _id(self, request: Request, own: str | None) -> str:
        if own is not None and usable(own):
            return own
        given = request.headers.get("x-request-id")
        return given if given is not None and usable(given) else self._ids.new()

    def _refuse(self, endpoint: Endpoint, request: Request, error: Exception, now: float) -> frames.Error:
        code = status_of(error)
        id = self._id(request, None)
        endpoint.count(code)
        self._watch.failed(endpoint, request, id, error, code)
        body = endpoint.codec.error(message_of(error), code)
        request.reply(code, [head_of(body), ("x-request-id", id), *headers_of(error)], body)
        return error_frame(endpoint, id, error, now)

    def _capture(
        self, serving: Serving, groups: Sequence[Whole], asked: Sequence[Asked], refused: list[frames.Error]
    ) -> None:
        """One write for all of the tick."""
        if self._spool is None or not (groups or asked or refused):
            return
        if len(groups) == 1 and not asked and not refused:
            # As it nearly always is.
            whole = groups[0]
            rows = len(whole.rows)
            self._spool.append(whole.frames, (whole.live.schema,), Tally(rows, rows))
            self._count_captured(self._spool)
            return
        done, today = steady(), time()
        tally = Tally(errors=len(refused))
        encoded = [frames.encode(error) for error in refused]
        schemas: dict[int, frames.Schema] = {}
        for whole in groups:
            rows = len(whole.rows)
            tally.answered += rows
            tally.captured += rows
            encoded += whole.frames
            schemas[id(whole.live)] = whole.live.schema
        for one in asked:
            kept = sampled(one)
            if one.error is None and kept:
                try:
                    said = [record(frames.Prediction, serving, part, done, today) for part in one.parts]
                except Exception as error:
                    # What cannot be recorded is not answered.
                    fail(one, error)
            if one.error is not None:
                tally.errors += 1
                encoded.append(frames.encode(error_frame(one.endpoint, one.id, one.error, today)))
                continue
            rows = len(one.parsed.rows)
            tally.answered += rows
            if not kept:
                tally.sampled_out += rows
                continue
            tally.captured += rows
            encoded += said
            for part in one.parts:
                schemas[id(part.live)] = part.live.schema
        self._spool.append(encoded, list(schemas.values()), tally)
        self._count_captured(self._spool)

    def _count_captured(self, spool: Spool) -> None:
        """Rows by what became of them, as the spool has it; whoever reads /metrics sees drops at once."""
        counts, cells = spool.counts, self._counters.cells
        cells[self._captured_at] = counts.captured
        if not counts.sampled_out and not counts.dropped:
            return
        index = self._counters.index
        if counts.sampled_out:
            cells[index(("capture", "sampled_out", ""))] = counts.sampled_out
        for reason, rows in counts.dropped.items():
            cells[index(("capture", "dropped", reason))] = rows

    @staticmethod
    def _reply_whole(whole: Whole, done: float) -> None:
        live = whole.live
        whole.endpoint.deployed.used = done
        whole.endpoint.count(200, live, len(whole.requests))
        cells, at = live.counters.cells, whole.endpoint.seconds_at(live)
        cells[live.rows_at] += len(whole.rows)
        whole.endpoint.carried(sum([len(request.body) for request in whole.requests]), sum(map(len, whole.bodies)))
        _timed(cells, at, whole.requests, done)
        for request, parsed, id, body in zip(whole.requests, whole.parsed, whole.ids, whole.bodies, strict=True):
            request.reply(200, [*parsed.head, ("x-request-id", id)], body)

    def _reply(self, asked: Asked) -> None:
        endpoint, request = asked.endpoint, asked.request
        endpoint.deployed.used = request.arrived
        live = asked.parts[0].live
        if asked.error is not None:
            # Of several variants the one that failed is to blame.
            live = next((part.live for part in asked.parts if part.error is not None), live)
            code = status_of(asked.error)
            endpoint.count(code, live)
            self._watch.failed(endpoint, request, asked.id, asked.error, code)
            body = endpoint.codec.error(message_of(asked.error), code)
            request.reply(code, [head_of(body), ("x-request-id", asked.id), *headers_of(asked.error)], body)
            return
        endpoint.count(200, live)
        cells, at = live.counters.cells, endpoint.seconds_at(live)
        endpoint.carried(len(request.body), len(asked.body))
        took = steady() - request.arrived
        cells[live.rows_at] += len(asked.parsed.rows)
        cells[at + bisect_left(BUCKETS, took)] += 1
        cells[at + _SUM] += took
        request.reply(200, [*asked.parsed.head, ("x-request-id", asked.id)], asked.body)


def _timed(cells: Any, at: int, requests: Sequence[Request], done: float) -> None:
    """Count in a histogram at `at` how long requests took."""
    if len(requests) > 3:
        # What shares a tick came at nearly one time.
        times = [done - request.arrived for request in requests]
        bucket = bisect_left(BUCKETS, min(times))
        if bucket == bisect_left(BUCKETS, max(times)):
            cells[at + bucket] += len(times)
            cells[at + _SUM] += sum(times)
            return
    for request in requests:
        took = done - request.arrived
        cells[at + bisect_left(BUCKETS, took)] += 1
        cells[at + _SUM] += took


def _too_late(request: Request, now: float, limits: Limits) -> Exception:
    """Why a request is not begun: its own time is over, or there is none left for it."""
    if now - request.arrived > limits.timeout_s:
        return DeadlineExceeded(f"not answered within {limits.timeout_s:g} s")
    return Busy()
