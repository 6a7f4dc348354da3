"""Shadows: variants that are asked what others answer, after the replies, and told of to nobody."""

from __future__ import annotations

from collections.abc import Sequence
from time import time

from fairlead.runtime.capture.spool import Spool, Tally
from fairlead.runtime.serve.answering import Asked, Part, score
from fairlead.runtime.serve.aside import Aside
from fairlead.runtime.serve.clock import steady
from fairlead.runtime.serve.deployed import Live, Serving
from fairlead.runtime.serve.observing.variants import count_shadow
from fairlead.runtime.serve.recording import record, sampled
from fairlead.runtime.wire import frames


class Shadows:
    """aside: where models are asked that take their time. spool: where what they say is written; None: nowhere."""

    def __init__(self, aside: Aside, spool: Spool | None) -> None:
        self._aside, self._spool = aside, spool

    def mirror(self, serving: Serving, asked: Sequence[Asked]) -> None:
        """After the replies: what shadows would have said, captured and told to nobody."""
        groups: dict[Live, list[Part]] = {}
        for one in asked:
            for live in one.endpoint.deployed.shadows:
                groups.setdefault(live, []).append(Part(one, live, one.parsed.rows))
        scored: list[Part] = []
        for live, parts in groups.items():
            if live.aside:
                self._aside.shadows(serving, parts, self._record)
                continue
            score(live, parts)
            scored += parts
        self._record(serving, scored)

    def _record(self, serving: Serving, parts: list[Part]) -> None:
        encoded: list[bytes] = []
        schemas: dict[int, frames.Schema] = {}
        tally = Tally()
        for part in parts:
            live = part.live
            model = part.asked.endpoint.deployed.route.model
            count_shadow(live.counters, model, live.version, live.variant.name, part.scores is None)
            if part.scores is None or not sampled(part.asked):
                continue
            tally.shadows += len(part.rows)
            encoded.append(record(frames.Shadow, serving, part, steady(), time()))
            schemas[id(part.live)] = part.live.schema
        if self._spool is not None and encoded:
            self._spool.append(encoded, list(schemas.values()), tally)
