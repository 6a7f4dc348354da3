"""Rows that nobody brings in are a complaint of `doctor` while `up` runs, and no news where nothing collects."""

from __future__ import annotations

from pathlib import Path

import pytest

import fairlead
from fairlead.ops.flow.doctor import collected
from fairlead.ops.state import FileLock
from fairlead.runtime.capture import Spool, Tally, collect
from fairlead.runtime.wire import frames

NOW = 1_700_000_000.0


def label(at: float) -> bytes:
    return frames.encode(frames.Label(at, "m", None, [frames.Given("r", 0, None, None, "a", None, None, "v1")]))


@pytest.mark.parametrize("running", [False, True])
def test_what_waits_for_minutes_is_told_while_a_collector_should_run(tmp_path: Path, running: bool) -> None:
    (tmp_path / "fairlead.toml").write_text('[model]\nname = "m"\ntask = "regression"\ntarget = "y"\n')
    ws = fairlead.open(tmp_path).workspace
    ws.clock = lambda: NOW
    ws.home.ensure()
    lock = FileLock(ws.home.run / "up.lock")
    if running:
        assert lock.take()
        (ws.home.run / "up.json").write_text('{"pid":1,"token":"t","since":0.0,"services":[]}')
    spool = Spool(ws.home.root / "spool", "i", "0", 1 << 20)
    for waited in (300.0, 290.0):
        assert spool.append([label(NOW - waited)], [], Tally(0, 0, labels=1))
    found = collected(ws)
    assert (found.verdict, found.value) == ("fail" if running else "pass", 300)
    collect(ws.home.root)
    assert spool.append([label(NOW - 5.0)], [], Tally(0, 0, labels=1))
    found = collected(ws)
    assert (found.verdict, found.value) == ("pass", 5)
    collect(ws.home.root)
    assert collected(ws).value == 0
    lock.release()
