"""The requests of one tick, in parts: assigned to variants, guarded, scored together, rendered each by itself."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from math import isfinite
from time import perf_counter
from typing import Any

from fairlead.contract.errors import CellInvalid, ExpectationBroken, OutsidePopulation, Unanswerable
from fairlead.contract.ports import Request
from fairlead.runtime.bundle.tail_kernel import finite
from fairlead.runtime.serve.deployed import Deployed, Endpoint, Guard, Live
from fairlead.runtime.wire.checks import Row, text_of
from fairlead.runtime.wire.codec import Answer, Parsed
from fairlead.runtime.wire.status import status_of

_log = logging.getLogger("fairlead.serve")


class Asked:
    """A request that was understood. body: of the answer; error: why there is none."""

    __slots__ = ("body", "endpoint", "error", "id", "parsed", "parts", "request")

    def __init__(self, request: Request, endpoint: Endpoint, id: str, parsed: Parsed) -> None:
        self.request, self.endpoint, self.id, self.parsed = request, endpoint, id, parsed
        self.parts: list[Part] = []
        self.body = b""
        self.error: Exception | None = None


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

    def row(self, at: int) -> int:
        """The number in its request of row `at` of this part."""
        return at if self.positions is None else self.positions[at]

    def abstained(self) -> list[bool] | None:
        """Whether each row is left to people; None of a model that answers every row."""
        if self.live.abstaining is None or self.labels is None or self.scores is None:
            return None
        return self.live.abstaining.of(self.labels, self.scores)


def assigned(asked: Asked) -> Asked:
    """With its parts. Raises CellInvalid where the model of one of them would have raised."""
    deployed = asked.endpoint.deployed
    live = asked.endpoint.pinned or deployed.only
    if live is not None:
        asked.parts.append(Part(asked, live, asked.parsed.rows))
    else:
        split(asked, deployed)
    for part in asked.parts:
        if part.live.guard is not None:
            check(part, part.live.guard)
    return asked


def answer(asked: Sequence[Asked]) -> None:
    """Score, one model call a variant, and render."""
    groups: dict[Live, list[Part]] = {}
    for one in asked:
        for part in one.parts:
            groups.setdefault(part.live, []).append(part)
    for live, parts in groups.items():
        score(live, parts)
    for one in asked:
        render(one)


def sole(deployed: Deployed, parsed: Parsed, id: str) -> Live | None:
    """The variant that answers all of a request; None where that is not known without looking at each row."""
    if deployed.sticky is not None and len(parsed.rows) != 1:
        return None
    return deployed.met(_key(deployed, parsed, id, 0))


def _key(deployed: Deployed, parsed: Parsed, id: str, number: int) -> str:
    """What decides who answers a row: its sticky column, else the request's id."""
    if deployed.sticky is None:
        return id
    passed, at = deployed.sticky
    passes = parsed.passes
    value = text_of((passes[number][at] if passes is not None else None) if passed else parsed.rows[number][at])
    # Nobody is of a cohort by the name that a request was given.
    return (id if not deployed.cohort else "") if value is None else value


def split(asked: Asked, deployed: Deployed) -> None:
    """Rows to variants: by the sticky column of each row, else by the request's id."""
    rows = asked.parsed.rows
    by_key: dict[str, Live] = {}
    groups: dict[Live, list[int]] = {}
    for number in range(len(rows)):
        key = _key(deployed, asked.parsed, asked.id, number)
        live = by_key.get(key)
        if live is None:
            live = by_key[key] = deployed.met(key)
        groups.setdefault(live, []).append(number)
    if len(groups) == 1:
        asked.parts.append(Part(asked, next(iter(groups)), rows))
        return
    for live, positions in groups.items():
        asked.parts.append(Part(asked, live, [rows[at] for at in positions], positions))


def _joined(asked: Asked) -> Answer:
    """The answers of all parts in the request's order."""
    parts = asked.parts
    if len(parts) == 1:
        part = parts[0]
        return Answer(part.labels, part.scores or [], part.live.version, part.abstained())
    count = len(asked.parsed.rows)
    scores: list[list[float]] = [[]] * count
    labels: list[str] = [""] * count
    marks = [part.abstained() for part in parts]
    abstained: list[bool] | None = [False] * count if any(mark is not None for mark in marks) else None
    for part, mark in zip(parts, marks, strict=True):
        for position, left in zip(part.positions or (), mark or (), strict=False):
            assert abstained is not None
            abstained[position] = left
    for part in parts:
        for at, position in enumerate(part.positions or ()):
            scores[position] = (part.scores or [])[at]
            if part.labels is not None:
                labels[position] = part.labels[at]
    return Answer(labels if parts[0].labels is not None else None, scores, "", abstained)


def score(live: Live, parts: Sequence[Part]) -> None:
    """One model call for all parts; where it fails, each by itself, so that one cannot fail the others."""
    began = perf_counter()
    rows: Sequence[Any] = parts[0].rows if len(parts) == 1 else [row for part in parts for row in part.rows]
    try:
        labels, said = live.answer(rows)
        whole = finite(said)
    except Exception as error:
        if len(parts) > 1:
            for part in parts:
                score(live, [part])
        else:
            parts[0].error = error
            if status_of(error) == 500:
                _log.error("model of bundle %s failed: %s", live.variant.bundle[:12], type(error).__name__)
        return
    live.learn(perf_counter() - began, len(rows))
    at = 0
    for part in parts:
        end = at + len(part.rows)
        bad = -1 if whole else next((row for row in range(at, end) if not all(map(isfinite, said[row]))), -1)
        if bad < 0:
            part.scores = said[at:end]
            part.labels = None if labels is None else labels[at:end]
        else:
            part.error = Unanswerable(part.row(bad - at))
        at = end


def check(part: Part, guard: Guard) -> None:
    """Raises CellInvalid, with the row's number in the request, where the model of this part would have raised, and
    OutsidePopulation where it is not meant for the row."""
    try:
        guard(part.rows)
    except CellInvalid as error:
        raise CellInvalid(part.row(error.row), error.column, error.found, error.allowed) from None
    except OutsidePopulation as error:
        raise OutsidePopulation(part.row(error.row), error.said) from None
    except ExpectationBroken as error:
        raise ExpectationBroken(part.row(error.row), error.rule, error.said, error.column) from None


def fail(asked: Asked, error: Exception) -> None:
    asked.error = error
    if status_of(error) == 500:
        _log.error("an answer of %s failed: %s", asked.endpoint.deployed.route.model, type(error).__name__)


def render(asked: Asked) -> None:
    """The answer's body, or the error of the first part that has no scores."""
    for part in asked.parts:
        if part.scores is None:
            asked.error = part.error or ArithmeticError()
            return
    try:
        answer, caller = _joined(asked), asked.request.caller
        if caller is not None and caller.rules.blunts:
            answer = caller.rules.blunted(answer, asked.endpoint.deployed.signature.classes)
        asked.body = asked.endpoint.codec.render(asked.parsed, answer)
    except Exception as error:
        fail(asked, error)
