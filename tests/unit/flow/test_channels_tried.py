"""`fairlead alerts`: how each channel stands, and what happened to a message through each, as an operator asks it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ports.alert_receivers import PASSWORD, Hook, Mailbox
from typer.testing import CliRunner

import fairlead
from fairlead.contract.events import Finding
from fairlead.doors.cli.main import app

CONFIG = '[model]\nname = "m"\ntask = "regression"\ntarget = "y"\n[data]\ntrain = "train.csv"\n[alerts]\n'


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as running:
        yield running


def project(folder: Path, *addresses: str) -> fairlead.Project:
    (folder / "train.csv").write_text("x,y\n1,2\n")
    (folder / "fairlead.toml").write_text(f"{CONFIG}to = {list(addresses)!r}\n")
    return fairlead.open(folder)


def free() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_each_channel_says_what_happened(tmp_path: Path, hook: Hook) -> None:
    file = tmp_path / "alerts.jsonl"
    with Mailbox() as mailbox:
        mail = "from=a@example.org&to=b@example.org&tls=never"
        opened = project(
            tmp_path, f"webhook+http://{hook.place}/?secret={PASSWORD}", f"file:{file}",
            f"smtp://127.0.0.1:{mailbox.port}?{mail}", f"smtp://127.0.0.1:{free()}?{mail}", "nonsense://t0ken/place",
        )  # fmt: skip
        answer = opened.alerts(test=True)
        assert "a test of this channel" in mailbox.got[0]["subject"]
    by = {one["channel"]: one for one in answer["tried"]}
    assert [one["ok"] for one in by.values()].count(True) == 3
    assert by["webhook+http://127.0.0.1"]["ok"]
    assert "Apprise does not understand this address" in by["nonsense"]["error"]
    assert by["smtp://127.0.0.1 (2)"]["error"]
    assert len(file.read_text().splitlines()) == len(hook.got) == 1
    told = CliRunner().invoke(app, ["-C", str(tmp_path), "alerts", "--test"])
    assert told.exit_code == 1, told.output
    assert "did not take it" in told.output
    for secret in (PASSWORD, "t0ken"):
        assert secret not in told.output
    assert opened.incidents(every=True)["incidents"] == [], "a test is no incident"


def test_how_channels_stand_is_told_from_what_was_delivered(tmp_path: Path, hook: Hook) -> None:
    opened = project(tmp_path, f"webhook+http://{hook.place}/", f"file:{tmp_path / 'alerts.jsonl'}")
    assert [one["state"] for one in opened.alerts()["channels"]] == ["unused", "unused"]
    ws = opened.workspace
    ws.state.put_finding(Finding("f", "m", "quality", "stuck", 3, 0.0, 1.0, 1.0, 1.0, "rows", "x stands", ("x",)))
    hook.answers = [503]
    ws.outbox.deliver(1000.0, wait_s=20)
    first, second = opened.alerts()["channels"]
    assert (first["state"], first["waiting"], first["due_at"], second["state"]) == ("waiting", 1, 1030.0, "works")
    assert "503" in first["error"]
    ws.outbox.deliver(1031.0, wait_s=20)
    answer = opened.alerts()
    assert [one["state"] for one in answer["channels"]] == ["works", "works"]
    assert [one["kind"] for one in answer["messages"]] == ["notice"]
    assert "webhook+http://127.0.0.1" in CliRunner().invoke(app, ["-C", str(tmp_path), "alerts"]).output


def test_a_project_that_tells_nobody_says_so(tmp_path: Path) -> None:
    project(tmp_path)
    told = CliRunner().invoke(app, ["-C", str(tmp_path), "alerts", "--test"])
    assert told.exit_code == 0
    assert "nobody is told" in told.output
