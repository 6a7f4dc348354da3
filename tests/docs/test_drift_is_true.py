"""docs/how-to/drift.md: its Python runs, its settings are read, its table names checks that exist."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import fairlead.ops.monitor.checks as checks
from fairlead.ops.project import parse_settings

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "drift.md").read_text()
MODEL = '[model]\nname = "churn"\ntask = "classification"\ntarget = "Churn"\n'


def test_the_python_runs_and_finds_the_column_that_moved() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(block, "drift.md", "exec"), {})
    assert out.getvalue().startswith("Moved: 1 of 2 columns.\namount True")


def test_the_settings_shown_can_be_set_and_a_rule_that_cannot_be_read_is_refused() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", TEXT, re.S)
    assert len(parse_settings(f"{MODEL}\n{block}")[0].monitor.slices) == 2


def test_every_check_of_the_table_is_one() -> None:
    room = Path(checks.__path__[0]).parent
    source = "".join(p.read_text() for folder in (room, room / "checks") for p in folder.glob("*.py"))
    for name in re.findall(r"^\| (`.*?`) \|", TEXT, re.M):
        for told in re.findall(r"`(\w+)`", name):
            assert f'"{told}"' in source or f'"{told.split("_")[0]}_' in source or told.startswith("shift_")
