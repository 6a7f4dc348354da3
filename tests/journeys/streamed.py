"""What the tests of streams share: a project that answers loans, messages about loans, what the answers must be."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.conftest import Program, eventually
from tests.journeys.cli import fairlead, make_project
from tests.ports.brokers import Sent, Server

BAD = {
    "no-json": b'{"loan": "x", "income": ',
    "no-column": b'{"loan": "x", "kind": "car"}',
    "bad-cell": b'{"loan": "x", "income": "much", "kind": "car"}',
    "empty": b"",
}
"""Messages that cannot be answered, by what is wrong with them."""


def deployed(folder: Path) -> Path:
    """A project with a deployed champion."""
    project = make_project(folder)
    for words in ("train", "evaluate", "register", "deploy"):
        ended = fairlead(project, words)
        assert ended.code == 0, ended.err
    return project


def rows(count: int) -> dict[str, dict[str, Any]]:
    """Rows by the id of their message."""
    kinds = ("car", "house", "study")
    return {
        f"m{n}": {"loan": f"L{n}", "income": None if n % 50 == 3 else 5 + n % 90 + n / 7919, "kind": kinds[n % 3]}
        for n in range(count)
    }


def mixed(wanted: dict[str, dict[str, Any]], bad: int = 0) -> list[Sent]:
    """The rows as messages, so many that cannot be answered among them, evenly."""
    sent = [(id, json.dumps(row).encode()) for id, row in wanted.items()]
    kinds = list(BAD)
    for n in range(bad):
        kind = kinds[n % len(kinds)]
        sent.insert((n + 1) * len(sent) // (bad + 1), (f"bad-{kind}-{n}", BAD[kind]))
    return sent


def scored_here(project: Path, wanted: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What the champion's bundle says to each row, without a server or a stream."""
    from fairlead.runtime.bundle import BundleStore, load
    from fairlead.runtime.serve.routes import read

    home = project / ".fairlead"
    routes = read(home / "routes.json")
    model = load(BundleStore(home / "bundles").path(routes.routes[0].variants[0].bundle), routes.trusted)
    names = model.signature.names
    scores = model.score_rows([[row.get(name) for name in names] for row in wanted.values()])
    labels = model.decide(scores)
    outputs = model.signature.outputs
    return {
        id: {"label": label, "probabilities": dict(zip(outputs, given, strict=True))}
        for id, label, given in zip(wanted, labels, scores.tolist(), strict=True)
    }


class Streaming:
    """`fairlead stream` from `rows` to `answers` as a process."""

    def __init__(self, project: Path, server: Server, *more: str, source: str = "", to: str = "") -> None:
        words = ["stream", "--from", source or server.address("rows"), "--to", to or server.address("answers")]
        self.log = project / "stream.log"
        self.process: subprocess.Popen[str] = Program(project).start(*words, *more)

    def said(self) -> str:
        """Its log, which begins with it."""
        return self.log.read_text()

    def ready(self) -> str:
        """The ready line."""
        found = eventually(lambda: re.search(r"^ready: (.*)$", self.said(), re.M) or self.process.poll(), what="ready")
        assert isinstance(found, re.Match), self.said()
        return str(found[1])

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)

    def end(self, within_s: float = 30.0) -> int:
        """By SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within_s)
