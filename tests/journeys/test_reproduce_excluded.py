"""Rows that a person left out are left out again when a version is made again, wherever its table comes from."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import fairlead
from fairlead.doors.python import init
from fairlead.ops.flow import making


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, churn_csv: Path) -> Path:
    folder = tmp_path_factory.mktemp("left") / "churn"
    folder.mkdir()
    lines = churn_csv.read_text().splitlines(keepends=True)
    (folder / "churn.csv").write_text("".join(lines[:400]))
    (folder / "out.csv").write_text("row,why\n3,twin\n17,label\n200,label\n")
    init(folder / "churn.csv", "Churn", folder)
    toml = (folder / "fairlead.toml").read_text()
    toml = re.sub(r"folds = 5.*", "folds = 2", re.sub(r"trials = 30.*", 'trials = 1\nlearners = ["logistic"]', toml))
    (folder / "fairlead.toml").write_text(toml.replace("[data]\n", '[data]\nexclude_rows = "out.csv"\n'))
    project = fairlead.open(folder)
    answer = project.train()
    assert sorted(answer["tables"]) == ["exclude_rows", "holdout", "train"]
    ws = project.workspace
    assert ws.load(answer["bundle"]).manifest.lineage.excluded_rows == 3
    making.register(ws, answer["bundle"])
    return folder


@pytest.fixture
def again(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "churn")
    return tmp_path / "churn"


def test_from_the_kept_rows(again: Path) -> None:
    answer = fairlead.open(again).reproduce(1)
    assert (answer["identical"], answer["rows"]) == (True, "kept"), answer


def test_from_the_same_table_elsewhere(again: Path) -> None:
    (again / "churn.csv").rename(again / "moved.csv")
    answer = fairlead.open(again).reproduce(1, again / "moved.csv")
    assert answer["differs"] == [], answer
    assert answer["rows"] == "given"
    # The project reads another table now, and the recorded one lies where it lay, its rows no longer kept.
    (again / "moved.csv").rename(again / "churn.csv")
    toml = (again / "fairlead.toml").read_text()
    (again / "fairlead.toml").write_text(re.sub(r'train = ".*churn.csv"', 'train = "newer.csv"', toml))
    shutil.rmtree(again / ".fairlead" / "tables")
    answer = fairlead.open(again).reproduce(1)
    assert (answer["identical"], answer["rows"]) == (True, "source"), answer


def test_a_list_that_changed_is_data(again: Path) -> None:
    (again / "out.csv").write_text("row,why\n3,twin\n17,label\n")
    answer = fairlead.open(again).reproduce(1)
    assert answer["differs"] == ["data"]
    assert any("exclude_rows" in line for line in answer["parts"][0]["what"])
