"""A small real application for what transports promise: says what it was asked, late or large or not at all.

Run as a program it serves itself: `python transport_app.py SPEC`, a JSON object with transport, workers, limits and
server; prints its port when it accepts.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from fairlead.contract.ports import Request
from fairlead.contract.routes import Limits
from fairlead.runtime.serve.stored import Stored

JSON = ("content-type", "application/json")


class Echo:
    """Answers by path: see the methods. Requests to be answered later are answered on the loop."""

    def __init__(self, slot: int, limits: Limits) -> None:
        self._slot, self._limits = slot, limits
        self._held: list[Request] = []
        self.taken = self.stored = 0
        self._looked = self._longest = 0.0

    def limits(self) -> Limits:
        return self._limits

    def close(self) -> None:
        """Says that it was closed, for whoever looks for it in the log."""
        os.write(2, b"closed\n")

    def answer(self, requests: Sequence[Request]) -> None:
        for request in requests:
            self.taken += 1
            asked = {key: values[0] for key, values in parse_qs(request.query).items()}
            act = getattr(self, "on_" + request.path.strip("/").split("/")[0], self.on_echo)
            act(request, asked, len(requests))

    def admits(self, request: Request) -> bool:
        """Turns away large bodies whose head says so, before they have come."""
        if request.headers.get("x-turn") != "away":
            return True
        request.reply(401, [JSON], b"{}")
        return False

    def answer_large(self, request: Request, body: Stored) -> None:
        """As `answer`, with a body that the transport stored."""
        self.taken += 1
        self.stored += 1
        try:
            request.body = body.read()
        finally:
            body.close()
        asked = {key: values[0] for key, values in parse_qs(request.query).items()}
        getattr(self, "on_" + request.path.strip("/").split("/")[0], self.on_echo)(request, asked, 1)

    def on_swallow(self, request: Request, asked: Mapping[str, str], tick: int) -> None:
        """Says nothing but the size."""
        request.reply(200, [JSON], _json(len(request.body)))

    def on_stored(self, request: Request, asked: Mapping[str, str], tick: int) -> None:
        """An answer of so many bytes, in a file where the transport takes one; after `ms`."""
        request.later = True
        asyncio.get_running_loop().call_later(_seconds(asked), self._reply_stored, request, int(asked["bytes"]))

    def _reply_stored(self, request: Request, size: int) -> None:
        head = [("content-type", "application/octet-stream")]
        if not hasattr(request, "reply_stored"):
            request.reply(200, head, b"x" * size)
            return
        body = Stored.empty()
        for _ in range(0, size, 65536):
            body.append(b"x" * min(65536, size - body.size))
        request.reply_stored(200, head, body)

    def on_files(self, request: Request, asked: Mapping[str, str], tick: int) -> None:
        """How many bodies and answers are stored now, and how many bodies were at all."""
        fds = Path("/proc/self/fd")
        links = [os.readlink(one) for one in fds.iterdir() if os.path.lexists(one)]
        request.reply(200, [JSON], _json([sum("fairlead-body" in link for link in links), self.stored]))

    def on_longest(self, request: Request, asked: Mapping[str, str], tick: int) -> None:
        """The most processor time, in ms, that went by between two looks at a timer since this was asked last.

        Not the time of day: what this process computes, and not what others do, keeps the next request waiting.
        """
        if not self._looked:
            self._look()
        longest, self._longest = self._longest, 0.0
        request.reply(200, [JSON], _json(longest * 1e3))

    def _look(self) -> None:
        now = time.thread_time()
        if self._looked:
            self._longest = max(self._longest, now - self._looked)
        self._looked = now
        asyncio.get_running_loop().call_later(0.001, self._look)

    def on_echo(self, request: Request, asked: Mapping[str, str], tick: int) -> None:
        said = {
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "headers": dict(request.headers.items()),
            "size": len(request.body),
            "hash": hashlib.sha256(request.body).hexdigest(),
            "peer": request.peer,
            "tick": tick,
            "slot": self._slot,
            "pid": os.getpid(),
        }
        request.reply(200, [JSON, ("x-request-id", request.headers.get("x-request-id") or "-")], _json(said))

    def on_later(self, request: Request, asked: Mapping[str, str], tick: int) -> None:
        """After `ms`."""
        request.later = True
        asyncio.get_running_loop().call_later(_seconds(asked), self.on_echo, request, asked, tick)

    def on_hold(self, request: Request, asked: Mapping[str, str], tick: int) -> None:
        """When somebody asks for /release."""
        request.later = True
        self._held.append(request)

    def on_release(self, request: Request, asked: Mapping[str, str], tick: int) -> None:
        """Answers what is held, the newest first."""
        held, self._held = self._held, []
        for one in reversed(held):
            self.on_echo(one, {}, tick)
        request.reply(200, [JSON], _json(len(held)))

    def on_held(self, request: Request, asked: Mapping[str, str], tick: int) -> None:
        """How many are held, and how many requests were seen at all."""
        request.reply(200, [JSON], _json([len(self._held), self.taken]))

    def on_large(self, request: Request, asked: Mapping[str, str], tick: int) -> None:
        """An answer of so many bytes."""
        request.reply(200, [("content-type", "application/octet-stream")], b"x" * int(asked["bytes"]))

    def on_busy(self, request: Request, asked: Mapping[str, str], tick: int) -> None:
        """Stands still for `ms`, as a model that computes does."""
        end = time.perf_counter() + _seconds(asked)
        while time.perf_counter() < end:
            pass
        self.on_echo(request, asked, tick)

    def on_silent(self, request: Request, asked: Mapping[str, str], tick: int) -> None:
        """No answer, and no word that one will come."""

    def on_fault(self, request: Request, asked: Mapping[str, str], tick: int) -> None:
        raise RuntimeError("the secret reason")

    def on_split(self, request: Request, asked: Mapping[str, str], tick: int) -> None:
        """A header that would add another."""
        request.reply(200, [JSON, ("x-said", "a\r\nx-injected: b")], b"{}")

    def on_empty(self, request: Request, asked: Mapping[str, str], tick: int) -> None:
        request.reply(204, [], b"")

    def on_twice(self, request: Request, asked: Mapping[str, str], tick: int) -> None:
        """A second reply is one too many, and changes nothing."""
        self.on_echo(request, asked, tick)
        self.on_echo(request, asked, tick)


def _seconds(asked: Mapping[str, str]) -> float:
    """Of `ms`, a whole number up to 9999; anything else is none."""
    given = asked.get("ms", "")
    return int(given) / 1e3 if given.isascii() and given.isdigit() and len(given) <= 4 else 0.0


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def make(slot: int, settings: Mapping[str, Any]) -> Echo:
    """The factory that transports are given."""
    return Echo(slot, settings["limits"])


def main() -> None:
    import msgspec

    from fairlead.contract.errors import UsageError
    from fairlead.contract.plugins import variant
    from fairlead.contract.settings import ServeSettings

    sys.path.insert(0, str(Path(__file__).parent))
    spec = json.loads(sys.argv[1])
    settings = {
        "limits": msgspec.convert(spec["limits"], Limits),
        "server": msgspec.convert(spec["server"], ServeSettings),
        "grace_s": spec["grace_s"],
    }
    try:
        variant("transport", spec["transport"])().serve(
            "transport_app:make", spec["host"], spec["port"], spec["workers"], settings,
            lambda host, port: print(port, flush=True),
        )  # fmt: skip
    except UsageError as error:
        print(f"usage: {error}", flush=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
