"""docs/how-to/check-your-data.md: its Python runs, its settings are read, its table names every check."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

from fairlead.contract.plugins import names, variant
from fairlead.ops.project import parse_settings

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "check-your-data.md").read_text()
MODEL = '[model]\nname = "churn"\ntask = "classification"\ntarget = "Churn"\n'


def test_the_python_runs_and_finds_the_constant_column() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(block, "check-your-data.md", "exec"), {})
    assert "warning constant country the same value in every row" in out.getvalue()
    assert 'exclude = ["country"' in out.getvalue()


def test_the_settings_shown_can_be_set() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", TEXT, re.S)
    assert parse_settings(f"{MODEL}\n{block}")[0].data.exclude_rows == "suspects.csv"


def test_every_check_is_told() -> None:
    for name in names("quality_check"):
        assert f"`{variant('quality_check', name)().name}`" in TEXT
