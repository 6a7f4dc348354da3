"""`fairlead loadtest` against real servers, and what `capacity` and an export make of its result."""

from __future__ import annotations

import math
import os
import re
import signal
from pathlib import Path

import pytest
from tests.conftest import Program, eventually
from tests.unit.export.sealed_loans import loans

from fairlead.reach.capacity import read_measured

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A project whose server was measured with one and two workers; limits are wide, as other tests run beside."""
    program = Program(loans(tmp_path_factory.mktemp("loadtest") / "loans"))
    found = program.json("loadtest", "--workers", "1,2", "--rates", "150,300", "--seconds", "2", "--p99", "900ms")
    assert [run["workers"] for run in found["runs"]] == [1, 2]
    for run in found["runs"]:
        for step in run["steps"]:
            assert step["requests"] >= 500
            assert step["errors"] == {}
            assert step["answered"] == pytest.approx(step["rate"], rel=0.2)
            assert step["p50_ms"] <= step["p99_ms"] <= step["p999_ms"] <= step["max_ms"]
            assert step["p99_low_ms"] <= step["p99_ms"] <= step["p99_high_ms"]
            assert step["memory_mb"] > 20
    assert found["per_replica"]["requests_per_s"] == 300
    assert found["per_replica"]["cpu_cores"] > 0
    assert {one["workers"]: one["carried"] for one in found["carried"]} == {1: 300, 2: 300}
    return program


def test_nothing_of_a_load_test_stays_behind(measured: Program) -> None:
    kept = [path for path in (measured.folder / ".fairlead" / "spool").rglob("*") if path.is_file()]
    assert kept == [], "what a test asks is no traffic of the project"
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert b"fairlead-loadtest-" not in entry.read_bytes()
        except OSError:
            continue


def test_replicas_for_a_volume_follow_from_it(measured: Program) -> None:
    plan = measured.json("capacity", "--rate", "1000/s", "--p99", "900ms")
    assert plan["per_replica"] == 300
    assert plan["replicas"] == 6, "1300 with room, 300 each, one to spare"
    assert any("may carry more" in note for note in plan["notes"])
    far = measured.json("capacity", "--rate", "1000/s", "--p99", "900ms", "--workers", "16", expect=4)
    assert far["extrapolated"]
    assert any("not measured so far out" in note for note in far["notes"])
    none = measured.json("capacity", "--rate", "1000/s", "--p99", "0.01ms", expect=3)
    assert none["replicas"] is None


def test_p99_at_a_load_that_was_not_measured_is_as_predicted(tmp_path: Path) -> None:
    """Of a real server with one worker. What is measured while others take this machine's processors says nothing of
    the server, and a step says so itself: it is looked three times."""
    program = Program(loans(tmp_path / "loans"))
    told = ("loadtest", "--workers", "1", "--p99", "900ms", "--seconds", "4", "--out")
    path, late, held = tmp_path / "known.json", [], []
    for _ in range(3):
        program.json(*told, str(path), "--rates", "200,2000")
        program.json(*told, str(tmp_path / "asked.json"), "--rates", "800")
        (known,) = read_measured(path).runs
        ((found,),) = (run.steps for run in read_measured(tmp_path / "asked.json").runs)
        between = known.p99_at(800.0)
        assert between is not None
        print(f"predicted {between[0]:.2f} to {between[1]:.2f} ms, found {found.p99_low_ms} to {found.p99_high_ms} ms")
        late = [step.late_p99_ms for step in (*known.steps, found) if step.unsound]
        if not late:
            held.append((found.p99_low_ms or 0.0) <= between[1] and between[0] <= (found.p99_high_ms or math.inf))
            if held[-1]:
                break
    plan = program.json("capacity", "--rate", "1600/s", "--p99", "900ms", "--loadtest", str(path), "--spare", "0",
                        "--headroom", "0")  # fmt: skip
    assert (plan["replicas"], plan["load"]) == (1, 1600.0)
    assert plan["p99_then_ms"][0] <= plan["p99_then_ms"][1]
    if not held:
        pytest.skip(f"the load generator itself was late each time, by {late[0]} ms: this machine is too busy to time")
    assert held[-1]


def test_an_export_takes_its_sizes_from_it(measured: Program) -> None:
    done = measured.json("export", "kubernetes", "--set", "loadtest=loadtest.json")
    assert done["files"]


def test_a_server_that_runs_already_is_asked_as_it_is(measured: Program, tmp_path: Path) -> None:
    server = measured.start("serve", "--port", "0")
    log = measured.folder / "serve.log"
    try:
        url = eventually(lambda: re.search(r"ready: (\S+)", log.read_text()), what="the ready line")[1]
        options = (
            "--url",
            url,
            "--rates",
            "200",
            "--seconds",
            "2",
            "--p99",
            "900ms",
            "--out",
            str(tmp_path / "r.json"),
        )
        found = measured.json("loadtest", *options)
        assert found["server"] == "running"
        assert found["runs"][0]["steps"][0]["errors"] == {}
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)
    gone = measured.run("loadtest", *options, expect=1)
    assert "no request was answered" in gone.stderr
