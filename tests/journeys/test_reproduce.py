"""A version made again: identical, or which of data, settings, code, versions and files is no longer the same."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest
from tests.conftest import Program

import fairlead
from fairlead.contract.errors import UsageError
from fairlead.doors.python import init
from fairlead.ops.flow import making, reproducing
from fairlead.ops.flow.gathering import gather

QUICK = 'trials = 1\nlearners = ["logistic"]'


@pytest.fixture(scope="module")
def trained(tmp_path_factory, churn_csv) -> Path:
    """A project over a part of the churn table with a trained version; tests work on copies of it."""
    folder = tmp_path_factory.mktemp("churn")
    lines = churn_csv.read_text().splitlines(keepends=True)
    (folder / "churn.csv").write_text("".join(lines[:600]))
    (folder / "tariffs.csv").write_text("Contract,fee,known\nOne year,10,2020-01-01\nTwo year,20,2020-01-01\n")
    (folder / "features.py").write_text(
        "import fairlead\n\n"
        "def build(rows):\n"
        "    fees = fairlead.read_table('tariffs.csv')\n"
        "    return rows.merge(fees[['Contract', 'fee']], on='Contract', how='left')\n"
    )
    init(folder / "churn.csv", "Churn", folder)
    toml = (folder / "fairlead.toml").read_text()
    toml = re.sub(r"folds = 5.*", "folds = 2", re.sub(r"trials = 30.*", QUICK, toml))
    (folder / "fairlead.toml").write_text(toml.replace("[data]\n", '[data]\nprepare = "features.py:build"\n'))
    project = fairlead.open(folder)
    answer = project.train()
    assert sorted(answer["tables"]) == ["holdout", "tariffs.csv", "train"]
    making.register(project.workspace, answer["bundle"])
    return folder


class Copy:
    """A copy of the project, to change; opened anew each time, as a new process would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def reproduce(self, data: object = None) -> dict[str, Any]:
        """What `fairlead reproduce 1` answers."""
        return fairlead.open(self.folder).reproduce(1, data)


@pytest.fixture
def again(trained, tmp_path) -> Copy:
    """A copy of the project."""
    shutil.copytree(trained, tmp_path / "churn")
    return Copy(tmp_path / "churn")


def parts(answer) -> dict[str, bool | None]:
    return {part["name"]: part["same"] for part in answer["parts"]}


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_nothing_changed_is_identical(again):
    answer = again.reproduce()
    assert answer["identical"] is True
    assert (answer["version"], answer["rows"], answer["differs"], answer["noted"]) == (1, "kept", [], [])
    assert set(parts(answer).values()) == {True}
    assert list(parts(answer)) == [
        "data", "configuration", "code", "versions", "preparation", "model", "signature", "reference",
    ]  # fmt: skip
    change(again.folder / "churn.csv", ",29.85,29.85,", ",29.85,30.85,")
    said = Program(again.folder).run("reproduce", "1", expect=1).stdout
    assert "differs: data, in" in said
    assert "version 1" in said


def test_one_cell_is_data_and_the_rest_is_still_made_again(again):
    change(again.folder / "churn.csv", ",29.85,29.85,", ",29.85,30.85,")
    answer = again.reproduce()
    assert answer["differs"] == ["data"]
    assert answer["rows"] == "kept"
    assert answer["predictions"] is None
    assert answer["parts"][0]["what"][0].startswith("train: ")
    given = again.reproduce(again.folder / "churn.csv")
    assert {"data", "model"} <= set(given["differs"])
    assert given["rows"] == "given"
    assert given["predictions"]["rows"] > 0
    assert 0 < given["predictions"]["max_difference"] < 0.1
    assert given["predictions"]["flipped"] == 0


def test_a_table_that_prepare_reads_is_data_too(again):
    change(again.folder / "tariffs.csv", "One year,10", "One year,11")
    answer = again.reproduce()
    assert answer["differs"] == ["data"]
    assert any(line.startswith("tariffs.csv: ") for line in answer["parts"][0]["what"])


def test_a_setting_is_configuration_and_the_recorded_one_is_used(again):
    change(again.folder / "fairlead.toml", "seed = 0", "seed = 7")
    answer = again.reproduce()
    assert answer["differs"] == ["configuration"]
    assert answer["parts"][1]["what"] == ["train.seed: the default then, 7 now"]
    assert parts(answer)["model"] is True


def test_the_project_s_own_code_is_told_by_its_file(again):
    change(again.folder / "features.py", "import fairlead\n", "import fairlead  # as before\n")
    answer = again.reproduce()
    assert answer["differs"] == ["code"]
    assert answer["parts"][2]["what"][0] == "features.py: was changed"


def test_a_source_that_is_gone_leaves_the_kept_rows(again):
    (again.folder / "churn.csv").unlink()
    answer = again.reproduce()
    assert answer["differs"] == ["data"]
    assert "cannot be read any more" in answer["parts"][0]["what"][0]
    for kept in (again.folder / ".fairlead" / "tables").glob("*/rows.parquet"):
        kept.unlink()
    with pytest.raises(UsageError, match="Give --data"):
        again.reproduce()


def test_rows_kept_that_were_changed_by_hand_are_no_evidence(again):
    hashes = json.loads(manifest(again).read_text())["lineage"]["data"]
    kept = again.folder / ".fairlead" / "tables" / hashes / "rows.parquet"
    rows = pd.read_parquet(kept)
    rows.loc[0, "tenure"] += 1
    rows.to_parquet(kept)
    answer = again.reproduce()
    assert (answer["identical"], answer["rows"]) == (True, "source")


def test_a_commit_and_a_version_alone_are_noted(again):
    workspace = fairlead.open(again.folder).workspace
    lineage = workspace.load(workspace.store.ids()[0]).manifest.lineage
    other = msgspec.structs.replace(lineage, commit="a" * 40, versions={**lineage.versions, "numpy": "1.0"})
    assert reproducing.versions(other).what[0].startswith("numpy: 1.0 then, ")
    code = reproducing.code(other, workspace.settings, again.folder)
    assert code.same is False
    found = reproducing._outcome(
        workspace, workspace.store.ids()[0], "kept", [code, reproducing.versions(other)], None, 0.0, []
    )
    assert found.identical
    assert found.noted == ("code", "versions")


def test_lineage_says_what_was_read_and_nothing_of_this_machine(again):
    text = manifest(again).read_text()
    lineage = json.loads(text)["lineage"]
    assert lineage["tables"]["train"]["source"] == "churn.csv"
    assert lineage["tables"]["tariffs.csv"]["rows"] == 2
    assert lineage["tables"]["holdout"]["rows"] == 120
    assert list(lineage["files"]) == ["features.py"]
    assert lineage["configuration"]["train"]["trials"] == 1
    assert "train" not in lineage["configuration"]["data"]
    assert str(again.folder.parent) not in text


def manifest(again: Copy) -> Path:
    return next((again.folder / ".fairlead" / "bundles").glob("*/manifest.json"))


def test_rows_in_memory_are_made_again_from_what_was_kept(again):
    project = fairlead.open(again.folder)
    rows = pd.read_csv(again.folder / "churn.csv").head(300)
    bundle = project.train(rows)["bundle"]
    answer = project.reproduce(bundle)
    assert (answer["identical"], answer["rows"]) == (True, "kept")
    assert "in memory" in answer["parts"][0]["what"][0]


def test_a_table_from_outside_of_the_project_is_known_by_its_hash_alone(again, tmp_path):
    """Of its place only the name is recorded: whether it changed cannot be said; the model is made again."""
    shutil.copy(again.folder / "churn.csv", tmp_path / "outside.csv")
    project = fairlead.open(again.folder)
    bundle = project.train(str(tmp_path / "outside.csv"))["bundle"]
    assert json.loads(manifest_of(again, bundle).read_text())["lineage"]["tables"]["train"]["source"] == "outside.csv"
    answer = project.reproduce(bundle)
    assert (answer["identical"], answer["parts"][0]["same"]) == (True, None)
    assert "Give it with --data" in answer["parts"][0]["what"][0]
    assert project.reproduce(bundle, str(tmp_path / "outside.csv"))["parts"][0]["same"] is True


def manifest_of(again: Copy, bundle: str) -> Path:
    return again.folder / ".fairlead" / "bundles" / bundle / "manifest.json"


def test_a_model_from_elsewhere_is_refused_by_name(again):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    project = fairlead.open(again.folder)
    rows = pd.read_csv(again.folder / "churn.csv")[["tenure", "MonthlyCharges", "Churn", "Contract"]]
    fitted = make_pipeline(LogisticRegression()).fit(rows[["tenure", "MonthlyCharges"]], rows["Churn"])
    (again.folder / "features.py").write_text("def build(rows):\n    return rows\n")
    project.bundle(fitted, rows)
    with pytest.raises(UsageError, match="trained elsewhere"):
        project.reproduce()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("    return rows['nothing']\n", "features.py, line 2, in build: KeyError: 'nothing'"),
        ("    return more(rows)\n\ndef more(rows):\n    raise ValueError('two')\n", "line 5, in more: ValueError: two"),
        ("    return 3\n", "returned int; a DataFrame is needed"),
        ("    return rows.head(0)\n", "returned no rows"),
        ("    return (\n", "features.py, line 2: "),
    ],
)  # fmt: skip
def test_what_goes_wrong_in_prepare_says_file_and_line(again, body, words):
    (again.folder / "features.py").write_text("def build(rows):\n" + body)
    with pytest.raises(UsageError) as caught:
        gather(fairlead.open(again.folder).workspace)
    assert words in str(caught.value)
