"""A table larger than the memory it is given: trained, sealed, judged, told, made again; nothing stays behind."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import fairlead
from fairlead.doors.python import init
from fairlead.ops.flow import making
from fairlead.ops.flow.warm_start import start_of

RULES = 'trials = 1\nlearners = ["logistic"]\nfolds = 3\nmemory_mb = 1'


def shop(folder: Path, rows: int = 4_000) -> Path:
    random = np.random.default_rng(3)
    frame = pd.DataFrame(random.normal(size=(rows, 3)).round(4), columns=["a", "b", "c"])
    frame["town"] = random.choice(["Bonn", "Ulm", "Jena"], rows)
    frame["bought"] = np.where(random.random(rows) < 1 / (1 + np.exp(-frame["a"] - frame["b"])), "yes", "no")
    frame.to_csv(folder / "shop.csv", index=False)
    return folder


def project_of(folder: Path, rules: str = RULES) -> Any:
    init(folder / "shop.csv", "bought", folder)
    toml = (folder / "fairlead.toml").read_text()
    toml = re.sub(r"folds = 5.*\n(#.*\n)*trials = 30.*", rules, toml) + "\n[evaluate]\nrobustness = false\n"
    (folder / "fairlead.toml").write_text(toml)
    return fairlead.open(folder)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = shop(tmp_path_factory.mktemp("shop"))
    return folder, project_of(folder).train()


def test_a_table_larger_than_its_memory_is_learned_from_in_passes(trained: tuple[Path, dict[str, Any]]) -> None:
    folder, answer = trained
    scale = answer["scale"]
    assert (scale["rows"], scale["way"], scale["memory_mb"]) == (4_000, "every row", 1)
    assert scale["needed_mb"] >= 1
    assert scale["learned"] + scale["judged"] == 4_000
    assert scale["sample"] < 2_000
    assert answer["tables"]["train"]["rows"] == 4_000
    assert answer["parity"]["flipped"] == 0
    # What lay on the disk meanwhile is gone.
    assert list((folder / ".fairlead" / "large").iterdir()) == []


def test_the_report_says_what_became_of_it(trained: tuple[Path, dict[str, Any]]) -> None:
    folder, answer = trained
    judged = fairlead.open(folder).evaluate()
    page = Path(judged["report"]).read_text()
    assert "A table larger than memory" in page
    assert f"{answer['scale']['learned']:,}" in page
    assert answer["scale"]["says"][20:60] in page


def test_it_is_made_again_from_its_source_alone(trained: tuple[Path, dict[str, Any]]) -> None:
    folder, answer = trained
    project = fairlead.open(folder)
    making.register(project.workspace, answer["bundle"])
    found = project.reproduce(1)
    assert found["identical"], found
    assert found["rows"] == "source"


def test_which_rows_it_learned_from_is_not_taken_for_known(trained: tuple[Path, dict[str, Any]]) -> None:
    # The home has the sample alone: rows that are not in it may have taught the model all the same.
    folder, answer = trained
    start = start_of(fairlead.open(folder).workspace, answer["bundle"])
    assert start.lineage.trained_to == 0.0
    assert start.learned is None


def test_what_needs_all_rows_at_once_says_so(tmp_path: Path) -> None:
    folder = shop(tmp_path, 400)
    (folder / "own.py").write_text("def build(rows):\n    return rows\n")
    project = project_of(folder, RULES.replace("memory_mb = 1", "out_of_core = true"))
    toml = (folder / "fairlead.toml").read_text()
    (folder / "fairlead.toml").write_text(toml.replace("[data]\n", '[data]\nprepare = "own.py:build"\n'))
    answer = fairlead.open(folder).train()
    assert answer["scale"] is None
    assert "the table is read whole: [data] prepare runs over all of its rows" in answer["warnings"]
    assert project is not None


def test_a_small_table_is_read_as_ever(tmp_path: Path) -> None:
    folder = shop(tmp_path, 300)
    assert project_of(folder, RULES.replace("memory_mb = 1", "")).train()["scale"] is None
