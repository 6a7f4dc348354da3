"""docs/how-to/retrain.md: its settings can be set, its triggers are all there are, its commands exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import typer

from fairlead.ops.flow.undoing import REVERSIBLE
from fairlead.ops.project import parse_settings
from fairlead.ops.project.triggers import TRIGGERS, parse_trigger

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "retrain.md").read_text()
MODEL = '[model]\nname = "m"\ntask = "classification"\ntarget = "y"\ntime = "at"\n'


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", TEXT, re.S))
def test_the_settings_shown_can_be_set(block: str) -> None:
    tomllib.loads(block)
    parse_settings(MODEL + block)


def test_every_trigger_is_told() -> None:
    table = TEXT.split("| trigger |")[1].split("\n\n")[0]
    told = {
        parse_trigger(text).name
        for cell in re.findall(r"^\| (.*?) \|", table, re.M)
        for text in re.findall(r"`(.*?)`", cell)
    }
    assert told == {parse_trigger(text).name for text in TRIGGERS}


def test_every_decision_that_can_be_taken_back_is_told() -> None:
    table = TEXT.split("| decision |")[1].split("\n\n")[0]
    assert {row.replace(" ", "_") for row in re.findall(r"^\| (\w[\w ]*?) \|", table, re.M)} == set(REVERSIBLE)


def test_every_command_exists() -> None:
    from fairlead.doors.cli.main import app

    known = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert set(re.findall(r"`fairlead (\w+)", TEXT)) <= known
