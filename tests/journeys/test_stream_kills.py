"""A stream that is killed again and again, and its broker with it, answers every message; and each as it should."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.conftest import Program, eventually
from tests.journeys.streamed import BAD, Streaming, deployed, mixed, rows, scored_here
from tests.ports.brokers import SERVERS, Server

pytestmark = pytest.mark.long
COUNT, WRONG, KILLS = 5000, 40, 6
QUICKER = 4
"""Times as many for Redis, which else has done with all before the last kill."""
SHOWN = "killed with 5,000 messages in work, 6 times, the broker once; every key answered as locally"


def proven(name: str) -> Any:
    """A broker as a parameter, with what its tests show of it."""
    marks = {
        "redis": pytest.mark.verified("streams", "Redis Streams", how="run", by=SHOWN.replace("5,000", "20,000")),
        "nats": pytest.mark.verified("streams", "NATS JetStream", how="run", by=SHOWN),
        "rabbitmq": pytest.mark.verified("streams", "RabbitMQ", how="run", by=SHOWN),
        "kafka": pytest.mark.verified(
            "streams", "Kafka", how="emulated", by="librdkafka's mock; killed 6 times in 5,000"
        ),
    }
    return pytest.param(name, marks=marks[name])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deployed(tmp_path_factory.mktemp("trained") / "loans")


@pytest.fixture(params=[proven(name) for name in SERVERS])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    with SERVERS[request.param](tmp_path / "broker") as one:
        yield one


def assert_same(predictions: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    """The last bit of a sum depends on how many rows a batch has, as over HTTP."""
    (one,) = predictions
    assert one["label"] == expected["label"]
    assert one["probabilities"] == pytest.approx(expected["probabilities"], rel=1e-12)


def test_nothing_is_lost_however_often_it_is_killed(server: Server, trained: Path, tmp_path: Path) -> None:
    project = tmp_path / "loans"
    shutil.copytree(trained, project)
    count = COUNT * QUICKER if type(server).__name__ == "Redis" else COUNT
    wanted = rows(count)
    server.fill("rows", mixed(wanted, WRONG))
    mocked = type(server).__name__ == "KafkaMock"
    soon = {"Nats": "?ack_wait_s=2", "KafkaMock": "?session.timeout.ms=6000"}.get(type(server).__name__, "")
    told = {"source": server.address("rows") + soon}
    moments = random.Random(7)
    for number in range(KILLS):
        running = Streaming(project, server, "--batch", "8" if mocked else "40", "--every", "0.05", **told)
        try:
            running.ready()
            waited = moments.uniform(0.02, 0.25)
            if mocked:
                # A group takes seconds to give out its partitions.
                eventually(lambda log=running: re.search(r" [1-9]\d* answered", log.said()), 40.0, "first answers")
            if number == KILLS // 2 and server.restarts:
                server.kill()
                eventually(lambda log=running: "trying again in" in log.said(), what="the loss told")
                server.start()
                eventually(lambda log=running: "reached again" in log.said(), 40.0, "the broker found again")
            else:
                with pytest.raises(Exception, match="timed out"):
                    running.process.wait(waited)
        finally:
            running.kill()
    last = Streaming(project, server, "--once", "--json", **told)
    try:
        assert last.process.wait(120) == 0, last.said()
        # The kills met it at work.
        assert 0 < json.loads(last.said().splitlines()[-1])["answered"] < count
    finally:
        last.kill()

    answers = server.all_of("answers")
    expected = scored_here(trained, wanted)
    assert {one.id for one in answers} == set(wanted)
    for one in answers:
        assert_same(json.loads(one.body)["predictions"], expected[one.id])
    dead = server.all_of("answers.dead")
    assert {one.id for one in dead} == {id for id, _ in mixed({}, WRONG)}
    for one in dead:
        assert one.body == BAD[one.id.removeprefix("bad-").rpartition("-")[0]]
        assert one.headers["code"] == "400"
        assert one.headers["reason"]
    if type(server).__name__ in ("Redis", "Nats"):
        # These know a key that they have had.
        assert len(answers) == count
        assert len(dead) == WRONG
    Program(project).run("collect")
    ids = {
        id
        for path in (project / ".fairlead" / "records").rglob("*.parquet")
        for id in pq.read_table(path, columns=["request"]).column("request").to_pylist()
    }
    assert set(wanted) <= ids
