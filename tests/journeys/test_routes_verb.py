"""One project decides, a server elsewhere answers: the verbs as a person types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.conftest import Program, environment, eventually
from tests.journeys.cli import make_project

pytestmark = pytest.mark.long
TOKEN = "t" * 40


def started(program: Program, words: list[str], log: Path) -> tuple[subprocess.Popen[str], str]:
    """A process and the URL of its ready line."""
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=program.folder, stdout=subprocess.PIPE, stderr=errors, text=True,
            env={**environment(), "FAIRLEAD_ROUTES_TOKEN": TOKEN},
        )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("ready: "), log.read_text()
    return process, line.split()[1]


@pytest.mark.verified("kubernetes", "Routes by URL", how="run",
                      by="fairlead routes, a server elsewhere, deploy waits for its lease")  # fmt: skip
def test_a_server_elsewhere_answers_what_one_project_deploys(tmp_path: Path) -> None:
    program = Program(make_project(tmp_path / "control"))
    program.run("train")
    program.run("evaluate")
    program.run("register")
    assert program.json("deploy")["confirmed"] is None, "no server yet"
    said = program.run("routes", expect=2)
    assert "FAIRLEAD_ROUTES_TOKEN" in said.stderr, "a shared secret is asked for"
    key = program.json("routes", "--key")["key"]
    door, url = started(program, ["fairlead", "routes", "--port", "0"], tmp_path / "door.log")
    other = ["fairlead.runtime.serve", "--home", str(tmp_path / "elsewhere"), "--port", "0"]
    server, at = started(program, [*other, "--routes", url, "--routes-key", key], tmp_path / "server.log")
    try:
        eventually(lambda: httpx.get(f"{at}/v2/health/ready").status_code == 200, what="the first routes")
        eventually(lambda: program.json("status")["workers"], what="a lease in status")
        again = program.json("deploy", "1")
        assert again["confirmed"] == 1, "it waited for the server elsewhere"
        answer = httpx.post(f"{at}/predict/loans", json={"loan": "L1", "income": 80.0, "kind": "car"})
        assert answer.json()["predictions"][0]["label"] == "yes"
        epoch = program.json("routes", "--new-epoch")["epoch"]
        held = tmp_path / "elsewhere/routes.signed"
        eventually(lambda: f'"epoch":{epoch}'.encode() in held.read_bytes(), what="the new epoch there")
        door.send_signal(signal.SIGTERM)
        assert door.wait(20) == 0
        assert httpx.post(f"{at}/predict/loans", json={"income": 80.0, "kind": "car"}).status_code == 200
        assert program.json("audit")["ok"]
    finally:
        for process in (server, door):
            if process.poll() is None:
                process.terminate()
            process.wait(30)
            assert process.stdout is not None
            process.stdout.close()
    assert json.loads((tmp_path / "elsewhere/routes.json").read_text())["generation"] == again["generation"]
    assert (os.stat(tmp_path / "elsewhere/routes.json").st_mode & 0o077) == 0, "it holds keys"
