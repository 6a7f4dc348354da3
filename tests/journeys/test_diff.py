"""Two versions side by side: each difference under its name, quality on the same rows, text for a pull request."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.conftest import Program

import fairlead
from fairlead.contract.errors import UsageError, VersionNotFound
from fairlead.doors.python import init
from fairlead.ops.flow import diffing, making


@pytest.fixture(scope="module")
def two(tmp_path_factory, churn_csv) -> Path:
    """A project with two versions: the second learned from rows of higher charges and by another seed."""
    folder = tmp_path_factory.mktemp("two")
    lines = churn_csv.read_text().splitlines(keepends=True)
    (folder / "churn.csv").write_text("".join(lines[:500]))
    init(folder / "churn.csv", "Churn", folder)
    toml = (folder / "fairlead.toml").read_text()
    toml = re.sub(r"folds = 5.*", "folds = 2", re.sub(r"trials = 30.*", 'trials = 1\nlearners = ["logistic"]', toml))
    toml = toml.replace("[data]", 'sensitive = ["gender"]\n\n[data]', 1)
    (folder / "fairlead.toml").write_text(toml)
    first = fairlead.open(folder)
    making.register(first.workspace, first.train()["bundle"])
    dear = [line for line in lines[500:2000] if float(line.rsplit(",", 3)[1]) > 70]
    (folder / "churn.csv").write_text("".join([lines[0], *dear]))
    (folder / "fairlead.toml").write_text(toml.replace("seed = 0", "seed = 5"))
    second = fairlead.open(folder)
    making.register(second.workspace, second.train()["bundle"])
    return folder


def test_each_difference_stands_under_its_name(two):
    answer = fairlead.open(two).diff(1, 2)
    assert [change["what"] for change in answer["configuration"]] == ["train.seed"]
    assert {"train", "holdout", "rows after preparation"} <= {change["what"] for change in answer["data"]}
    assert answer["code"] == answer["versions"] == []
    assert (answer["old"]["version"], answer["new"]["version"]) == (1, 2)
    assert answer["old"]["parity"]["flipped"] == 0
    moved = {drift["column"]: drift for drift in answer["drift"]}
    assert moved["MonthlyCharges"]["shift"] > 0.5
    assert answer["drift"][0]["shift"] or answer["drift"][0]["distance"] > 0.1


def test_both_are_judged_on_the_same_rows(two):
    quality = fairlead.open(two).diff(1, 2)["quality"]
    assert quality["rows"] > 50
    assert quality["unseen"] is False
    for old, new in quality["metrics"].values():
        assert old["low"] <= old["value"] <= old["high"]
        assert new["low"] <= new["value"] <= new["high"]
    gap = quality["difference"]
    assert quality["says"] == diffing._says(diffing.Interval(**gap))


def test_groups_of_both_are_compared_on_the_same_rows_with_intervals(two):
    groups = fairlead.open(two).diff(1, 2)["groups"]
    assert groups["rows"] > 50
    assert {gap["column"] for gap in groups["gaps"]} == {"gender"}
    told = {gap["measure"]: gap for gap in groups["gaps"]}
    for side in ("old", "new"):
        gap = told["demographic_parity"][side]
        assert gap["low"] <= gap["value"] <= gap["high"]
    assert told["demographic_parity"]["says"] in ("surely smaller", "surely larger", "no difference is proven")
    for moved in groups["moved"]:
        assert moved["difference"]["low"] * moved["difference"]["high"] > 0
        assert moved["new"] - moved["old"] == pytest.approx(moved["difference"]["value"])


def test_what_carries_the_answers_is_compared_against_one_background(two):
    project = fairlead.open(two)
    reasons = project.diff(1, 2)["reasons"]
    assert reasons["shared"]
    assert reasons["scale"] == "log-odds"
    for side in ("old", "new"):
        assert sum(column[side] for column in reasons["columns"]) == pytest.approx(1.0)
        places = [column[f"{side}_place"] for column in reasons["columns"]]
        assert sorted(places) == list(range(1, len(places) + 1))
    assert all(column["shift"]["low"] <= column["shift"]["value"] for column in reasons["columns"])
    assert any(column["shift"]["value"] > 0.01 for column in reasons["columns"])
    assert -1.0 <= reasons["agreement"] <= 1.0


def test_the_order_of_the_two_turns_the_changes_round(two):
    project = fairlead.open(two)
    forth, back = project.diff(1, 2), project.diff(2, 1)
    assert [(c["what"], c["old"], c["new"]) for c in forth["data"]] == [
        (c["what"], c["new"], c["old"]) for c in back["data"]
    ]


def test_the_text_is_markdown_and_nothing_else(two):
    program = Program(two)
    said = program.run("diff", "1", "2").stdout
    assert said.startswith("## Version 1 → version 2\n")
    assert "| MonthlyCharges |" in said
    assert "### Fairness: largest gap between groups" in said
    assert "against the new one's background" in said
    assert "The same in both: code, preparation" in said
    assert "\x1b[" not in said
    tables = [block.splitlines() for block in said.split("\n\n") if block.lstrip("\n").startswith("|")]
    assert len(tables) > 4
    for table in tables:
        assert len({line.replace("\\|", "").count("|") for line in table if line}) == 1


def test_what_cannot_be_compared_says_why(two):
    project = fairlead.open(two)
    with pytest.raises(UsageError, match="are the same bundle"):
        project.diff(1, 1)
    with pytest.raises(VersionNotFound):
        project.diff(1, 9)


def test_shared_bins_of_two_references():
    from fairlead.contract.profile import Bins, ColumnProfile

    old = ColumnProfile(Bins("x", "number", edges=(0.0, 1.0, 2.0)), 10, 0, (1, 2, 3, 4))
    new = ColumnProfile(Bins("x", "number", edges=(1.0, 2.0, 3.0)), 10, 0, (4, 3, 2, 1))
    mine, other = diffing._shared(old, new)
    assert (mine.tolist(), other.tolist()) == ([3, 3, 4], [4, 3, 3])
    red = ColumnProfile(Bins("c", "category", categories=("a", "b")), 6, 0, (1, 2, 3))
    blue = ColumnProfile(Bins("c", "category", categories=("b", "z")), 6, 0, (3, 2, 1))
    mine, other = diffing._shared(red, blue)
    assert (mine.tolist(), other.tolist()) == ([2, 4], [3, 3])
