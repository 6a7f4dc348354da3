"""docs/how-to/performance-without-labels.md: its settings can be set, its verb and options are there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from typer.testing import CliRunner

from fairlead.contract.events import Area
from fairlead.doors.cli.main import app
from fairlead.ops.project import Project

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "performance-without-labels.md").read_text()


def test_settings_can_be_set(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        model = '[model]\nname = "m"\ntask = "classification"\ntarget = "y"\n'
        (tmp_path / "fairlead.toml").write_text(model + block)
        assert "adwin" in Project.find(tmp_path).settings.monitor.detectors


def test_the_verb_has_the_options_that_are_named() -> None:
    told = CliRunner().invoke(app, ["performance", "--help"], env={"COLUMNS": "200"}).output
    assert {"--json", "--page", "--last"} <= set(re.findall(r"--\w+", told))


def test_areas_are_those_of_findings() -> None:
    named = re.findall(r"^\| `(\w+)` \|", TEXT, flags=re.MULTILINE)
    assert set(named) == {"estimated", "concept_drift", "labels", "definition"} <= set(get_args(Area))
