"""Why: rows of a project's table explained by the program, as JSON and as text."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from tests.journeys.cli import copy_of, fairlead, make_project

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


def test_the_whole_model_is_explained_by_the_rows_it_was_judged_on(project: Path) -> None:
    page = project / "out" / "whole.html"
    answer = fairlead(project, "explain", "--global", "--html", str(page), "--json").json
    assert {"attributions", "baseline", "method", "effects", "dependence", "surrogate"} <= set(answer)
    assert max(answer["attributions"], key=answer["attributions"].get) == "income"
    assert answer["surrogate"]["fidelity"]["value"] > 0.8
    assert "income" in page.read_text()
    said = fairlead(project, "explain", "--global").out
    assert "What moves the log-odds of yes" in said
    assert "A small tree tells" in said
    given = fairlead(project, "explain", "--global", "--data", "loans.csv", "--json").json
    assert given["rows"] == 400 > answer["rows"]


def test_rows_as_a_page(project: Path) -> None:
    page = project / "out" / "rows.html"
    assert fairlead(project, "explain", "loans.csv", "--rows", "2", "--html", str(page)).code == 0
    assert page.read_text().count("<figure>") == 2


def test_counterfactuals_follow_the_rules_of_the_project(project: Path, tmp_path: Path) -> None:
    answer = fairlead(project, "explain", "loans.csv", "--counterfactual", "--rows", "8", "--json").json
    assert len(answer["counterfactuals"]) == answer["rows"] == 8
    for prediction, told in zip(answer["predictions"], answer["counterfactuals"], strict=True):
        assert told["goal"] != prediction["label"]
        assert all(one["answer"]["label"] == told["goal"] for one in told["found"])
    assert any(c["column"] == "income" for t in answer["counterfactuals"] for f in t["found"] for c in f["changes"])
    ruled = copy_of(project, tmp_path / "ruled")
    with (ruled / "fairlead.toml").open("a") as settings:
        settings.write('\n[explain]\nimmutable = ["income"]\nmost_changes = 1\n')
    ended = fairlead(ruled, "explain", "loans.csv", "--counterfactual", "--rows", "8", "--json").json
    assert ended["immutable"] == ["income"]
    changed = {c["column"] for t in ended["counterfactuals"] for f in t["found"] for c in f["changes"]}
    assert changed <= {"kind"}
    assert "unchanged by rule: income" in fairlead(ruled, "explain", "loans.csv", "--counterfactual").out


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
        (["explain", "loans.csv", "--global"], 2, "--data"),
        (["explain", "loans.csv", "--counterfactual", "--goal", "maybe"], 2, "There are: no, yes"),
        (["explain", "loans.csv", "--counterfactual", "--html", "x.html"], 2, "shows attributions"),
    ],
)
def test_mistakes_are_told_with_their_cure(project: Path, arguments: list[str], code: int, told: str) -> None:
    ended = fairlead(project, *arguments)
    assert told in ended.err
    assert ended.code == code
