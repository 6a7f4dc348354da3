"""A full topic, and an output that stands still: the stream waits, and its memory does not follow what lies there."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import eventually
from tests.journeys.streamed import Streaming, deployed, rows
from tests.ports.brokers import SERVERS, Redis, Server

pytestmark = pytest.mark.long
COUNT, BODY = 20_000, 6_000
ROOM_MB = 60
SHOWN = f"{COUNT:,} messages, 120 MB, past an output that stood still: under {ROOM_MB} MB of memory more"
NAMES = {"redis": "Redis Streams", "nats": "NATS JetStream", "rabbitmq": "RabbitMQ"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deployed(tmp_path_factory.mktemp("trained") / "loans")


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.verified("streams", NAMES[name], how="run", by=SHOWN)) for name in NAMES
    ]
)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    with SERVERS[request.param](tmp_path / "source") as one:
        yield one


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Server]:
    with Redis(tmp_path / "sink") as one:
        yield one


def memory_mb(pid: int, what: str) -> float:
    """VmRSS, what a process holds; VmHWM, the most it ever held."""
    found = re.search(rf"^{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)
    assert found is not None
    return int(found[1]) / 1024


def test_memory_does_not_follow_what_waits(source: Server, sink: Server, trained: Path, tmp_path: Path) -> None:
    project = tmp_path / "loans"
    shutil.copytree(trained, project)
    wanted = rows(COUNT)
    # Blanks make a row long without making it another one.
    source.fill("rows", [(id, json.dumps(row).encode().ljust(BODY)) for id, row in wanted.items()])
    assert sink.process is not None
    running = Streaming(
        project, source, "--metrics-port", "0", "--batch", "100", source=source.address("rows"), to=sink.address("out")
    )

    def metric(name: str) -> float:
        with urllib.request.urlopen(url[1], timeout=10) as page:
            found = re.search(rf"^{name}(?:\{{[^\n]*\}})? (\S+)$", page.read().decode(), re.M)
        return float(found[1]) if found else -1.0

    def answered() -> int:
        with sink.client() as client:  # type: ignore[attr-defined]
            return int(client.xlen("out"))

    try:
        url = re.search(r"metrics (\S+)", running.ready())
        assert url is not None
        pid = running.process.pid
        eventually(lambda: answered() >= 500, 30.0, "first answers")
        before = memory_mb(pid, "VmRSS")
        os.killpg(sink.process.pid, signal.SIGSTOP)
        try:
            # One of its clients' time-outs passes, and it is said.
            eventually(lambda: "trying again in" in running.said(), 40.0, "the output's silence told")
            assert metric("fairlead_stream_in_flight") <= 100
            stood = memory_mb(pid, "VmRSS")
        finally:
            os.killpg(sink.process.pid, signal.SIGCONT)
        eventually(lambda: answered() >= COUNT, 120.0, "all answers")
        eventually(lambda: metric("fairlead_stream_lag") == 0, what="no lag")
        again = metric("fairlead_stream_redelivered_total")
        most = memory_mb(pid, "VmHWM")
        print(
            f"memory: {before:.0f} MB at work, {stood:.0f} while the output stood, {most:.0f} at most; again {again:g}"
        )
        assert most - before < ROOM_MB
        # What was in hand came again, and was counted as such.
        assert 0 < again <= 200
        assert running.end() == 0
    finally:
        running.kill()
