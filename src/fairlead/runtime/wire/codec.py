"""The codec port: one protocol's way of asking and answering."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from fairlead.contract.signature import Cell, Signature
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.frames import Pass

Row = Sequence[Cell]
Header = tuple[str, str]
JSON_HEAD: tuple[Header, ...] = (("content-type", "application/json"),)


class Parsed(msgspec.Struct, gc=False):
    """What a request asks. rows: validated cells in signature order. passes: cells of the pass-through columns
    per row, None when the request has none of them. id: the protocol's own request id. outputs: names asked for.
    head: headers of the answer, its content type among them; `parse` or `render` sets it where it is not JSON.
    form: whatever else a codec wants to remember from `parse` to `render`. patience: seconds that the client waits.
    """

    # A structure, as one is made for every request: it costs a third of a class of Python's.
    rows: list[Row]
    passes: list[Sequence[Pass]] | None = None
    id: str | None = None
    outputs: tuple[str, ...] | None = None
    head: Sequence[Header] = JSON_HEAD
    form: Any = None
    patience: float | None = None


class Answer(msgspec.Struct, gc=False):
    """What a model said, one entry a row. labels: None for a number. version: "" when there is none to name.
    abstained: whether the answer is left to people, of models that abstain.
    """

    labels: list[str] | None
    scores: list[list[float]]
    version: str = ""
    abstained: list[bool] | None = None


class Codec(Protocol):
    """Port `codec`, built once per model: `Codec(model, signature, checks)`.

    A codec may have `media`, a frozenset of the media types that it takes besides JSON, and
    `render_each(asked, labels, scores, version)`: the bodies of requests of one row each, all at once, equal to what
    `render` gives for each; labels (None for a number) and scores have one entry a request.
    """

    name: str

    def __init__(self, model: str, signature: Signature, checks: Checks) -> None: ...

    def paths(self) -> Sequence[str]:
        """Where requests for a prediction of this model are posted. `{version}` in one stands for each version."""

    def default_paths(self) -> Sequence[str]:
        """Where they are posted without naming a model; they mean the server's default model."""

    def parse(self, body: bytes, headers: Mapping[str, str]) -> Parsed:
        """Raises InputInvalid and below: which row, which column, what was found, what is allowed.

        headers: names in lower case. body: as it came. A codec that takes more than JSON calls `must_be_plain`
        before it reads a body as anything else: a compressed one then comes back decoded.
        """

    def render(self, asked: Parsed, answer: Answer) -> bytes:
        """The body of a 200."""

    def error(self, message: str, code: int) -> bytes:
        """The body of anything else, as JSON; text where it does not begin with a brace. code: of HTTP."""
