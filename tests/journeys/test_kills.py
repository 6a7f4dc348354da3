"""Nothing acknowledged is lost or doubled when workers, collector and watcher are killed; no deploy fails a request."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import random
import re
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import Program, eventually, real_table
from tests.journeys.load import Load
from tests.journeys.test_churn_loop import quick_settings, split_table, typed

import fairlead
from fairlead.runtime.capture import reconcile


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, list[dict[str, Any]]]:
    """A project with two registered versions, the first deployed, and rows to ask about."""
    program = Program(tmp_path_factory.mktemp("kills"))
    later = split_table(real_table("telco-churn.csv"), program.folder, 2043)
    program.run("init", "--data", "train.csv", "--target", "Churn", "--name", "churn")
    quick_settings(program.folder)
    for seed in ("0", "1"):
        text = (program.folder / "fairlead.toml").read_text()
        (program.folder / "fairlead.toml").write_text(text.replace("trials = 2", "trials = 2\nseed = " + seed))
        program.run("train")
        program.run("evaluate")
        program.run("register")
        (program.folder / "fairlead.toml").write_text(text)
    program.run("deploy", "1")
    return program, [typed(row) for row in later]


def processes(program: Program) -> dict[str, list[int]]:
    """Pids by what they are, of those that live now."""
    from fairlead.runtime.serve import live_workers

    home = program.folder / ".fairlead"
    found = {"worker": [w.pid for w in live_workers(home)]}
    status = json.loads((home / "run" / "up.json").read_text())
    for service in status["services"]:
        if service.get("pid"):
            found[service["name"]] = [service["pid"]]
    return found


def living(program: Program, kind: str) -> int:
    """The pid of a process of that kind, once one lives."""
    return int(eventually(lambda: processes(program).get(kind), within_s=30, what=f"a living {kind}")[0])


def more_answers(load: Load, count: int) -> None:
    """Wait until so many more requests were answered."""
    wanted = len(load.acknowledged) + count
    eventually(lambda: len(load.acknowledged) > wanted, within_s=30, what=f"{count} more answers")


def server_port(program: Program) -> int:
    """The port of a live worker, once there is one."""
    from fairlead.runtime.serve import live_workers

    found = eventually(lambda: [w.port for w in live_workers(program.folder / ".fairlead") if w.port], what="a worker")
    return int(found[0])


def start_up(program: Program) -> Any:
    """`fairlead up`, ready."""
    process = program.start("up", "--port", "0", "--every", "0.5")
    eventually(lambda: "ready:" in (program.folder / "up.log").read_text(), within_s=60, what="the ready line of up")
    return process


def stop_up(process: Any) -> None:
    """Ctrl-C, a clean end."""
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(60) == 0


def captured(program: Program) -> collections.Counter[str]:
    """How often each request id stands in the records."""
    from fairlead.runtime.capture import Records

    program.run("collect")
    table = Records(program.folder / ".fairlead", "churn").between(None, None)
    return collections.Counter(table.column("request").to_pylist())


def rows_by_metrics(program: Program) -> dict[str, float]:
    """What /metrics says became of rows, by outcome; asked again while what was killed last is being replaced."""

    def asked() -> str:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{server_port(program)}/metrics").text
        return ""

    page = eventually(asked, what="an answer of /metrics")
    found: collections.Counter[str] = collections.Counter()
    for outcome, rows in re.findall(r'^fairlead_capture_rows_total\{outcome="(\w+)".*\} (\S+)$', page, re.MULTILINE):
        found[outcome] += float(rows)
    return dict(found)


def strike(program: Program, load: Load, chance: random.Random) -> str:
    """Kill one of the processes, or hold the collector for a while; what was done."""
    kind = chance.choice(("worker", "worker", "server", "collector", "watcher", "slow collector"))
    if kind == "slow collector":
        collector = living(program, "collector")
        # It may have been killed a moment ago and not yet be replaced.
        with contextlib.suppress(ProcessLookupError):
            os.kill(collector, signal.SIGSTOP)
        more_answers(load, 100)
        with contextlib.suppress(ProcessLookupError):
            os.kill(collector, signal.SIGCONT)
        return kind
    with contextlib.suppress(ProcessLookupError):
        os.kill(living(program, kind), signal.SIGKILL)
    return kind


@pytest.mark.parametrize("kills", [6, pytest.param(100, marks=pytest.mark.long)])
def test_kills_under_load_lose_and_double_nothing(deployed: tuple[Program, list[dict[str, Any]]], kills: int) -> None:
    program, rows = deployed
    (program.folder / "up.log").unlink(missing_ok=True)
    process = start_up(program)
    chance = random.Random(kills)
    try:
        with Load(lambda: server_port(program), "churn", rows) as load:
            for _ in range(kills):
                more_answers(load, 20)
                strike(program, load, chance)
            more_answers(load, 100)
        books = reconcile(program.folder / ".fairlead")
        assert rows_by_metrics(program)["captured"] == books.captured
    finally:
        stop_up(process)
    counts = captured(program)
    lost = [request for request in load.acknowledged if counts[request] == 0]
    doubled = [request for request, times in counts.items() if times > 1]
    assert not lost, f"{len(lost)} of {len(load.acknowledged)} acknowledged requests are not in the records"
    assert not doubled
    assert not load.refused
    doctor = program.json("doctor")
    assert doctor["reconciliation"]["ok"]


def test_killed_all_at_once_and_up_again_goes_on(deployed: tuple[Program, list[dict[str, Any]]]) -> None:
    program, rows = deployed
    process = start_up(program)
    with Load(lambda: server_port(program), "churn", rows) as load:
        eventually(lambda: len(load.acknowledged) > 100, what="answers")
        os.killpg(process.pid, signal.SIGKILL)
        for pids in processes(program).values():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        load.stop()
    process.wait(60)
    (program.folder / "up.log").unlink()
    again = start_up(program)
    stop_up(again)
    counts = captured(program)
    assert all(counts[request] == 1 for request in load.acknowledged)
    assert program.json("audit")["ok"]
    assert program.json("doctor")["reconciliation"]["ok"]


@pytest.mark.parametrize("deploys", [6, pytest.param(100, marks=pytest.mark.long)])
def test_deploys_under_load_fail_no_request(deployed: tuple[Program, list[dict[str, Any]]], deploys: int) -> None:
    program, rows = deployed
    (program.folder / "up.log").unlink(missing_ok=True)
    process = start_up(program)
    project = fairlead.open(program.folder)
    try:
        with Load(lambda: server_port(program), "churn", rows) as load:
            for number in range(deploys):
                done = project.deploy(1 + (number + 1) % 2)
                assert done["confirmed"]
                more_answers(load, 20)
    finally:
        stop_up(process)
    assert load.lost == 0
    assert not load.refused
    counts = captured(program)
    assert all(counts[request] == 1 for request in load.acknowledged)


def test_files_of_the_home_are_private(deployed: tuple[Program, list[dict[str, Any]]]) -> None:
    program, _ = deployed
    home: Path = program.folder / ".fairlead"
    assert (home / "keys").stat().st_mode & 0o777 == 0o700
    assert all(p.stat().st_mode & 0o777 == 0o600 for p in (home / "keys").glob("*.key"))
    assert (home / "routes.json").stat().st_mode & 0o777 == 0o600
