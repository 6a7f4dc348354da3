"""docs/how-to/explain.md: its Python runs in a small project, its settings are settings."""

from __future__ import annotations

import contextlib
import io
import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from tests.journeys.cli import fairlead, make_project

from fairlead.contract.plugins import names
from fairlead.contract.settings import ExplainSettings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "explain.md").read_text()


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, flags=re.DOTALL)


def test_its_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path / "loans")
    assert fairlead(project, "train").code == 0
    monkeypatch.chdir(project)
    said = io.StringIO()
    for block in blocks("python"):
        with contextlib.redirect_stdout(said):
            exec(compile(block, "explain.md", "exec"), {})
    assert "income" in said.getvalue()
    assert (project / "why.html").exists()


def test_its_settings_and_methods_are_there() -> None:
    for block in blocks("toml"):
        msgspec.convert(tomllib.loads(block)["explain"], ExplainSettings)
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE)) - {"method"} == set(names("explainer"))
