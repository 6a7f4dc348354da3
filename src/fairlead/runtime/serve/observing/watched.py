"""A request that somebody wants to hear of: it notes how it was answered, and hands the answer on unchanged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from fairlead.contract.ports import Request
from fairlead.runtime.serve.clock import steady
from fairlead.runtime.serve.deployed import Endpoint, Live, Serving
from fairlead.runtime.wire.codec import Header, Parsed


class Tap(Protocol):
    """Somebody who wants to hear of requests for predictions. Nothing here may wait."""

    def wants(self, endpoint: Endpoint, request: Request) -> Any:
        """Whatever it wants to remember of this request; None when it does not want to hear of it."""

    def head(self, mark: Any) -> Header | None:
        """A header that goes with the answer, if any."""

    def seen(self, watched: Watched, mark: Any) -> None:
        """The request was answered."""

    def close(self) -> None:
        """Send what is left, within seconds."""


class Watched(Request):
    """marks: what each tap remembers, None where it does not want to hear. answered: lives and their rows; empty
    where a request was not understood. code is 0 until the reply; ended: a moment of `steady`, as
    arrived is. tell: told when the reply comes after the tick, as the batch lane's does. extra: headers that go with
    the answer.
    """

    __slots__ = (
        "answered", "body_out", "code", "ended", "endpoint", "extra", "given", "head", "marks", "parsed", "serving",
        "tell",
    )  # fmt: skip

    def __init__(
        self, given: Request, serving: Serving, endpoint: Endpoint, marks: Sequence[Any], extra: Sequence[Header]
    ) -> None:
        self.method, self.path, self.query, self.headers = given.method, given.path, given.query, given.headers
        self.body, self.arrived, self.peer, self.caller = given.body, given.arrived, given.peer, given.caller
        self.patience = given.patience
        self.given, self.serving, self.endpoint, self.marks, self.extra = given, serving, endpoint, marks, extra
        self.answered: Sequence[tuple[Live, int]] = ()
        self.parsed: Parsed | None = None
        self.code, self.ended, self.body_out = 0, 0.0, b""
        self.head: Sequence[Header] = ()
        self.tell: Callable[[Watched], None] | None = None

    @property  # type: ignore[override]
    def later(self) -> bool:
        """Of the request as the transport knows it."""
        return self.given.later

    @later.setter
    def later(self, value: bool) -> None:
        self.given.later = value

    def reply(self, code: int, headers: Sequence[Header], body: bytes) -> None:  # type: ignore[override]
        """To the transport, with what taps add to the head."""
        self.given.reply(code, [*headers, *self.extra] if self.extra else headers, body)
        self.code, self.head, self.body_out, self.ended = code, headers, body, steady()
        if self.tell is not None:
            self.tell(self)

    def said(self, name: str) -> str:
        """A header of the answer; "" without it."""
        return next((value for header, value in self.head if header == name), "")
