"""`fairlead status` and `fairlead doctor` about streams that run, lose their broker, are stopped or killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Program, eventually
from tests.journeys.streamed import Streaming, deployed, mixed, rows
from tests.ports.brokers import Redis, Server

pytestmark = pytest.mark.long


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return deployed(tmp_path / "loans")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Server]:
    with Redis(tmp_path / "redis") as one:
        yield one


def complaint(program: Program, expect: int) -> dict[str, Any]:
    """What doctor says of streams."""
    checks = program.json("doctor", expect=expect)["checks"]
    return next(one for one in checks if one["name"].startswith("stream"))


@pytest.mark.timeout(300)
@pytest.mark.verified(
    "streams",
    "Redis Streams",
    how="run",
    by="status and doctor of a stream whose broker went, that stopped, was killed",
)
def test_a_stream_is_told_of_until_it_ends_by_itself(redis: Server, project: Path) -> None:
    program = Program(project)
    running = Streaming(project, redis)
    try:
        running.ready()
        redis.fill("rows", mixed(rows(60), 2))
        eventually(lambda: len(redis.all_of("answers")) == 60, what="60 answers")

        def counted() -> dict[str, Any] | None:
            (one,) = program.json("status")["streams"]
            return dict(one) if (one["answered"], one["lag"]) == (60, 0) else None

        one = eventually(counted, what="all of it told")
        assert (one["refused"], one["state"], one["model"]) == (2, "running", "loans")
        assert (one["source"], one["answers"]) == (redis.address("rows"), redis.address("answers"))
        assert f"stream {redis.address('rows')} -> {redis.address('answers')} since" in program.run("status").stdout
        assert complaint(program, 0)["verdict"] == "pass"

        redis.kill()
        found = eventually(lambda: _state(program) == "unreached", 40.0, "the lost broker told")
        said = complaint(program, 1)
        assert "start the broker" in said["why"]
        redis.start()
        eventually(lambda: _state(program) == "running", 40.0, "the broker found again")

        os.killpg(running.process.pid, signal.SIGSTOP)
        try:
            eventually(lambda: _state(program) == "silent", 40.0, "the silence told")
        finally:
            os.killpg(running.process.pid, signal.SIGCONT)
        eventually(lambda: _state(program) == "running", 40.0, "it goes on")
    finally:
        running.kill()
    assert found
    assert _state(program) == "gone"
    assert "killed" in complaint(program, 1)["why"]
    again = Streaming(project, redis, "--once")
    assert again.process.wait(60) == 0
    assert program.json("status")["streams"] == []


def _state(program: Program) -> str:
    (one,) = program.json("status")["streams"]
    return str(one["state"])
