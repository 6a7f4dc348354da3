"""What `doctor` says of the ground a home stands on: each complaint with its cure."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import msgspec
import pytest

from fairlead.contract.evidence import Check
from fairlead.contract.routes import Route, Routes, Variant
from fairlead.ops.flow import Workspace, surroundings
from fairlead.ops.flow.doctor import examine
from fairlead.ops.project import Project
from fairlead.ops.state import Intent
from fairlead.runtime.serve import publish

TOML = '[model]\nname = "m"\ntask = "regression"\ntarget = "y"\n\n[gate]\nmax_group_gap = false\n'


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    (tmp_path / "fairlead.toml").write_text(TOML)
    return Workspace(Project.find(tmp_path))


def with_setting(ws: Workspace, text: str) -> Workspace:
    (ws.project.root / "fairlead.toml").write_text(TOML + text)
    return Workspace(Project.find(ws.project.root))


def told(found: list[Check] | Check) -> dict[str, tuple[str, str]]:
    return {c.name: (c.verdict, c.why) for c in (found if isinstance(found, list) else [found])}


def test_a_new_home_passes(ws: Workspace) -> None:
    answer = examine(ws)
    assert answer["verdict"] == "pass", answer
    names = {c["name"] for c in answer["checks"]}
    assert {"python", "libraries", "home", "permissions", "inodes", "clock of the disk", "routes"} <= names


def test_routes_that_say_something_else_than_is_intended(ws: Workspace) -> None:
    variant = Variant("champion", "a" * 64, 1)
    ws.state.set_intent(Intent("m", (variant,), 1.0, "why", salt="s"))
    assert told(surroundings.agreed(ws))["routes"][0] == "fail"
    publish(ws.home.routes, Routes(generation=1, routes=(Route("m", (variant,), salt="s"),)))
    assert told(surroundings.agreed(ws))["routes"][0] == "pass"
    other = msgspec.structs.replace(variant, bundle="b" * 64)
    publish(ws.home.routes, Routes(generation=2, routes=(Route("m", (other,), salt="s"),)))
    verdict, why = told(surroundings.agreed(ws))["routes"]
    assert verdict == "fail"
    assert why.startswith("m: what is published is not what is intended; `fairlead watch --once`")


def test_what_cannot_be_reached_is_said_with_its_cure(ws: Workspace) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        mine = with_setting(ws, f'\n[registry]\nmlflow = "http://127.0.0.1:{port}"\n')
        verdict, why = told(surroundings.reachable(mine))["reach registry.mlflow"]
        assert (verdict, why[:22]) == ("fail", "nothing listens there:")
        listening.listen()
        assert told(surroundings.reachable(mine))["reach registry.mlflow"] == ("pass", "takes connections")
    mine = with_setting(ws, '\n[registry]\nmlflow = "http://no-such-host.invalid:5000"\n')
    assert "its name is not known" in told(surroundings.reachable(mine))["reach registry.mlflow"][1]


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("postgresql://u@db/x", ("db", 5432)),
        ("webhook+https://h/x", ("h", 443)),
        ("s3://bucket/x", None),
        ("file:/a", None),
        ("data/train.csv", None),
        ("http://h:99999/", None),
        ("http://${HOST}/", None),
    ],
)
def test_addresses(address: str, found: tuple[str, int] | None) -> None:
    assert surroundings._host_and_port(address) == found


def test_a_state_that_is_away_is_one_complaint(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fairlead.ops.state.backends.postgresql.GONE_S", 0.2)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        mine = with_setting(ws, f'\n[state]\nurl = "postgresql://u@127.0.0.1:{closed.getsockname()[1]}/x"\n')
        answer = examine(mine)
    failed = {c["name"]: c["why"] for c in answer["checks"] if c["verdict"] == "fail"}
    assert set(failed) == {"state", "reach state.url"}
    assert "cannot be reached" in failed["state"]


def test_clocks_apart_and_files_open_to_others(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    ws.state.generation()
    ws.home.state_db.chmod(0o644)
    verdict, why = told(surroundings.permissions(ws))["permissions"]
    assert (verdict, why) == ("fail", "run: chmod go= state.db")
    now = time.time()
    monkeypatch.setattr("fairlead.ops.flow.surroundings.time.time", lambda: now + 60.0)
    verdict, why = told(surroundings.clocks(ws))["clock of the disk"]
    assert verdict == "fail"
    assert "chrony" in why
    assert not [name for name in os.listdir(ws.home.run) if name.startswith(".clock")]


def test_libraries_of_another_version_are_named(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fairlead.ops.flow.surroundings.requires", lambda _name: ["msgspec>=99", "no-such-library"])
    verdict, why = told(surroundings.versions(ws))["libraries"]
    assert verdict == "fail"
    assert "no-such-library is not installed" in why
    assert "msgspec is" in why


def test_a_store_that_cannot_be_listed(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    mine = with_setting(ws, f'\n[stores]\nbundles = "{tmp_path / "store"}"\n')
    assert told(surroundings.stored(mine))["store of bundles"][0] == "pass"
    mine = with_setting(ws, '\n[stores]\nrecords = "s3://"\n')
    verdict, why = told(surroundings.stored(mine))["store of records"]
    assert (verdict, why) == ("fail", "s3://: says no bucket, container or host.")
