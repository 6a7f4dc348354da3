"""Brokers behind TLS and a login: both sides are checked, and no secret is ever shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Program, eventually
from tests.journeys.secured_brokers import SECRET, SECURED
from tests.journeys.streamed import Streaming, deployed, mixed, rows

pytestmark = pytest.mark.long
WRONG = "wrong-word-1c55d0"
SHOWN = "TLS with certificates of both sides and a login; wrong word and unknown authority refused"
NAMES = {"redis": "Redis Streams", "nats": "NATS JetStream", "rabbitmq": "RabbitMQ"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deployed(tmp_path_factory.mktemp("secured") / "loans")


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.verified("streams", NAMES[name], how="run", by=SHOWN)) for name in SECURED
    ]
)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    with SECURED[request.param](tmp_path / "broker") as one:
        yield one


def refused(project: Path, source: str, to: str, word: str) -> str:
    """What a stream says that is not let in."""
    running = Streaming(project, None, source=source, to=to)  # type: ignore[arg-type]
    try:
        eventually(lambda: "trying again in" in running.said(), what="a refusal told")
        told = Program(project).json("status")
        assert [one["up"] for one in told["streams"]] == [False]
        assert running.end() == 0
    finally:
        running.kill()
    said = running.said() + json.dumps(told)
    assert word not in said
    assert "Traceback" not in said
    return said


def test_only_who_knows_the_word_and_the_authority_is_let_in(
    server: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_SECRET", WRONG)
    said = refused(project, server.address("rows"), server.address("answers"), WRONG)
    assert any(word in said.lower() for word in ("auth", "refused", "wrongpass")), said
    monkeypatch.setenv("BROKER_SECRET", SECRET)
    # Nobody vouches for this certificate.
    said = refused(project, server.address("rows", ""), server.address("answers", ""), SECRET)
    assert "certificate" in said.lower(), said
    wanted = rows(300)
    server.fill("rows", mixed(wanted, 4))
    last = Streaming(project, server, "--once", "--json")
    try:
        assert last.process.wait(120) == 0, last.said()
    finally:
        last.kill()
    told = json.loads(last.said().splitlines()[-1])
    assert (told["answered"], told["refused"], told["lag"]) == (300, 4, 0)
    assert sorted(one.id for one in server.all_of("answers")) == sorted(wanted)
    assert len(server.all_of("answers.dead")) == 4
    assert SECRET not in last.said()
    # Nor is it kept anywhere in the home.
    home = project / ".fairlead"
    for path in home.rglob("*"):
        assert not (path.is_file() and SECRET.encode() in path.read_bytes()), path
