"""Where messages are answered: the data plane of a server, asked without a transport.

Messages that were taken together are one tick of it: one model call, one write to the spool, the same routes, checks
and records as for requests. Nothing of this is about brokers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import msgspec

from fairlead.contract.errors import FairleadError, UsageError
from fairlead.contract.ports import Request
from fairlead.contract.streams import Message
from fairlead.runtime.bundle.collecting import no_collection
from fairlead.runtime.serve.clock import steady
from fairlead.runtime.serve.identity import usable

PATHS = {"native": "/predict/{model}", "v2": "/v2/models/{model}/infer"}
TRIES = 3
"""How often a message is tried to which the model failed: a fault may be of the moment."""
_AGAIN = frozenset({404, 429, 503, 504})
"""Codes that are about the server and not about the message: no route yet, no room, a model that cannot be loaded."""
_FAULT = 500


class NotNow(FairleadError):
    """Nothing answers messages at present; they are to be asked again later."""


class Plane(Protocol):
    """What of the data plane is used here."""

    def answer(self, requests: Sequence[Request]) -> None: ...


class Outcome(msgspec.Struct, frozen=True):
    """What became of a message. body: of the answer. reason, code: why there is none, as over HTTP."""

    kind: Literal["answered", "refused"]
    body: bytes = b""
    reason: str = ""
    code: int = 200


class Desk:
    """plane: of a worker; model: whose predictions; protocol: what the bodies of messages are, of `PATHS`."""

    def __init__(self, plane: Plane, model: str, protocol: str = "native") -> None:
        if protocol not in PATHS:
            raise UsageError(f"messages cannot be {protocol!r}. Known: {', '.join(PATHS)}.")
        self._plane, self._path = plane, PATHS[protocol].replace("{model}", model)

    def answer(self, messages: Sequence[Message]) -> list[Outcome]:
        """One outcome a message, in their order. Blocks; not on a loop's thread. Raises NotNow."""
        found: list[Outcome | None] = [Outcome("refused", b"", one.lost, 400) if one.lost else None for one in messages]
        left = [at for at, outcome in enumerate(found) if outcome is None]
        faults = 0
        while left:
            said = self._ask([messages[at] for at in left])
            again, why = [], ""
            for at, (code, body) in zip(left, said, strict=True):
                if code == 200:
                    found[at] = Outcome("answered", body)
                elif code in _AGAIN or (code == _FAULT and faults + 1 < TRIES):
                    again.append(at)
                    why = why or (_reason(body) if code in _AGAIN else "")
                else:
                    found[at] = Outcome("refused", b"", _reason(body), code)
            faults += 1
            if len(again) == len(left) and why:
                # Not one of them went: what is short is no moment's room.
                raise NotNow(why)
            left = again
        return [outcome for outcome in found if outcome is not None]

    def _ask(self, messages: Sequence[Message]) -> list[tuple[int, bytes]]:
        said: list[tuple[int, bytes]] = [(_FAULT, b"")] * len(messages)
        now = steady()

        def reply_at(at: int) -> Callable[..., None]:
            def reply(code: int, _: object, body: bytes) -> None:
                said[at] = (code, body)

            return reply

        requests = [
            Request("POST", self._path, "", {"x-request-id": request_id(one.id)}, one.body, now, reply_at(at))
            for at, one in enumerate(messages)
        ]
        with no_collection():
            self._plane.answer(requests)
        return said


def request_id(id: str) -> str:
    """The request id under which a message is recorded: its own id where that can be one."""
    return id if usable(id) else "sha256-" + hashlib.sha256(id.encode()).hexdigest()[:40]


def _reason(body: bytes) -> str:
    try:
        told = msgspec.json.decode(body, type=dict[str, object]).get("error", "")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        told = ""
    return str(told)[:500] or "the model could not answer this message"
