"""The common case of a tick made cheap: requests of one endpoint that one variant answers whole.

Kept as parallel lists, so that a request costs no object of its own here. It is an optimistic path: whatever is
out of the ordinary (a model that raises, an answer that is no number) sends all of the group through the general
path of `answering`, which decides for each request alone.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from fairlead.contract.ports import Request
from fairlead.runtime.bundle.tail_kernel import finite
from fairlead.runtime.serve.answering import Asked, Part
from fairlead.runtime.serve.deployed import Endpoint, Live
from fairlead.runtime.wire.codec import Answer, Parsed

_SEVERAL = 3
"""Requests from which writing their answers at once costs less than one by one."""


class Whole:
    """Parallel lists, one entry a request; labels and scores have one entry a row, in the order of the requests.

    sizes: rows of each request, None where each has one. frames: what the spool is given.
    """

    __slots__ = (
        "bodies", "endpoint", "frames", "ids", "labels", "live", "parsed", "requests", "rows", "scores", "sizes",
    )  # fmt: skip

    def __init__(self, endpoint: Endpoint, live: Live) -> None:
        self.endpoint, self.live = endpoint, live
        self.requests: list[Request] = []
        self.parsed: list[Parsed] = []
        self.ids: list[str] = []
        self.rows: list[Any] = []
        self.sizes: list[int] | None = None
        self.labels: list[str] | None = None
        self.scores: list[list[float]] = []
        self.bodies: list[bytes] = []
        self.frames: list[bytes] = []

    def answer(self, lap: Callable[[str], None] | None = None) -> bool:
        """Score and render all. False when any of it did not go as it should: then nothing here counts.

        lap: told when a layer of this is done, in a tick that is measured.
        """
        live, began = self.live, perf_counter()
        sizes = [len(parsed.rows) for parsed in self.parsed]
        if sizes.count(1) == len(sizes):
            rows = self.rows = [parsed.rows[0] for parsed in self.parsed]
        else:
            self.sizes = sizes
            rows = self.rows = [row for parsed in self.parsed for row in parsed.rows]
        try:
            labels, scores = self.labels, self.scores = live.answer(rows)
            if lap:
                lap("predict")
            if len(scores) != len(rows) or not finite(scores):
                return False
            self._render(labels, scores)
            if lap:
                lap("render")
            live.learn(perf_counter() - began, len(rows))
        except Exception:
            return False
        return True

    def _render(self, labels: list[str] | None, scores: list[list[float]]) -> None:
        codec, version, abstaining = self.endpoint.codec, self.live.version, self.live.abstaining
        if abstaining is not None and labels is not None:
            self._render_marked(labels, scores, abstaining.of(labels, scores))
            return
        each = getattr(codec, "render_each", None)
        if each is not None and self.sizes is None and len(self.parsed) >= _SEVERAL:
            self.bodies = each(self.parsed, labels, scores, version)
            return
        at = 0
        for parsed in self.parsed:
            end = at + len(parsed.rows)
            said = None if labels is None else labels[at:end]
            self.bodies.append(codec.render(parsed, Answer(said, scores[at:end], version)))
            at = end

    def _render_marked(self, labels: list[str], scores: list[list[float]], abstained: list[bool]) -> None:
        at, version = 0, self.live.version
        for parsed in self.parsed:
            end = at + len(parsed.rows)
            said = Answer(labels[at:end], scores[at:end], version, abstained[at:end])
            self.bodies.append(self.endpoint.codec.render(parsed, said))
            at = end

    def asked(self) -> list[Asked]:
        """The same requests for the general path."""
        found = []
        for request, parsed, id in zip(self.requests, self.parsed, self.ids, strict=True):
            one = Asked(request, self.endpoint, id, parsed)
            one.parts.append(Part(one, self.live, parsed.rows))
            found.append(one)
        return found
