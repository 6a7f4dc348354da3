"""Expectations of a project on a model that was trained and sealed: the verb, its exit codes, and the gate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.conftest import Program
from tests.journeys.cli import make_project

HOLDS = """
[[direction]]
name = "nothing by a cent"
column = "{column}"
by = 0.0
goes = "up"
"""
BROKEN = """
[[invariance]]
name = "the column does nothing"
changes = [{{ {column} = {low} }}, {{ {column} = {high} }}]
tolerance = 0.0
"""


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Program:
    folder = tmp_path_factory.mktemp("behaviour")
    make_project(folder)
    program = Program(folder)
    program.json("train")
    return program


def number(program: Program) -> dict[str, float | str]:
    """A numeric column of the model, with the ends of what training saw."""
    columns = program.json("inspect")["signature"]["columns"]
    found = next(c for c in columns if c["kind"] == "number")
    return {"column": found["name"], "low": found["low"], "high": found["high"]}


def expect(program: Program, text: str) -> None:
    (program.folder / "tests").mkdir(exist_ok=True)
    (program.folder / "tests" / "behaviour.toml").write_text(text.format(**number(program)))


def test_a_life_of_expectations(sealed: Program) -> None:
    nothing = sealed.run("test", expect=2)
    assert "tests/behaviour.toml" in nothing.stderr

    expect(sealed, HOLDS)
    told = sealed.json("test")
    assert (told["verdict"], told["passed"], told["failed"]) == ("pass", 1, [])
    assert "behaviour" in {check["name"] for check in sealed.json("evaluate")["checks"]}

    expect(sealed, HOLDS + BROKEN)
    told = sealed.json("test", expect=3)
    assert [one["name"] for one in told["failed"]] == ["the column does nothing"]
    assert "BROKEN" in sealed.run("test", expect=3).stdout
    judged = sealed.json("evaluate", expect=3)
    check = next(c for c in judged["checks"] if c["name"] == "behaviour")
    assert check["verdict"] == "fail"
    assert "the column does nothing" in check["why"]
    report = json.loads((Path(judged["report"]).parent / "report.json").read_text())
    assert {one["verdict"] for one in report["report"]["behaviour"]} == {"pass", "fail"}
    page = Path(judged["report"]).read_text()
    assert "the column does nothing" in page

    sealed.run("register")
    assert "fail" in sealed.run("deploy", expect=3).stderr
