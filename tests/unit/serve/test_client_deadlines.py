"""What a client says of its own patience counts, never beyond the server's: nobody works for those who have left."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import stand_in
from asking import FIRST, ROW, Reply, deploy, plane, server

from fairlead.contract.ports import Request
from fairlead.contract.routes import Limits
from fairlead.runtime.serve.clock import steady
from fairlead.runtime.serve.patience import HEADERS, patience_of
from fairlead.runtime.serve.plane import DataPlane

TENSORS = [
    {"name": "tenure", "shape": [1], "datatype": "INT64", "data": [3]},
    {"name": "charges", "shape": [1], "datatype": "FP64", "data": [20.5]},
    {"name": "contract", "shape": [1], "datatype": "BYTES", "data": ["monthly"]},
    {"name": "paperless", "shape": [1], "datatype": "BOOL", "data": [True]},
]


def waited(
    plane: DataPlane, seconds: float, patience: float | None = None, path: str = "/predict", body: Any = ROW
) -> Reply:
    """The answer to a request that has waited for some seconds already."""
    replies: list[Reply] = []

    def take(code: int, said: Sequence[tuple[str, str]], body: bytes) -> None:
        replies.append(Reply(code, said, body))

    sent = json.dumps(body).encode()
    plane.answer([Request("POST", path, "", {}, sent, steady() - seconds, take, patience=patience)])
    return replies[0]


def test_who_has_left_is_not_worked_for(home: Path) -> None:
    deploy(home, limits=Limits(timeout_s=2.0))
    with plane(home) as app:
        assert waited(app, 0.5).code == 200
        assert waited(app, 0.5, patience=1.0).code == 200
        late = waited(app, 0.5, patience=0.25)
        assert (late.code, late.json) == (504, {"error": "not answered within 0.25 s, as the client asked"})
        # The server's own limit holds whatever a client says.
        assert waited(app, 2.5, patience=60.0).code == 504


@pytest.mark.parametrize(
    ("micros", "code"), [(250_000, 504), (250_000.0, 504), (1_000_000, 200), (0, 200), (None, 200)]
)
def test_the_timeout_of_a_v2_request_is_in_microseconds(home: Path, micros: float | None, code: int) -> None:
    with plane(home) as app:
        body = {"parameters": {"timeout": micros}, "inputs": TENSORS}
        assert waited(app, 0.5, path="/v2/models/churn/infer", body=body).code == code


@pytest.mark.parametrize("timeout", [-1, 1.5, "1", True, 2**63])
def test_a_timeout_of_v2_that_is_none_is_refused(home: Path, timeout: Any) -> None:
    with plane(home) as app:
        body = {"parameters": {"timeout": timeout}, "inputs": TENSORS}
        said = waited(app, 0.0, path="/v2/models/churn/infer", body=body)
        assert (said.code, said.json) == (400, {"error": "timeout must be a whole number of microseconds"})


def test_who_would_be_answered_too_late_is_not_begun(home: Path) -> None:
    stand_in.write(home / "bundles" / FIRST, shift=0.5, slow=0.02)
    with plane(home) as app:
        for _ in range(20):
            # However little time there is, what comes first is begun: so it is learnt what a row costs.
            assert waited(app, 0.0, patience=0.01).code == 200
        said: dict[str, int] = {}
        requests = [
            Request(
                "POST", "/predict", "", {}, json.dumps(body).encode(), steady(), partial(note, said, name), None, wait
            )
            for name, body, wait in (("first", [ROW] * 30, None), ("hasty", ROW, 0.3), ("patient", ROW, 5.0))
        ]
        app.answer(requests)
    assert said == {"first": 200, "hasty": 504, "patient": 200}


def note(said: dict[str, int], name: str, code: int, *_: Any) -> None:
    said[name] = code


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"x-timeout-ms": "250"}, 0.25),
        ({"x-envoy-expected-rq-timeout-ms": "15000"}, 15.0),
        ({"x-timeout-ms": "250", "x-envoy-expected-rq-timeout-ms": "100"}, 0.1),
        ({"x-timeout-ms": "0"}, None),
        ({"x-timeout-ms": "0", "x-envoy-expected-rq-timeout-ms": "100"}, 0.1),
        ({"x-timeout-ms": "-1"}, None),
        ({"x-timeout-ms": "2.5"}, None),
        ({"x-timeout-ms": "250, 500"}, None),
        ({"x-timeout-ms": "٣"}, None),
        ({"x-timeout-ms": "9" * 400}, None),
    ],
)
def test_headers_that_say_how_long(headers: dict[str, str], seconds: float | None) -> None:
    assert patience_of(headers) == seconds


def asked(body: bytes, *lines: str) -> bytes:
    """A request as it is written."""
    return "\r\n".join(["POST /predict HTTP/1.1", "host: x", f"content-length: {len(body)}", *lines, "", ""]).encode()


@pytest.mark.parametrize("header", HEADERS)
def test_a_client_that_waits_behind_slow_answers_is_let_go(home: Path, header: str) -> None:
    stand_in.write(home / "bundles" / FIRST, shift=0.5, slow=0.1)
    body = json.dumps(ROW).encode()
    with server(home, more="transport='bare'") as live, socket.create_connection(("127.0.0.1", live.port), 20) as wire:
        plain, hasty, patient = (asked(body, *more) + body for more in ((), (f"{header}: 200",), (f"{header}: 9000",)))
        wire.sendall(plain)
        with wire.makefile("rb") as answers:
            assert code_of(answers) == 200  # so it is known what a row costs
            wire.sendall(plain * 7 + hasty + patient)
            assert [code_of(answers) for _ in range(9)] == [200] * 7 + [504, 200]


@pytest.mark.parametrize("header", HEADERS)
def test_a_client_that_had_left_before_its_request_was_whole(home: Path, header: str) -> None:
    body = json.dumps(ROW).encode()
    with server(home, more="transport='granian'") as live:
        for patience, code in (("200", 504), ("9000", 200)):
            with socket.create_connection(("127.0.0.1", live.port), 20) as wire:
                wire.sendall(asked(body, f"{header}: {patience}") + body[:5])
                assert select.select([wire], [], [], 0.3) == ([], [], [])
                wire.sendall(body[5:])
                with wire.makefile("rb") as answers:
                    assert code_of(answers) == code


def code_of(answers: Any) -> int:
    """Reads one answer whole."""
    code, size = int(answers.readline().split()[1]), 0
    while (line := answers.readline().strip().lower()) != b"":
        if line.startswith(b"content-length:"):
            size = int(line.partition(b":")[2])
    answers.read(size)
    return code
