"""A team shares a model: keys are made, used, limited, rotated and revoked while the server runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import Program, environment, eventually
from tests.journeys.cli import copy_of, make_project
from tests.ports.transport_certificates import Authority

ROW = {"income": 50.0, "kind": "car"}
GUARDED = """
[access]
required = true
"""


class Team(Program):
    """A project with a deployed model and a running server that wants keys."""

    url = ""

    def code(self, secret: str = "", path: str = "/predict", body: Any = ROW) -> int:
        headers = {"authorization": f"Bearer {secret}"} if secret else {}
        return httpx.post(self.url + path, json=body, headers=headers).status_code

    def created(self, name: str, *options: str) -> dict[str, Any]:
        return self.json("keys", "create", "--name", name, *options)


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    folder = make_project(tmp_path_factory.mktemp("team"))
    settings = folder / "fairlead.toml"
    settings.write_text(settings.read_text().replace("port = 0", 'port = 0\npurposes = ["lending"]') + GUARDED)
    made = Team(folder)
    for verb in ("train", "evaluate", "register", "deploy"):
        made.run(verb)
    copy_of(folder, folder.with_name("twin"))
    server = made.start("serve", "--workers", "2")
    try:
        log = folder / "serve.log"
        eventually(
            lambda: "ready:" in log.read_text() or server.poll() is not None, within_s=60, what=f"ready, see {log}"
        )
        made.url = next(line.split()[1] for line in log.read_text().splitlines() if line.startswith("ready:"))
        yield made
    finally:
        server.terminate()
        server.wait(60)


def test_without_a_key_the_server_says_how_to_get_one(team: Team) -> None:
    assert team.code() == 401
    assert httpx.get(f"{team.url}/metrics").status_code == 401
    assert httpx.get(f"{team.url}/health/ready").status_code == 200
    assert "fairlead keys create" in (team.folder / "serve.log").read_text()


def test_a_key_works_when_create_returns_and_no_longer_when_revoke_returns(team: Team) -> None:
    made = team.created("web shop", "--days", "30")
    assert made["confirmed"] == 2
    assert (made["models"], made["verbs"]) == (["loans"], ["predict", "feedback"])
    assert [team.code(made["key"]) for _ in range(6)] == [200] * 6
    assert httpx.post(f"{team.url}/predict", json=ROW, auth=("anybody", made["key"])).status_code == 200
    assert httpx.get(f"{team.url}/metrics", headers={"x-api-key": made["key"]}).status_code == 403
    gone = team.json("keys", "revoke", "web shop", "--why", "the shop closed")
    assert gone["confirmed"] == 2
    assert [team.code(made["key"]) for _ in range(6)] == [401] * 6
    told = team.json("audit")["newest"]
    assert [(event["action"], event["subject"], event["why"]) for event in told[-2:]] == [
        ("create key", "web shop", ""), ("revoke key", "web shop", "the shop closed"),
    ]  # fmt: skip
    assert made["key"] not in json.dumps(told)


def test_nobody_finds_a_secret_out_again(team: Team) -> None:
    made = team.created("kept secret")
    shown = team.run("keys", "list").stdout
    assert "kept secret" in shown
    assert made["key"] not in shown
    secret = made["key"].encode()
    files = [path for path in (team.folder / ".fairlead").rglob("*") if path.is_file()]
    assert not [path for path in files if secret in path.read_bytes()]


def test_the_homes_own_program_goes_on_working(team: Team) -> None:
    answer = team.json("predict", "loans.csv")
    assert answer["rows"] == 400
    own = team.folder / ".fairlead" / "keys" / "own.key"
    assert own.stat().st_mode & 0o777 == 0o600
    assert team.json("feedback", "loans.csv")["accepted"] == 400
    assert [key["name"] for key in team.json("keys", "list")["keys"]].count("this home") == 1
    team.json("keys", "revoke", "this home")
    assert team.json("predict", "loans.csv")["rows"] == 400
    assert team.json("status")["workers"]
    assert team.json("doctor")["verdict"] == "pass"


def test_a_key_from_the_environment_is_used_and_nothing_else(team: Team) -> None:
    made = team.created("reader", "--verb", "predict")
    other = "y" if made["key"].endswith("x") else "x"
    for secret, code in ((made["key"], 0), (made["key"][:-1] + other, 2)):
        done = subprocess.run(
            [sys.executable, "-m", "fairlead", "predict", "loans.csv", "--json"], cwd=team.folder,
            env={**environment(), "FAIRLEAD_KEY": secret}, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
    assert "401" in done.stderr


def test_a_rotated_key_fails_nobody(team: Team) -> None:
    # Where the program needs longer to end than both keys are to hold, once more with more time.
    for seconds in (2, 10, 60):
        name, began = f"rotating for {seconds}", time.monotonic()
        old = team.created(name)["key"]
        new = team.json("keys", "rotate", name, "--overlap", f"{seconds}s")["key"]
        codes = [team.code(old), team.code(new)]
        if codes == [200, 200] or time.monotonic() - began < seconds:
            break
    assert codes == [200, 200]
    eventually(lambda: team.code(old) == 401, within_s=seconds + 30)
    assert team.code(new) == 200


def test_a_purpose_that_was_not_meant_is_refused_and_audited(team: Team) -> None:
    fine, other = team.created("bank", "--purpose", "lending"), team.created("agency", "--purpose", "advertising")
    assert fine["warnings"] == []
    assert "none of its intended uses" in other["warnings"][0]
    assert team.code(fine["key"]) == 200
    assert [team.code(other["key"]) for _ in range(5)] == [403] * 5
    team.run("watch", "--once")
    refused = [event for event in team.json("audit", "--last", "50")["newest"] if event["action"] == "purpose refused"]
    assert [(event["actor"], event["subject"]) for event in refused] == [("key agency", "loans")]
    assert refused[0]["details"]["times"] == 5


def test_limits_of_a_key_hold_over_all_workers(team: Team) -> None:
    made = team.created("limited", "--rate", "0.01", "--burst", "4", "--rows-per-day", "6", "--label-only")
    # Each request on a connection of its own, so that both workers get some.
    codes = [team.code(made["key"], body=[ROW, ROW]) for _ in range(6)]
    assert codes.count(200) == 3
    assert set(codes) == {200, 429}


def test_captured_rows_name_their_caller_by_a_hash(team: Team) -> None:
    made = team.created("counted")
    assert team.code(made["key"]) == 200
    team.run("collect")
    from fairlead.runtime.wire import frames

    spool = team.folder / ".fairlead" / "spool"
    data = b"".join(path.read_bytes() for path in spool.rglob("*.spool"))
    assert made["id"].encode() not in data
    assert made["key"].encode() not in data
    callers = set()
    for path in spool.rglob("*.spool"):
        for _, _, frame in frames.scan(path):
            if isinstance(frame, frames.Tick):
                callers |= set(frame.callers or [None])
            elif isinstance(frame, frames.Prediction):
                callers.add(frame.caller)
    assert callers
    assert all(caller is not None and len(caller) == 32 for caller in callers)


def test_an_address_that_others_reach_needs_a_decision(team: Team, tmp_path: Path) -> None:
    done = team.run("serve", "--host", "0.0.0.0", "--port", "0", expect=2)
    assert "One of three is needed" in done.stderr
    assert "--insecure" in done.stderr


def test_mistakes_are_told_with_what_would_be_right(team: Team) -> None:
    for words, said in (
        (("create", "--name", "x", "--model", "loan"), "Did you mean 'loans'"),
        (("create", "--name", "x", "--verb", "fly"), "Known: predict, explain, feedback, metrics, admin"),
        (("create", "--name", "x", "--digits", "40"), "0 to 12 decimals"),
        (("revoke", "nobody"), "no live key is named 'nobody'"),
        (("rotate", "this home", "--overlap", "soon"), "no span of time"),
    ):
        assert said in team.run("keys", *words, expect=2).stderr


def test_python_has_the_same_verbs(team: Team) -> None:
    import fairlead

    keys = fairlead.open(team.folder).keys
    made = keys.create("from python", verbs=("metrics",))
    assert httpx.get(f"{team.url}/metrics", headers={"x-api-key": made["key"]}).status_code == 200
    assert any(key["name"] == "from python" and key["state"] == "live" for key in keys.list()["keys"])
    assert keys.revoke("from python")["confirmed"] == 2
    assert os.environ.get("FAIRLEAD_KEY") is None


def test_a_server_that_others_reach_over_tls_and_its_home(team: Team) -> None:
    twin = Team(team.folder.with_name("twin"))
    authority = Authority(twin.folder, "ours")
    certificate, private = (path.name for path in authority.issue("models.example"))
    settings = twin.folder / "fairlead.toml"
    tls = f'port = 0\nhost = "0.0.0.0"\ntls_certificate = "{certificate}"\ntls_key = "{private}"'
    settings.write_text(settings.read_text().replace("port = 0", tls).replace(GUARDED, ""))
    up = twin.start("up", "--every", "1")
    log = twin.folder / "up.log"
    try:
        eventually(lambda: "ready: loans" in log.read_text() or up.poll() is not None, 90, f"ready, see {log}")
        assert "fairlead keys create" in log.read_text()
        assert twin.json("predict", "loans.csv")["rows"] == 400
        made = twin.created("partner")
        assert made["confirmed"] == 1
        (worker,) = twin.json("status")["workers"]
        port = worker["port"]
        assert worker["url"] == f"https://127.0.0.1:{port}"
        assert f"ready: loans at https://127.0.0.1:{port}/predict/loans" in log.read_text()
        with httpx.Client(verify=authority.client()) as client:
            asked = [
                client.post(f"https://localhost:{port}/predict", json=ROW, headers={"x-api-key": key}).status_code
                for key in (made["key"], made["key"][:-1] + "_")
            ]
        assert asked == [200, 401]
    finally:
        up.terminate()
        up.wait(60)
