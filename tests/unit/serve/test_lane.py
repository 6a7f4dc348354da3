"""Large requests in the lane: same answers, same books, and single rows that are not held up."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx
from asking import ROW, Server, deploy, server
from tests.conftest import eventually

from fairlead.contract.routes import Limits
from fairlead.runtime.capture import collect, reconcile
from fairlead.runtime.serve import live_workers

LARGE = json.dumps([ROW] * 20_000).encode()


def lane_pid(home: Path) -> int:
    return next(worker.pid for worker in live_workers(home, lanes=True) if worker.role == "batch")


def post(running: Server, body: bytes, **headers: str) -> httpx.Response:
    return httpx.post(f"{running.url}/predict/churn", content=body, headers=headers, timeout=30.0)


def test_a_large_request_is_answered_by_the_lane_and_in_the_books(home: Path) -> None:
    with server(home) as running:
        small = post(running, json.dumps(ROW).encode()).json()["predictions"][0]
        reply = post(running, LARGE, **{"x-request-id": "large-1"})
        assert reply.status_code == 200
        assert reply.headers["x-request-id"] == "large-1"
        assert reply.json()["predictions"] == [small] * 20_000
        assert len(live_workers(home)) == 1
        assert lane_pid(home) != live_workers(home)[0].pid
        text = httpx.get(f"{running.url}/metrics").text
        assert 'fairlead_rows_total{model_name="churn",model_version="1",variant="champion"} 20001' in text
    collect(home)
    books = reconcile(home)
    assert books.ok
    assert books.answered == books.captured == 20_001


def test_a_caller_that_can_wait_says_so(home: Path) -> None:
    body = json.dumps([ROW] * 100).encode()
    assert len(body) > 4096
    with server(home) as running:
        assert post(running, body).status_code == 200
        assert len(live_workers(home, lanes=True)) == 1
        assert post(running, body, **{"x-priority": "batch"}).status_code == 200
        assert lane_pid(home)


def test_errors_come_back_as_from_a_worker(home: Path) -> None:
    bad: list[Any] = [ROW] * 20_000 + [{**ROW, "tenure": "x"}]
    with server(home) as running:
        reply = post(running, json.dumps(bad).encode())
        assert reply.status_code == 400
        assert "row 20000, column 'tenure'" in reply.json()["error"]
        missing = httpx.post(f"{running.url}/predict/nobody", content=LARGE, timeout=30.0)
        assert missing.status_code == 404


def test_a_killed_lane_costs_its_request_alone(home: Path) -> None:
    with server(home) as running:
        assert post(running, LARGE).status_code == 200
        before = lane_pid(home)
        os.kill(before, signal.SIGKILL)
        codes = []

        def asked() -> bool:
            with contextlib.suppress(httpx.TransportError):
                codes.append(post(running, LARGE).status_code)
            return codes[-1:] == [200]

        eventually(asked, 15.0, "the lane is replaced")
        assert set(codes) <= {200, 503}
        assert post(running, json.dumps(ROW).encode()).status_code == 200
    collect(home)
    assert reconcile(home).ok


def test_single_rows_are_not_held_up(home: Path) -> None:
    deploy(home, generation=2, limits=Limits(timeout_s=30.0))
    with server(home) as running, httpx.Client() as client:
        post(running, LARGE)
        body = json.dumps(ROW).encode()

        def slowest(count: int) -> float:
            taken = []
            for _ in range(count):
                began = time.perf_counter()
                assert client.post(f"{running.url}/predict/churn", content=body).status_code == 200
                taken.append(time.perf_counter() - began)
            return sorted(taken)[int(count * 0.99)]

        slowest(50)
        alone = slowest(300)
        began = time.perf_counter()
        post(running, LARGE)
        large = time.perf_counter() - began
        from threading import Thread

        over: list[int] = []

        def flood() -> None:
            while not over:
                post(running, LARGE)

        thread = Thread(target=flood)
        thread.start()
        beside = slowest(300)
        over.append(1)
        thread.join(30)
    # A worker that answered the large one itself would be as slow as it.
    assert beside < max(large / 3, alone * 4), (alone, beside, large)
