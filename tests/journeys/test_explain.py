"""Why: rows of a project's table explained by the program, as JSON and as text."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from tests.journeys.cli import fairlead, make_project

import fairlead as package


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_project(tmp_path_factory.mktemp("explain"))
    assert fairlead(folder, "train").code == 0
    return folder


def test_rows_of_a_table_are_explained_and_sum_to_the_margin(project: Path) -> None:
    answer = fairlead(project, "explain", "loans.csv", "--rows", "7", "--json").json
    assert {"attributions", "baseline", "method"} <= set(answer)
    assert (answer["method"], answer["exact"], answer["sums"]) == ("linear", True, True)
    assert (answer["rows"], len(answer["attributions"]), answer["of"]) == (7, 7, ["yes"])
    for attributions, margin in zip(answer["attributions"], answer["margins"], strict=True):
        assert answer["baseline"] + sum(attributions.values()) == pytest.approx(margin, abs=1e-9)
    assert set(answer["attributions"][0]) == set(answer["values"][0])
    assert "loan" not in answer["values"][0]  # the key is no feature


def test_a_row_as_json_is_explained_as_it_is_in_the_table(project: Path) -> None:
    row = json.loads(pd.read_csv(project / "loans.csv").iloc[:1].to_json(orient="records"))[0]
    one = fairlead(project, "explain", json.dumps(row), "--json").json
    among = fairlead(project, "explain", "loans.csv", "--json").json
    assert one["attributions"][0] == among["attributions"][0]
    assert package.open(project).explain(row)["attributions"] == one["attributions"]


def test_the_text_says_what_pushed_and_against_what(project: Path) -> None:
    said = fairlead(project, "explain", "loans.csv", "--rows", "1").out
    assert "log-odds of yes" in said
    assert "on average" in said
    assert "drawn independently" in said


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["explain"], 2, "which row"),
        (["explain", "{broken"], 2, "looks like JSON"),
        (["explain", "[]"], 2, "list of such objects"),
        (["explain", "{}"], 2, "columns missing"),
        (["explain", "loans.csv", "--rows", "0"], 2, "from 1 to 10,000"),
        (["explain", "loans.csv", "--method", "trees"], 2, "no sum of trees"),
        (["explain", "loans.csv", "--method", "magic"], 2, "unknown explainer"),
        (["explain", "loans.csv", "--bundle", "77"], 1, "version"),
    ],
)
def test_mistakes_are_told_with_their_cure(project: Path, arguments: list[str], code: int, told: str) -> None:
    ended = fairlead(project, *arguments)
    assert told in ended.err
    assert ended.code == code
