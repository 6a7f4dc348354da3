"""What status and doctor say of streams, from the files in which they tell how they stand."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import msgspec
import pytest

from fairlead.contract.streams import StreamStatus
from fairlead.ops.flow import Workspace
from fairlead.ops.flow.streams import streams, streams_of, told_streams

NOW = 1_000_000.0
TOML = '[model]\nname = "loans"\ntask = "classification"\ntarget = "repaid"\n'


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    (tmp_path / "fairlead.toml").write_text(TOML)
    return Workspace.find(tmp_path, clock=lambda: NOW)


def told(ws: Workspace, **about: object) -> None:
    usual = StreamStatus(
        os.getpid(), "here-stream", "loans", "redis://h/rows", "redis://h/out", "redis://h/out.dead", "fairlead",
        since=NOW - 500, seen=NOW - 1, moved=NOW - 2, answered=70, lag=0, up=True,
    )  # fmt: skip
    one = msgspec.structs.replace(usual, **about)
    (ws.home.run / f"stream-{one.instance}.json").write_bytes(msgspec.json.encode(one))


def ended() -> int:
    """The id of a process that is no more."""
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    return gone.pid


@pytest.mark.parametrize(
    ("about", "state", "says"),
    [
        ({}, "running", "every stream is answered"),
        ({"lag": 7, "moved": NOW - 59}, "running", "every stream"),
        ({"lag": 7, "moved": NOW - 61}, "still", "7 messages wait, none was answered for 61 s"),
        ({"lag": 0, "moved": NOW - 400}, "running", "every stream"),
        ({"up": False, "why": "nobody at h", "moved": NOW - 5}, "running", "every stream"),
        ({"up": False, "why": "nobody at h", "moved": NOW - 11}, "unreached", "nobody at h. start the broker"),
        ({"up": False, "why": "refused by h.", "moved": NOW - 11}, "unreached", "refused by h. start the broker"),
        ({"seen": NOW - 16}, "silent", "nothing was heard of it for 16 s"),
        ({"pid": 0}, "gone", "its process was killed"),
    ],
)
def test_what_is_said_of_a_stream(ws: Workspace, about: dict[str, object], state: str, says: str) -> None:
    assert streams(ws) == []
    told(ws, **(about if about.get("pid") != 0 else {"pid": ended()}))
    (one,) = streams_of(ws)
    assert one.state == state
    (check,) = streams(ws)
    assert check.verdict == ("pass" if state == "running" else "fail")
    assert says in check.why


def test_a_file_of_another_make_is_passed_over_and_each_stream_has_a_line(ws: Workspace) -> None:
    (ws.home.run / "stream-odd.json").write_text("{")
    told(ws)
    told(ws, instance="here-stream-2", lag=3, moved=NOW - 100)
    found = told_streams(ws)
    assert [(one["instance"], one["state"], one["answered"]) for one in found] == [
        ("here-stream-2", "still", 70),
        ("here-stream", "running", 70),
    ]
    (check,) = streams(ws)
    assert check.name == "stream redis://h/rows"
