"""A server over sockets: what transports refuse by themselves is counted, logs are lines, a dead sink slows nobody."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from asking import ROW
from running import Running, running
from sinks import Sink
from tests.conftest import eventually

from fairlead.runtime.serve import live_workers
from fairlead.runtime.serve.observing.errors import error_groups


def raw(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        peer.sendall(data)
        return peer.recv(65536)


@pytest.mark.parametrize("transport", ["bare", "granian"])
def test_what_a_transport_refuses_by_itself_is_counted(home: Path, transport: str) -> None:
    with running(home, transport=transport) as server:
        for _ in range(3):
            said = raw(server.port, b"POST /predict HTTP/1.1\r\nhost: a\r\nhost: b\r\ncontent-length: 2\r\n\r\n{}")
            assert b" 400 " in said.split(b"\r\n")[0]
        said = raw(server.port, b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999\r\n\r\n")
        assert b" 413 " in said.split(b"\r\n")[0]
        page = httpx.get(f"{server.url}/metrics").text
        groups = {(group.cause, group.code): group.count for group in error_groups(home / "run")}
    assert groups == {("TurnedAway", 400): 3, ("TurnedAway", 413): 1}
    for code, times in ((400, 3), (413, 1)):
        assert f'fairlead_errors_total{{model_name="",cause="TurnedAway",code="{code}"}} {times}' in page
        assert f'variant="",protocol="http",code="{code}"}} {times}\n' in page


def lines(server: Running) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log.read_text().splitlines()]


def test_logs_of_server_and_workers_are_json_lines(home: Path) -> None:
    with running(home, workers=2, telemetry="log='json'") as server:
        httpx.post(f"{server.url}/predict", json={**ROW, "tenure": "Ada"}, headers={"x-request-id": "r-1"})
        (home / "routes.json").write_text("{")
        eventually(lambda: len(lines(server)) >= 3, 30.0, "both workers refuse routes that do not read")
    said = lines(server)
    refused = next(line for line in said if line.get("request_id") == "r-1")
    assert (refused["model"], refused["code"], refused["error"]) == ("churn", 400, "CellInvalid")
    assert refused["worker"] in {0, 1}
    assert {line["message"].split(" ")[0] for line in said} == {"request", "routes"}
    assert "Ada" not in server.log.read_text()


def test_a_worker_that_dies_is_a_line_in_the_log(home: Path) -> None:
    with running(home, telemetry="log='json'") as server:
        (worker,) = eventually(lambda: live_workers(home), 30.0, "the worker is there")
        os.kill(worker.pid, signal.SIGKILL)
        eventually(lambda: [w for w in live_workers(home) if w.pid != worker.pid], 20.0, "it is replaced")
        (said,) = [line for line in lines(server) if line["message"] == "a worker ended and is replaced"]
    assert (said["worker"], said["ended"], said["level"]) == (0, "SIGKILL", "warning")
    assert len(lines(server)) == 1, "a server that is stopped has nothing to complain of"


def test_text_logs_leave_out_what_callers_did_wrong(home: Path) -> None:
    with running(home) as server:
        httpx.post(f"{server.url}/predict", json={})
        assert server.log.read_text() == ""


def percentiles(server: Running, requests: int = 800) -> tuple[float, float]:
    """Median and 99th percentile of the time of a request on one connection, in seconds."""
    connection, took = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20), []
    body = json.dumps(ROW)
    for _ in range(requests):
        began = time.perf_counter()
        connection.request("POST", "/predict", body)
        reply = connection.getresponse()
        reply.read()
        took.append(time.perf_counter() - began)
        assert reply.status == 200
    connection.close()
    took.sort()
    return took[requests // 2], took[int(requests * 0.99)]


@pytest.mark.parametrize("trouble", ["slow", "failing", "gone"])
def test_a_sink_in_trouble_leaves_answers_about_as_fast(home: Path, trouble: str) -> None:
    sink = Sink(slow_s=0.2 if trouble == "slow" else 0.0, fail_first=10**9 if trouble == "failing" else 0)
    with running(home) as server:
        _, without = percentiles(server)
    if trouble == "gone":
        with sink:
            pass
    else:
        sink.__enter__()
    try:
        with running(home, telemetry=f"events={sink.url!r}") as server:
            _, having = percentiles(server)
            page = httpx.get(f"{server.url}/metrics").text
    finally:
        if trouble != "gone":
            sink.__exit__()
    assert "fairlead_events_waiting" in page
    # On a busy machine single slow moments are the machine's; a sink that was waited for would cost 0.2 s and more.
    assert having < max(5 * without, 0.1)


@pytest.mark.parametrize("transport", ["bare", "granian"])
def test_small_and_large_requests_are_told_of_once_over_every_transport(home: Path, transport: str) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    small, large = json.dumps(ROW).encode(), json.dumps([ROW] * 6000).encode()
    with Sink() as sink, running(home, telemetry=f"events={sink.url!r}", transport=transport) as server:
        for id, body in (("small", small), ("large", large)):
            head = {"x-request-id": id, "traceparent": f"00-{trace}-b7ad6b7169203331-00"}
            reply = httpx.post(f"{server.url}/predict", content=body, headers=head, timeout=30)
            assert reply.status_code == 200
        eventually(lambda: len(sink.taken) >= 4, 20.0, "both are told of")
        sent = 'fairlead_events_total{outcome="sent",reason=""} 4\n'
        eventually(lambda: sent in httpx.get(f"{server.url}/metrics").text, 30.0, "both are counted")
        counted = httpx.get(f"{server.url}/metrics").text
    told = {(one.headers["ce-id"], one.headers["ce-type"].rpartition(".")[2]): one for one in sink.taken}
    assert len(told) == len(sink.taken) == 4
    assert told["large", "request"].body == large
    assert told["small", "request"].headers["ce-traceparent"].split("-")[1] == trace
    assert "fairlead_workers 2" in counted, "the batch lane is one of them"
