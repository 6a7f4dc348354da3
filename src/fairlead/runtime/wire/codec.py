"""The codec port: one protocol's way of asking and answering."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fairlead.contract.signature import Cell, Signature
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.frames import Pass

Row = Sequence[Cell]


class Parsed:
    """What a request asks. rows: validated cells in signature order. passes: cells of the pass-through columns
    per row, None when the request has none of them. id: the protocol's own request id. outputs: names asked for."""

    __slots__ = ("id", "outputs", "passes", "rows")

    def __init__(
        self,
        rows: list[Row],
        passes: list[Sequence[Pass]] | None = None,
        id: str | None = None,
        outputs: tuple[str, ...] | None = None,
    ) -> None:
        self.rows, self.passes, self.id, self.outputs = rows, passes, id, outputs


class Answer:
    """What a model said, one entry a row. labels: None for a regression. version: "" when there is none to name."""

    __slots__ = ("labels", "scores", "version")

    def __init__(self, labels: list[str] | None, scores: list[list[float]], version: str = "") -> None:
        self.labels, self.scores, self.version = labels, scores, version


class Codec(Protocol):
    """Port `codec`, built once per model: `Codec(model, signature, checks)`."""

    name: str

    def __init__(self, model: str, signature: Signature, checks: Checks) -> None: ...

    def paths(self) -> Sequence[str]:
        """Where requests for a prediction of this model are posted, without versions."""

    def parse(self, body: bytes) -> Parsed:
        """Raises InputInvalid and below: which row, which column, what was found, what is allowed."""

    def render(self, asked: Parsed, answer: Answer) -> bytes:
        """The body of a 200."""

    def error(self, message: str) -> bytes:
        """The body of anything else."""
