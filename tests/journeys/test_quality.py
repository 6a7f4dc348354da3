"""`fairlead quality` as people use it: on a bare table, in a project, against records; what training makes of it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from tests.journeys.cli import fairlead, make_project

import fairlead as library
from fairlead.contract import records as names
from fairlead.ops.flow.gathering import gather
from fairlead.runtime.capture import layout


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path / "loans")


def test_a_bare_table_outside_a_project(tmp_path):
    frame = pd.DataFrame({"x": np.arange(300) % 7, "empty": [None] * 300, "y": ["a", "b"] * 150})
    frame.to_csv(tmp_path / "t.csv", index=False)
    ended = fairlead(tmp_path, "quality", "t.csv", "--target", "y", "--json")
    assert ended.code == 0
    assert {i["check"] for i in ended.json["issues"]} == {"missing", "duplicates"}
    told = fairlead(tmp_path, "quality", "t.csv")
    assert "no cell holds anything" in told.out
    assert 'exclude = ["empty"]' in told.out


def test_mistakes_say_what_would_be_right(tmp_path):
    pd.DataFrame({"x": [1.0, 2.0]}).to_csv(tmp_path / "t.csv", index=False)
    for arguments, said in (
        ((), "fairlead init"),
        (("t.csv", "--target", "z"), "z"),
        (("t.csv", "--against", "records"), "records are those of a project"),
        (("t.csv", "--out", "s.csv"), "--suspects"),
        (("t.csv", "--suspects"), "--target"),
        (("none.csv",), "none.csv"),
    ):
        ended = fairlead(tmp_path, "quality", *arguments)
        assert ended.code == 2
        assert said in ended.err


def test_a_leak_is_told_by_quality_and_by_training_and_strict_makes_it_an_end(project):
    table = pd.read_csv(project / "loans.csv")
    table["closed"] = np.where(table["repaid"] == "yes", "paid", "written off")
    table.to_csv(project / "loans.csv", index=False)
    ended = fairlead(project, "quality", "--strict", "--html", "pages/q.html", "--json")
    assert ended.code == 3
    (leak,) = [i for i in ended.json["issues"] if i["check"] == "leak"]
    assert (leak["column"], leak["severity"]) == ("closed", "problem")
    assert "closed" in (project / "pages" / "q.html").read_text()
    trained = fairlead(project, "train", "--json")
    assert any("closed may leak repaid" in w for w in trained.json["warnings"])


def test_a_table_against_another_and_against_what_was_answered_for(project):
    table = pd.read_csv(project / "loans.csv")
    live = pd.concat([table, table.assign(kind="boat").head(100)]).assign(income=lambda t: t["income"] + 30)
    live.drop(columns="repaid").to_csv(project / "live.csv", index=False)
    ended = fairlead(project, "quality", "--against", "live.csv", "--json")
    against = ended.json["against"]
    assert not against["stands"]
    assert any(c["values"] == ["boat"] and c["how"] == "lacks" for c in against["cells"])
    assert against["domain"]["low"] > 0.6
    none = fairlead(project, "quality", "--against", "records")
    assert (none.code, "no record" in none.err) == (2, True)
    _record(project, live)
    told = fairlead(project, "quality", "--against", "records")
    assert told.code == 0
    assert "kind = boat" in told.out
    assert "lacks this column" not in told.out
    text = (project / "fairlead.toml").read_text()
    (project / "fairlead.toml").write_text(text + '\n[capture]\nredact = ["kind"]\n')
    assert "kind = boat" not in fairlead(project, "quality", "--against", "records").out
    same = fairlead(project, "quality", "--against", "loans.csv", "--json")
    assert same.json["against"]["stands"]


def _record(project, live):
    """Records as the collector lays them out."""
    rows = len(live)
    meta = {names.SEGMENT: ["s"] * rows, names.OFFSET: [0] * rows, names.ROW: list(range(rows)),
            names.KIND: ["prediction"] * rows, names.ARRIVED: [1.7e9] * rows, names.TIME: [1.7e9] * rows}  # fmt: skip
    cells = {f"in.{n}": live[n].tolist() for n in ("income", "kind")}
    folder = layout.records_folder(project / ".fairlead", "loans") / "2024-01-01" / "00"
    folder.mkdir(parents=True)
    parquet.write_table(pa.table({**meta, **cells}), folder / "s-0.parquet")


def test_suspects_are_written_and_left_out_only_when_a_person_says_so(project):
    ended = fairlead(project, "quality", "--suspects", "--out", "suspects.csv", "--json")
    assert ended.code == 0
    found = ended.json["suspects"]
    listed = pd.read_csv(project / "suspects.csv")
    assert found["written"] == len(listed) > 0
    assert "exclude_rows" not in "".join(line for line in ended.json["toml"].splitlines() if not line.startswith("#"))
    before = library.open(project).train()
    (project / "keep.csv").write_text("row,key\n" + "".join(f"{r},{k}\n" for r, k in zip(
        listed["row"].head(9), listed["key"].head(9), strict=True)))  # fmt: skip
    text = (project / "fairlead.toml").read_text()
    (project / "fairlead.toml").write_text(text.replace("[data]\n", '[data]\nexclude_rows = "keep.csv"\n'))
    opened = library.open(project)
    after = opened.train()
    dropped = listed["row"].head(9).nunique()
    assert any(w.startswith(f"{dropped} rows are left out") for w in after["warnings"])
    lineage = json.loads((opened.workspace.store.path(after["bundle"]) / "manifest.json").read_bytes())["lineage"]
    assert lineage["excluded_rows"] == dropped
    assert lineage["tables"]["exclude_rows"]["source"] == "keep.csv"
    assert "excluded_rows" not in json.loads(
        (opened.workspace.store.path(before["bundle"]) / "manifest.json").read_bytes()
    )["lineage"]  # fmt: skip
    assert len(gather(opened.workspace, whole=True).frame) == found["of"] == after_rows(opened, after) + dropped


def after_rows(opened, trained):
    """How many rows a training had, those for judging included."""
    lineage = json.loads((opened.workspace.store.path(trained["bundle"]) / "manifest.json").read_bytes())["lineage"]
    return lineage["rows"] + lineage["tables"]["holdout"]["rows"]
