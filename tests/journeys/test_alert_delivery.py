"""A broken promise reaches a real receiver once, through the watcher, and an all-clear follows."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import eventually

import fairlead
from fairlead.contract.events import Finding

CONFIG = """
[model]
name = "churn"
task = "classification"
target = "y"
positive = "yes"
[alerts]
to = ["json://127.0.0.1:{port}/alerts"]
"""


@pytest.fixture
def receiver() -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """A real HTTP receiver; the first message is refused, as a channel that is down for a moment would."""
    got: list[dict[str, Any]] = []
    asked: list[int] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            asked.append(1)
            self.send_response(500 if len(asked) == 1 else 200)
            self.end_headers()
            if len(asked) > 1:
                got.append(json.loads(body))

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], got
    server.shutdown()


def test_told_once_and_cleared(receiver: tuple[int, list[dict[str, Any]]], tmp_path: Path) -> None:
    port, got = receiver
    (tmp_path / "fairlead.toml").write_text(CONFIG.format(port=port))
    ws = fairlead.open(tmp_path).workspace
    finding = Finding(
        id="f1", model="churn", area="performance", check="promise", window=3, since=1_700_000_000.0, size=0.1,
        low=0.05, high=0.15, unit="mean loss", message="the model loses more than it promised",
    )  # fmt: skip
    ws.state.put_finding(finding)
    clock = np.array([0.0])

    def pass_by() -> list[dict[str, Any]]:
        clock[0] += 60.0
        ws.outbox.deliver(ws.clock() + clock[0])
        return got

    eventually(lambda: len(pass_by()) == 1, what="the first message, after a refusal")
    for _ in range(5):
        pass_by()
    assert len(got) == 1
    assert "promised" in json.dumps(got[0])
    ws.state.close_finding("f1", 1_700_000_100.0)
    eventually(lambda: len(pass_by()) == 2, what="the all-clear")
