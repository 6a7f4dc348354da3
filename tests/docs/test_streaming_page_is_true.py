"""docs/how-to/streaming-learners.md: its Python runs in a small project."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fairlead.ops.rehearse.synthetic import agrawal

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "streaming-learners.md").read_text()
CONFIG = '[model]\nname = "m"\ntask = "classification"\ntarget = "approved"\npositive = "1"\ntime = "at"\n'


def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("river", reason="river is not installed: pip install 'fairlead[drift]'")
    monkeypatch.chdir(tmp_path)
    Path("fairlead.toml").write_text(CONFIG + '[data]\ntrain = "rows.csv"\n')
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    table = agrawal(700, seed=1)
    Path("bundle").mkdir()
    exec(compile(code, "page", "exec"), {"first_rows": table[:500], "next_rows": table[500:]})
    assert Path("learning.state").is_file()
    assert Path("bundle", "manifest.json").is_file()
