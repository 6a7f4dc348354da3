"""Ctrl-C, SIGTERM and kill -9 at verbs that take long: a clean end, and the next call goes on where it was."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest
from tests.conftest import Program, eventually
from tests.journeys.cli import copy_of, fairlead, make_project


def longer(folder: Path) -> Path:
    """A project whose search takes some seconds."""
    make_project(folder)
    path = folder / "fairlead.toml"
    text = path.read_text().replace("trials = 1\nfolds = 2", "trials = 8\nfolds = 4")
    path.write_text(text.replace('["logistic"]', '["logistic", "random_forest"]'))
    return folder


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A project before training, and the bundle that training it in one go seals (keys are part of no id)."""
    before = longer(tmp_path_factory.mktemp("before") / "project")
    ended = fairlead(copy_of(before, tmp_path_factory.mktemp("after") / "project"), "train", "--json")
    assert ended.code == 0, ended
    return before, ended.json["bundle"]


def trials(program: Program) -> int:
    """How many trials of the search are on disk."""
    return sum(len(p.read_text().splitlines()) for p in program.folder.glob(".fairlead/searches/*/trials.jsonl"))


def stop_in_the_middle(program: Program, verb: str, number: int, *arguments: str) -> int:
    """Start a verb that trains, send it a signal while it searches; its exit code."""
    process = program.start(verb, *arguments)
    before = trials(program)
    eventually(lambda: trials(program) > before, 120, "the search is under way")
    os.kill(process.pid, number)
    return process.wait(60)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)], ids=["int", "term", "kill"]
)
def test_train_goes_on_where_it_was_stopped(
    uninterrupted: tuple[Path, str], tmp_path: Path, number: int, code: int
) -> None:
    before, bundle = uninterrupted
    program = Program(copy_of(before, tmp_path / "project"))
    assert stop_in_the_middle(program, "train", number) == code
    said = (program.folder / "train.log").read_text()
    assert "Traceback" not in said
    if number != signal.SIGKILL:
        assert said.endswith("stopped: `fairlead train` takes it up again\n")
    assert not list((program.folder / ".fairlead" / "bundles").iterdir())
    kept = next((program.folder / ".fairlead" / "searches").iterdir()) / "trials.jsonl"
    first = kept.read_bytes().splitlines()[0]
    again = program.run("train", "--json")
    assert kept.read_bytes().splitlines().count(first) == 1
    assert json.loads(again.stdout)["bundle"] == bundle


def ready(program: Program, verb: str = "up") -> str:
    """The address in the ready line, once it is there."""
    log = program.folder / f"{verb}.log"
    found = eventually(lambda: re.search(r"^ready: .*?(http://[0-9.:]+)", log.read_text(), re.M), 60, "the ready line")
    return str(found[1])


def test_up_stopped_while_training_goes_on(uninterrupted: tuple[Path, str], tmp_path: Path) -> None:
    before, bundle = uninterrupted
    program = Program(copy_of(before, tmp_path / "project"))
    assert stop_in_the_middle(program, "up", signal.SIGINT) == 130
    assert stop_in_the_middle(program, "train", signal.SIGKILL) == -9
    process = program.start("up", "--every", "0.3")
    try:
        ready(program)
        assert program.json("status")["variants"][0]["bundle"] == bundle
        assert program.json("predict", "loans.csv")["rows"] == 400
        # A second one is turned away and leaves the first alone.
        second = program.run("up", expect=2)
        assert "runs for this home already" in second.stderr
        assert program.json("predict", "loans.csv")["rows"] == 400
    finally:
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(60) == 0
    said = (program.folder / "up.log").read_text()
    assert "Traceback" not in said
    assert program.json("doctor")["verdict"] == "pass"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["int", "term"])
def test_what_runs_until_stopped_ends_cleanly(uninterrupted: tuple[Path, str], tmp_path: Path, number: int) -> None:
    verbs = {"serve": (), "collect": ("--follow", "--every", "0.2"), "watch": ("--every", "0.2")}
    # A home for each, so that a file is made by nobody else: who is not yet at work is not stopped but interrupted.
    programs = {verb: Program(make_project(tmp_path / verb)) for verb in verbs}
    started = {verb: programs[verb].start(verb, *arguments) for verb, arguments in verbs.items()}
    try:
        ready(programs["serve"], "serve")
        eventually((tmp_path / "collect" / ".fairlead" / "run" / "collect.lock").exists, 60, "collecting")
        eventually((tmp_path / "watch" / ".fairlead" / "state.db").exists, 60, "watching")
        for verb, process in started.items():
            log = tmp_path / verb / f"{verb}.log"
            os.kill(process.pid, number)
            assert process.wait(60) == 0, (verb, log.read_text())
            assert "Traceback" not in log.read_text()
    finally:
        for process in started.values():
            process.kill()
