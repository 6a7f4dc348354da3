"""docs/how-to/rehearse.md: its Python runs, its settings are read, its options exist; tables name every fault."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from fairlead.doors.cli.main import app
from fairlead.doors.python import init
from fairlead.ops.project.learning_from import parse_ways
from fairlead.ops.project.reading import parse_settings
from fairlead.ops.rehearse import agrawal
from fairlead.ops.rehearse.fault import known_faults

PAGES = Path(__file__).resolve().parents[2] / "docs"
TEXT = (PAGES / "how-to" / "rehearse.md").read_text()
MODEL = '[model]\nname = "m"\ntask = "regression"\ntarget = "y"\ntime = "at"\n'


def blocks(kind: str) -> list[str]:
    """Code blocks of that kind."""
    return re.findall(rf"```{kind}\n(.*?)```", TEXT, re.DOTALL)


def test_settings_and_choices_of_rows_are_read() -> None:
    for block in blocks("toml"):
        parse_settings(MODEL + block)
    for choice in ("all", "last:4", "weighted:30d", "weighted:8windows", "since_change"):
        assert choice in blocks("toml")[0]
        assert parse_ways(choice)


def test_options_are_those_of_the_program() -> None:
    known = set(re.findall(r"--[a-z]+", TEXT))
    verb = typer.main.get_command(app).commands["rehearse"]  # type: ignore[attr-defined]
    assert known <= {name for parameter in verb.params for name in parameter.opts}


@pytest.mark.long
def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    agrawal(24 * 40, functions=(9,), seed=1, rows_per_week=40).to_csv(tmp_path / "t.csv", index=False)
    init(tmp_path / "t.csv", "approved", tmp_path)
    path = tmp_path / "fairlead.toml"
    path.write_text(path.read_text().replace("[train]\n", '[train]\nlearners = ["logistic"]\n'))
    monkeypatch.chdir(tmp_path)
    for block in blocks("python"):
        exec(compile(block, "rehearse.md", "exec"), {})
    told = capsys.readouterr().out
    assert told.startswith(("inconclusive", "no change", "change"))
    assert all(f"'{kind}'" in told for kind in known_faults())
    assert (tmp_path / ".fairlead" / "reports" / "rehearsal" / "report.html").exists()


def test_the_tables_name_every_fault() -> None:
    page = (PAGES / "explanation" / "rehearsal.md").read_text()
    assert all(f"| {kind}: " in page for kind in known_faults())
