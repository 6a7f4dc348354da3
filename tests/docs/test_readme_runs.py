"""The README's lines for the reader's own table and own model, run as they stand."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
from tests.conftest import Program, eventually

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text()


def customers(rows: int = 3000) -> pd.DataFrame:
    """A small table with the columns the README asks about."""
    rng = np.random.default_rng(0)
    age, calls = rng.integers(18, 80, rows), rng.poisson(3, rows)
    plan = rng.choice(["basic", "plus", "pro"], rows)
    chance = 1 / (1 + np.exp(-(calls - 3) - (plan == "basic")))
    churned = np.where(rng.random(rows) < chance, "yes", "no")
    return pd.DataFrame({"age": age, "plan": plan, "calls": calls, "churned": churned})


def test_two_lines_for_your_own_table(program: Program) -> None:
    customers().to_csv(program.folder / "customers.csv", index=False)
    init = re.search(r"^fairlead (init .*)$", TEXT, re.M)
    ask = re.search(r"^curl -s localhost:8080(\S+) -d '(.*)'$", TEXT, re.M)
    assert init
    assert ask
    program.run(*init[1].split())
    settings = program.folder / "fairlead.toml"
    settings.write_text(settings.read_text().replace("trials = 30", "trials = 3").replace("port = 8080", "port = 0"))
    process = program.start("up")
    try:
        log = program.folder / "up.log"
        found = eventually(
            lambda: re.search(r"ready: \S+ at (http://[^/]+)", log.read_text()), within_s=120, what="up to be ready"
        )
        answer = subprocess.run(
            ["curl", "-s", f"{found[1]}{ask[1]}", "-d", ask[2]], capture_output=True, text=True, check=True
        )
        assert '"label"' in answer.stdout, answer.stdout
        assert "champion" in program.run("status").stdout
    finally:
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(40) == 0


def test_one_line_for_your_own_model(tmp_path: Path) -> None:
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame = customers()
    encode = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["plan"]), remainder="passthrough")
    pipeline = make_pipeline(encode, LogisticRegression(max_iter=1000))
    pipeline.fit(frame.drop(columns=["churned"]), frame["churned"])
    (tmp_path / "churn").mkdir()
    (tmp_path / "churn" / "fairlead.toml").write_text(
        '[model]\nname = "churned"\ntask = "classification"\ntarget = "churned"\npositive = "yes"\n'
    )
    block = re.search(r"## Your own model: one line\n\n```python\n(.*?)```", TEXT, re.S)
    assert block
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        names: dict[str, object] = {"pipeline": pipeline, "frame": frame}
        exec(block[1], names)
    finally:
        os.chdir(here)
    project = names["project"]
    assert project.inspect()["seal"]["verified"]  # type: ignore[attr-defined]
