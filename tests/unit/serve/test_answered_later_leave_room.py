"""Requests that outlive their tick take the place of others only until they are answered."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import httpx
import pytest
import stand_in
from asking import FIRST, ROW, deploy, server

from fairlead.contract.routes import Limits

MOST = 8


@pytest.mark.parametrize("transport", ["bare", "granian"])
def test_a_model_that_answers_later_can_be_asked_for_ever(home: Path, transport: str) -> None:
    stand_in.write(home / "bundles" / FIRST, shift=0.5, aside=True)
    deploy(home, limits=Limits(max_queue=MOST))
    with server(home, more=f"transport={transport!r}") as live, httpx.Client(base_url=live.url) as client:
        codes = [client.post("/predict", json=ROW).status_code for _ in range(5 * MOST)]
        assert codes == [200] * (5 * MOST)
        counted = client.get("/metrics").text
    assert 'code="503"' not in counted
    assert 'code="504"' not in counted


def test_pipelined_ones_come_in_order_and_leave_room(home: Path) -> None:
    stand_in.write(home / "bundles" / FIRST, shift=0.5, aside=True)
    deploy(home, limits=Limits(max_queue=MOST))
    body = json.dumps(ROW).encode()
    asked = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    with server(home) as live, socket.create_connection(("127.0.0.1", live.port), 20) as wire:
        for _ in range(5):
            wire.sendall(asked * MOST)
            got = b""
            while got.count(b"HTTP/1.1 ") < MOST or not got.endswith(b"}"):
                got += wire.recv(65536)
            assert got.count(b"HTTP/1.1 200 ") == MOST
