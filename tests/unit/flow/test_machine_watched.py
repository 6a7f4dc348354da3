"""The machine beside the model is judged in every pass, and told while it lasts and when it is over."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import eventually

sys.path.insert(0, str(Path(__file__).parents[1] / "monitor"))

from infrastructure_samples import NOON, answered, minute

from fairlead.contract.beats import BEAT_S, Beat
from fairlead.contract.routes import Variant
from fairlead.doors.cli.machine import machine_lines
from fairlead.ops.flow import Workspace
from fairlead.ops.flow.attending import attended
from fairlead.ops.flow.infrastructure import look_at_machine, machine_of
from fairlead.ops.project import Project
from fairlead.ops.state import FileLock, Intent
from fairlead.runtime.serve.observing import beats as rings

CONFIG = '[model]\nname = "m"\ntask = "regression"\ntarget = "y"\n[data]\ntrain = "train.csv"\n'


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    (tmp_path / "fairlead.toml").write_text(CONFIG + "[monitor]\nlimits = {p99_ms = 50}\n")
    (tmp_path / "train.csv").write_text("x,y\n1,2\n")
    made = Workspace(Project.find(tmp_path), clock=lambda: NOON + 2.0)
    made.home.ensure()
    return made


def say(ws: Workspace, beats: list[Beat]) -> None:
    ring = rings.Ring(rings.beats_path(ws.home.run, "here", 0))
    for beat in beats:
        assert ring.write(beat)
    ring.close()


def test_a_silent_home_has_no_findings_and_nothing_to_say(ws: Workspace) -> None:
    assert look_at_machine(ws) == []
    assert machine_of(ws) == {}
    assert machine_lines({}) == []


def test_what_breaks_a_limit_is_found_once_lasts_and_ends(ws: Workspace) -> None:
    say(ws, minute(NOON, answered(ms=80.0)))
    (found,) = look_at_machine(ws)
    assert found.check == "limit_p99_ms"
    assert look_at_machine(ws) == []
    assert [f.id for f in ws.state.findings("m")] == [found.id]
    ws.clock = lambda: NOON + 62.0
    say(ws, minute(NOON + 60.0, answered(ms=2.0)))
    assert look_at_machine(ws) == []
    assert ws.state.findings("m", open_only=True) == []


def test_what_lasts_is_written_down_again_with_its_newest_figures(ws: Workspace) -> None:
    say(ws, minute(NOON, answered(ms=80.0)))
    look_at_machine(ws)
    ws.clock = lambda: NOON + 92.0
    say(ws, minute(NOON + 90.0, answered(ms=400.0)))
    assert look_at_machine(ws) == []
    (lasting,) = ws.state.findings("m", open_only=True)
    assert lasting.size > 400.0
    assert lasting.since == pytest.approx(NOON - 60.0)


def test_a_server_that_is_gone_ends_what_was_found_of_it(ws: Workspace) -> None:
    say(ws, minute(NOON, answered(ms=80.0)))
    look_at_machine(ws)
    ws.clock = lambda: NOON + 600.0
    assert look_at_machine(ws) == []
    assert ws.state.findings("m", open_only=True) == []
    assert machine_of(ws) == {}


def test_status_says_what_limits_and_what_is_to_blame(ws: Workspace) -> None:
    say(ws, minute(NOON, answered(900, ms=80.0), cpu_s=4.9))
    machine = machine_of(ws)
    assert machine["requests"] == 10_800
    lines = machine_lines(machine)
    assert lines[0].startswith("last 60 s: 10,800 requests, half within 8")
    assert lines[1] == "limited by CPU of worker here/0: 98% busy; next memory: 50% used, 4.0 GB left"
    assert lines[2].startswith("to blame: too much traffic; here/0 is 98% busy at 180 requests/s")


def test_rings_survive_damage_and_go_round(tmp_path: Path) -> None:
    path = rings.beats_path(tmp_path, "here", 0)
    ring = rings.Ring(path)
    for number in range(rings.PLACES + 3):
        ring.write(minute(NOON + BEAT_S * number)[-1])
    ring.close()
    kept = rings.read_ring(path, 0.0)
    assert len(kept) == rings.PLACES
    assert kept[-1].end == NOON + BEAT_S * (rings.PLACES + 2)
    data = bytearray(path.read_bytes())
    data[30] ^= 0xFF
    path.write_bytes(bytes(data))
    assert len(rings.read_ring(path, 0.0)) == rings.PLACES - 1
    assert rings.read_ring(tmp_path / "none.bin", 0.0) == []
    assert len(rings.read_beats(tmp_path, NOON + BEAT_S * rings.PLACES)) == 2


def test_a_beat_of_many_variants_keeps_the_busiest(tmp_path: Path) -> None:
    many = [answered(number, variant=f"variant-{number}") for number in range(1, 60)]
    ring = rings.Ring(rings.beats_path(tmp_path, "here", 0))
    assert ring.write(minute(NOON, *many)[-1])
    ring.close()
    (kept,) = rings.read_beats(tmp_path, 0.0)
    assert 1 <= len(kept.answered) < 59
    assert kept.answered[0].variant == "variant-59"


@contextlib.contextmanager
def a_long_fit(ws: Workspace) -> Iterator[threading.Event]:
    """A pass that retrains: the watcher's lock is held and a model is fitted for as long as this lasts."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    over, under_way = threading.Event(), threading.Event()
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2000, 5))

    def fit() -> None:
        with FileLock(ws.home.run / "watch-m.lock"):
            while not over.is_set():
                HistGradientBoostingRegressor(max_iter=20).fit(rows, rows[:, 0])
                under_way.set()

    thread = threading.Thread(target=fit)
    thread.start()
    try:
        assert under_way.wait(60)
        yield over
    finally:
        over.set()
        thread.join()


def test_a_limit_broken_while_a_model_is_trained_is_told_before_that_is_over(ws: Workspace, tmp_path: Path) -> None:
    told = tmp_path / "alerts.jsonl"
    config = tmp_path / "fairlead.toml"
    config.write_text(config.read_text() + f'[alerts]\nto = ["file:{told}"]\n')
    ws = Workspace(Project.find(tmp_path), clock=ws.clock)
    ws.state.set_intent(Intent("m", (Variant("champion", "b" * 64, 1, weight=1.0),), NOON, "why"))
    lines: list[str] = []
    with a_long_fit(ws) as over, attended(ws, lines.append, every_s=0.05):
        say(ws, minute(NOON, answered(ms=80.0)))
        eventually(lambda: told.exists() and told.read_text().count("\n") == 1, what=f"the alert; {lines}")
        assert not over.is_set(), "while the fit goes on"
        # Let the next looks find what the first one did: it is told once.
        eventually(lambda: ws.state.deliveries(state="sent"), what="the delivery recorded")
    assert "one request of a hundred takes more than" in json.loads(told.read_text())["body"]
    assert len(ws.state.findings("m")) == 1
    (line,) = lines
    assert line.startswith("found: one request of a hundred")


def test_two_who_look_at_once_find_one_thing(ws: Workspace) -> None:
    say(ws, minute(NOON, answered(ms=80.0)))
    others = [Workspace(ws.project, clock=lambda at=at: NOON + 2.0 + at) for at in range(4)]
    threads = [threading.Thread(target=look_at_machine, args=(one,)) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ws.state.findings("m")) == 1
