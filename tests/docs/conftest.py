"""A real project for pages to work on: the churn table, its model trained, judged, registered and deployed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.conftest import Program

QUICK = {"trials = 30": "trials = 1", "folds = 5": "folds = 2", "port = 8080": "port = 0"}
LEARNERS = 'learners = ["logistic"]'


@pytest.fixture(scope="session")
def deployed_churn(tmp_path_factory: pytest.TempPathFactory, churn_csv: Path) -> Path:
    """The project, made once; take a copy."""
    program = Program(tmp_path_factory.mktemp("pages") / "churn")
    program.folder.mkdir()
    shutil.copy(churn_csv, program.folder / "churn.csv")
    program.run("init", "--data", "churn.csv", "--target", "Churn", "--positive", "Churned", "--id", "customerID",
                "--name", "churn")  # fmt: skip
    file = program.folder / "fairlead.toml"
    text = file.read_text()
    for long, short in QUICK.items():
        text = text.replace(long, short)
    file.write_text(text.replace("[train]\n", f"[train]\n{LEARNERS}\n", 1))
    for verb in ("train", "evaluate", "register", "deploy"):
        program.run(verb)
    return program.folder


@pytest.fixture
def shop(deployed_churn: Path, tmp_path: Path) -> Path:
    """A copy of it for one page."""
    shutil.copytree(deployed_churn, tmp_path / "churn", symlinks=True)
    return tmp_path / "churn"
