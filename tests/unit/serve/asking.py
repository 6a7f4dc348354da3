"""Asking a data plane in this process, and a server in another."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import stand_in

from fairlead.contract.ports import Request
from fairlead.contract.routes import Limits, Route, Routes, Variant
from fairlead.runtime.serve import publish
from fairlead.runtime.serve.plane import DataPlane
from fairlead.runtime.serve.worker import open_plane

HERE = Path(__file__).parent
ROW = {"tenure": 3, "charges": 20.5, "contract": "monthly", "paperless": True}
FIRST, SECOND = "a" * 64, "b" * 64


class Reply:
    """What came back."""

    def __init__(self, code: int, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        self.code, self.headers, self.body = code, dict(headers), body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def deploy(home: Path, *variants: Variant, generation: int = 1, **route: Any) -> None:
    """Publish routes for model `churn`."""
    variants = variants or (Variant("champion", FIRST, 1),)
    limits = route.pop("limits", Limits())
    routes = Routes(generation, (Route("churn", variants, **route),), redact_key="0a0b", limits=limits)
    publish(home / "routes.json", routes)


def bundles(home: Path) -> None:
    """Two stand-ins that answer differently."""
    stand_in.write(home / "bundles" / FIRST, shift=0.5)
    stand_in.write(home / "bundles" / SECOND, shift=-5.0)


def settings(home: Path) -> dict[str, Any]:
    return {"home": str(home), "run": str(home / "run"), "instance": "test", "load": "stand_in:load"}


@contextlib.contextmanager
def plane(home: Path) -> Iterator[DataPlane]:
    """The data plane of slot 0, as a worker makes it."""
    made = open_plane(0, settings(home))
    try:
        yield made
    finally:
        made.close()


def ask(plane: DataPlane, *bodies: Any, path: str = "/predict", method: str = "POST", **headers: str) -> list[Reply]:
    """All bodies in one tick; the replies in order. Bytes go as they are, the rest as JSON."""
    replies: list[list[Reply]] = [[] for _ in bodies]
    requests = []
    for body, into in zip(bodies, replies, strict=True):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}

        def take(code: int, said: Sequence[tuple[str, str]], body: bytes, into: list[Reply] = into) -> None:
            into.append(Reply(code, said, body))

        requests.append(Request(method, path, "", sent, data, time.time(), take))
    plane.answer(requests)
    assert all(len(into) == 1 for into in replies), "every request is answered exactly once"
    return [into[0] for into in replies]


class Server:
    """`serve` in a process of its own, over a socket, with stand-ins for bundles.

    first: statements before anything is imported. more: further fields of `ServeOptions`, as source.
    """

    def __init__(self, home: Path, workers: int = 1, first: str = "", more: str = "") -> None:
        program = (
            f"{first}\nimport sys; from pathlib import Path; from fairlead.runtime.serve import ServeOptions, serve\n"
            f"serve(ServeOptions(home=Path({str(home)!r}), port=0, workers={workers}, load='stand_in:load', {more}),"
            " lambda url: print(url, flush=True))"
        )
        environ = {**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}
        self.log = home / "server.log"
        self.process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            stderr=self.log.open("ab"),
            env=environ,
            text=True,
        )
        assert self.process.stdout is not None
        self.url, _, self.grpc = self.process.stdout.readline().strip().partition(" ")
        assert self.url.startswith("http://"), self.log.read_text()
        self.port = int(self.url.rpartition(":")[2])

    def stop(self, number: int = signal.SIGTERM) -> int:
        """The exit code."""
        self.process.send_signal(number)
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@contextlib.contextmanager
def server(home: Path, workers: int = 1, first: str = "", more: str = "") -> Iterator[Server]:
    """Stopped at the end, whatever happened."""
    made = Server(home, workers, first, more)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.stop()
