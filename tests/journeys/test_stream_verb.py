"""`fairlead stream` as an operator meets it: deploys, slow outputs, brokers that go, signals, metrics, mistakes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.conftest import Program, eventually
from tests.journeys.cli import fairlead
from tests.journeys.streamed import Streaming, deployed, mixed, rows
from tests.ports.brokers import Nats, Redis, Server

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deployed(tmp_path_factory.mktemp("trained") / "loans")


@pytest.fixture
def project(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "loans")
    return tmp_path / "loans"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Server]:
    with Redis(tmp_path / "redis") as one:
        yield one


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[Server]:
    with Nats(tmp_path / "nats") as one:
        yield one


def metric(url: str, name: str) -> float:
    """The value of a metric without or with any labels; -1 where it is not there."""
    with urllib.request.urlopen(url, timeout=5) as page:
        found = re.search(rf"^{name}(?:\{{[^\n]*\}})? (\S+)$", page.read().decode(), re.M)
    return float(found[1]) if found else -1.0


@pytest.mark.verified(
    "streams", "Redis Streams", how="run", by="a deploy is taken by a running stream; labels join answers"
)
def test_a_deploy_is_taken_without_a_restart_and_labels_join_answers(redis: Server, project: Path) -> None:
    running = Streaming(project, redis)
    try:
        running.ready()
        redis.fill("rows", mixed(rows(50)))
        eventually(lambda: len(redis.all_of("answers")) == 50, what="50 answers")
        before = json.loads((project / ".fairlead" / "routes.json").read_text())["generation"]
        text = (project / "fairlead.toml").read_text().replace("seed = 0", "seed = 5")
        (project / "fairlead.toml").write_text(text)
        for words in ("train", "evaluate", "register"):
            assert fairlead(project, words).code == 0
        ended = fairlead(project, "deploy", "--json")
        assert ended.code == 0, ended.err
        assert ended.json["generation"] > before
        answering = ended.json["variants"][0]["bundle"]
        more = {f"n{id}": row for id, row in rows(50).items()}
        redis.fill("rows", mixed(more))
        eventually(lambda: len(redis.all_of("answers")) == 100, what="100 answers")
        assert running.end() == 0
    finally:
        running.kill()
    # A label by the message's own id, as over HTTP by the request's.
    program = Program(project)
    program.run("collect")
    files = list((project / ".fairlead" / "records").rglob("*.parquet"))
    kept = [row for path in files for row in pq.read_table(path, columns=["request", "key", "bundle"]).to_pylist()]
    by_request = {row["request"]: row for row in kept}
    assert set(rows(50)) | set(more) == set(by_request)
    assert by_request["nm7"]["bundle"] == answering
    assert by_request["m7"]["key"] == "L7"
    server = program.start("serve")
    try:
        log = project / "serve.log"
        eventually(lambda: "ready:" in log.read_text(), what="the server")
        (project / "labels.jsonl").write_text(json.dumps({"request": "m7", "label": "yes"}) + "\n")
        told = program.json("feedback", "labels.jsonl")
        assert told["accepted"] == 1, told
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)
    assert program.json("collect")["labels"] == 1


@pytest.mark.verified(
    "streams", "NATS JetStream", how="run", by="an output that stands still stops the reading of Redis"
)
def test_an_output_that_stands_still_stops_the_reading(redis: Server, nats: Server, project: Path) -> None:
    """Two brokers in one stream: read from one, answered into the other."""
    running = Streaming(
        project, redis, "--batch", "50", "--metrics-port", "0", "--every", "0.2", to=nats.address("answers")
    )
    try:
        url = re.search(r"metrics (\S+)", running.ready())
        assert url is not None
        redis.fill("rows", mixed(rows(100)))
        eventually(lambda: len(nats.all_of("answers")) == 100, what="100 answers")
        eventually(lambda: metric(url[1], "fairlead_stream_lag") == 0, what="no lag")
        assert metric(url[1], "fairlead_rows_total") >= 100
        assert nats.process is not None
        os.killpg(nats.process.pid, signal.SIGSTOP)
        try:
            redis.fill("rows", mixed({f"n{id}": row for id, row in rows(2000).items()}))
            eventually(lambda: metric(url[1], "fairlead_stream_in_flight") > 0, what="a batch in flight")
            # Whatever it does now, it takes no more: one batch was given out, all others wait in the broker.
            with redis.client() as client:  # type: ignore[attr-defined]
                group = client.xinfo_groups("rows")[0]
                assert 0 < group["pending"] <= 50
                assert group["pending"] + group["lag"] == 2000
        finally:
            os.killpg(nats.process.pid, signal.SIGCONT)
        eventually(lambda: len(nats.all_of("answers")) == 2100, 60.0, "all answers")
        eventually(lambda: metric(url[1], "fairlead_stream_lag") == 0, what="no lag")
        assert running.end() == 0
    finally:
        running.kill()


def test_sigterm_ends_the_batch_in_hand_and_leaves_nothing_half_done(redis: Server, project: Path) -> None:
    redis.fill("rows", mixed(rows(3000), 10))
    running = Streaming(project, redis, "--batch", "100", "--json")
    try:
        running.ready()
        eventually(lambda: redis.all_of("answers"), what="first answers")
        assert running.end() == 0
    finally:
        running.kill()
    told = json.loads(running.said().splitlines()[-1])
    with redis.client() as client:  # type: ignore[attr-defined]
        assert client.xinfo_groups("rows")[0]["pending"] == 0
    assert len(redis.all_of("answers")) == told["answered"]
    assert len(redis.all_of("answers.dead")) == told["refused"]


def test_a_stream_waits_for_a_broker_and_for_a_model(redis: Server, project: Path) -> None:
    redis.kill()
    routes = project / ".fairlead" / "routes.json"
    kept = routes.rename(routes.with_suffix(".kept"))
    running = Streaming(project, redis)
    try:
        eventually(lambda: running.said().count("trying again in") >= 2, what="two tries")
        redis.start()
        redis.fill("rows", mixed(rows(20)))
        eventually(lambda: "nothing answers for now: " in running.said(), what="the want of a model told")
        assert redis.all_of("answers") == redis.all_of("answers.dead") == []
        kept.rename(routes)
        eventually(lambda: len(redis.all_of("answers")) == 20, what="20 answers")
        assert running.end() == 0
        assert "reached again after" in running.said()
        assert "Traceback" not in running.said()
    finally:
        running.kill()


def test_a_bundle_alone_answers_requests_of_the_open_inference_protocol(redis: Server, project: Path) -> None:
    (bundle,) = (path for path in (project / ".fairlead" / "bundles").iterdir() if path.is_dir())
    tensors = [
        {"name": "income", "datatype": "FP64", "shape": [2], "data": [10.0, 80.0]},
        {"name": "kind", "datatype": "BYTES", "shape": [2], "data": ["car", "house"]},
    ]
    redis.fill("rows", [("two", json.dumps({"inputs": tensors}).encode()), ("none", b'{"inputs": []}')])
    words = [
        "stream", "--from", redis.address("rows"), "--to", redis.address("answers"), "--dead-letters",
        redis.address("odd"), "--bundle", str(bundle), "--protocol", "v2", "--once",
    ]  # fmt: skip
    told = Program(project.parent).json(*words)
    assert (told["answered"], told["refused"], told["lag"]) == (1, 1, 0)
    (answer,) = redis.all_of("answers")
    outputs = {one["name"]: one for one in json.loads(answer.body)["outputs"]}
    assert outputs["label"]["data"] == ["no", "yes"]
    (dead,) = redis.all_of("odd")
    assert (dead.id, dead.body, dead.headers["code"]) == ("none", b'{"inputs": []}', "400")


def test_readers_of_one_group_share_the_messages(redis: Server, project: Path) -> None:
    first = Streaming(project, redis, "--batch", "10")
    try:
        first.ready()
        shutil.copy(first.log, project / "first.log")
        second = Streaming(project, redis, "--batch", "10")
        try:
            second.ready()
            redis.fill("rows", mixed(rows(1000)))
            eventually(lambda: len(redis.all_of("answers")) == 1000, what="1,000 answers")
            with redis.client() as client:  # type: ignore[attr-defined]
                names = [one["name"] for one in client.xinfo_consumers("rows", "fairlead")]
            assert len(set(names)) == 2
            assert second.end() == 0
        finally:
            second.kill()
        assert first.end() == 0
    finally:
        first.kill()
    assert sorted(one.id for one in redis.all_of("answers")) == sorted(rows(1000))
