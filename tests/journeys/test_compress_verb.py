"""`fairlead compress` on a real table: a smaller candidate with its certificate, or an honest no."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import msgspec
import pytest
from tests.journeys.cli import fairlead

from fairlead.contract.plugins import names
from fairlead.lab.compress import words_of_ways

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "compress.md"

PROJECT = """\
[model]
name = "churn"
task = "classification"
target = "Churn"
positive = "Churned"
id = "customerID"

[data]
train = "churn.csv"

[train]
learners = ["hist_gradient_boosting"]
trials = 1
folds = 2
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, churn_csv: Path) -> Path:
    folder = tmp_path_factory.mktemp("compress")
    lines = churn_csv.read_text().splitlines(keepends=True)
    (folder / "churn.csv").write_text("".join(lines[:1001]))
    (folder / "fairlead.toml").write_text(PROJECT)
    assert fairlead(folder, "train", "--json").code == 0
    return folder


@pytest.fixture(scope="module")
def untouched(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which nothing has been made smaller yet."""
    return Path(shutil.copytree(trained, tmp_path_factory.mktemp("untouched") / "project"))


@pytest.mark.usefixtures("untouched")
def test_a_smaller_candidate_and_what_it_cost(trained: Path) -> None:
    former = fairlead(trained, "inspect", "--json").json["bundle"]
    answer = fairlead(trained, "compress", "--max-loss", "0.01", "--seconds", "20", "--json").json
    certificate = answer["certificate"]
    assert certificate["former"] == former
    assert answer["smaller"] != former
    assert certificate["share"]["bytes"] < 0.95
    assert certificate["cost"]["difference"]["low"] <= 0.01
    assert certificate["cost"]["rows"] == 200
    assert sum(one["chosen"] for one in answer["tried"]) == 1
    seen = fairlead(trained, "inspect", answer["smaller"], "--json").json
    assert seen["seal"]["verified"]
    assert "compression" in {one["kind"] for one in seen["attestations"]}
    manifest = trained / ".fairlead" / "bundles" / answer["smaller"] / "manifest.json"
    assert msgspec.json.decode(manifest.read_bytes())["lineage"]["parent"] == former
    assert 0.0 < certificate["spread"]["cpu"][0] <= certificate["spread"]["cpu"][1]
    assert "chosen" in Path(answer["report"]).read_text()
    assert fairlead(trained, "evaluate", answer["smaller"]).code == 0
    report = Path(answer["report"]).with_name("report.html").read_text()
    assert "Made from a larger model" in report
    assert 'href="compression.html"' in report
    assert fairlead(trained, "reproduce", answer["smaller"], "--json").json["identical"]


def test_nothing_is_smaller_at_no_cost(trained: Path) -> None:
    refused = fairlead(trained, "compress", "--max-loss", "0", "--seconds", "1")
    assert refused.code == 3
    assert "nothing smaller" in refused.out


def test_a_way_that_there_is_not_is_named(trained: Path) -> None:
    refused = fairlead(trained, "compress", "--only", "trees,magic")
    assert refused.code == 2
    assert "magic" in refused.err
    assert "quantise" in refused.err


def test_the_page_about_it_lists_every_way_and_its_python_runs(
    untouched: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = re.findall(r"^\| (?:`(\w+)` )?\| `(\w+)` \|", PAGE.read_text(), flags=re.MULTILINE)
    groups: dict[str, list[str]] = {}
    for group, way in rows:
        groups.setdefault(group or next(reversed(groups)), []).append(way)
    assert {group: set(ways) for group, ways in groups.items()} == {
        group: set(ways) for group, ways in words_of_ways().items() if len(ways) > 1 or group not in names("shrinker")
    }
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    monkeypatch.chdir(untouched)
    exec(compile(block.replace("seconds=20", "seconds=1"), "compress.md", "exec"), {})
    assert "tried" in capsys.readouterr().out
