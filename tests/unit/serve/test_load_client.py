"""The benchmarks' load clients: what they count, and that a server that stands still is not spared."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from benchmarks import client

PYTHON = (sys.executable, client.__file__)
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Answer = Callable[[int], bytes | None]


@contextlib.contextmanager
def server(answer: Answer) -> Iterator[int]:
    """Its port. answer: what the n-th request gets; None cuts its connection off."""
    loop, count, ready = asyncio.new_event_loop(), 0, threading.Event()
    port = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))
                count += 1
                said = answer(count)
                if said is None:
                    break
                writer.write(said)
        writer.close()

    async def run() -> None:
        nonlocal port
        made = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = made.sockets[0].getsockname()[1]
        ready.set()
        await over.wait()
        made.close()

    over = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    ready.wait(10)
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


@pytest.fixture(scope="session")
def compiled() -> tuple[str, ...]:
    if client.name() != "open_loop.c":
        pytest.skip("a C compiler (Debian package gcc) is missing")
    return client.command()


@pytest.fixture(params=["open_loop.c", "client.py"])
def ask(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    program = PYTHON if request.param == "client.py" else request.getfixturevalue("compiled")
    bodies = tmp_path / "bodies.txt"
    bodies.write_bytes(b'{"a":1}\n{"a":22}\n\n{"a":333}')

    def ask(port: int, *more: object, connections: int = 4, seconds: float = 0.5) -> dict[str, Any]:
        words = [*program, str(port), str(connections), str(seconds), str(bodies), "/x", *map(str, more)]
        done = subprocess.run(words, stdout=subprocess.PIPE, check=True, timeout=300)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return ask


def test_every_connection_asks_again_when_answered(ask: Callable[..., dict[str, Any]]) -> None:
    with server(lambda number: GOOD) as port:
        found = ask(port)
    assert found["errors"] == 0
    assert found["requests"] > 20
    assert 0 < found["p50_ms"] <= found["p90_ms"] <= found["p99_ms"] <= found["p999_ms"] <= found["max_ms"]
    assert found["rate"] == pytest.approx(found["requests"] / found["seconds"], rel=0.01)


def test_what_is_not_200_is_an_error_and_bodies_in_chunks_are_read(ask: Callable[..., dict[str, Any]]) -> None:
    chunks = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    busy = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"
    with server(lambda number: busy if number % 4 == 0 else chunks) as port:
        found = ask(port, 100)
    assert found["requests"] > 20
    assert abs(found["errors"] - found["requests"] / 4) <= 2


def test_a_server_that_stands_still_is_charged_for_all_who_would_have_come(ask: Callable[..., dict[str, Any]]) -> None:
    def answer(number: int) -> bytes:
        if number == 20:
            time.sleep(0.5)
        return GOOD

    with server(answer) as port:
        found = ask(port, 200, seconds=1.0)
    assert found["errors"] == 0
    # Half of all were due while it stood still; four connections alone would have noticed four times.
    assert found["p90_ms"] > 200.0
    assert found["requests"] > 150


def test_a_connection_that_is_cut_off_is_an_error_and_made_anew(compiled: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "bodies.txt").write_bytes(b"{}")
    words = [*compiled, "0", "2", "0.5", str(tmp_path / "bodies.txt"), "/x", "100"]
    with server(lambda number: None if number == 5 else GOOD) as port:
        words[len(compiled)] = str(port)
        found = json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True, timeout=300).stdout)
    assert found["errors"] == 1
    assert found["requests"] > 20


def test_who_is_to_run_at_once_is_let_go_again() -> None:
    program = (
        "import os, bulk; before = os.sched_getscheduler(0)\n"
        "with bulk.at_once(): pass\n"
        "assert os.sched_getscheduler(0) == before"
    )
    folder = Path(client.__file__).parent
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
