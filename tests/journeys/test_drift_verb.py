"""`fairlead drift` as people use it: two tables, a model, records; mistakes say what would be right."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from tests.journeys.cli import fairlead, make_project

import fairlead as library
from fairlead.contract import records as names
from fairlead.runtime.capture import layout


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = make_project(tmp_path_factory.mktemp("drift") / "loans")
    library.open(folder).train()
    table = pd.read_csv(folder / "loans.csv")
    table.assign(income=lambda t: t["income"] + 40).drop(columns="repaid").to_csv(folder / "moved.csv", index=False)
    table.to_csv(folder / "same.csv", index=False)
    return folder


def test_two_tables_outside_a_project(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=600), "w": rng.choice(["a", "b"], 600)})
    frame.to_csv(tmp_path / "before.csv", index=False)
    frame.assign(x=lambda t: t["x"] + 2).to_parquet(tmp_path / "now.parquet")
    ended = fairlead(tmp_path, "drift", "now.parquet", "--against", "before.csv", "--html", "d/r.html", "--json")
    assert ended.code == 0
    assert [m["name"] for m in ended.json["columns"] if m["moved"]] == ["x"]
    assert ended.json["headline"] == "Moved: 1 of 2 columns."
    assert "x" in (tmp_path / "d" / "r.html").read_text()
    told = fairlead(tmp_path, "drift", "now.parquet", "--against", "before.csv", "--strict")
    assert told.code == 3
    assert "rows would have to change bin; mean" in " ".join(told.out.split())
    assert library.open(tmp_path).drift(frame, against=frame)["moved"] is False


def test_mistakes_say_what_would_be_right(tmp_path):
    pd.DataFrame({"x": [1.0, 2.0]}).to_csv(tmp_path / "t.csv", index=False)
    pd.DataFrame({"y": [1.0, 2.0]}).to_csv(tmp_path / "other.csv", index=False)
    for arguments, said in (
        (("t.csv",), "--against"),
        (("none.csv", "--against", "t.csv"), "none.csv"),
        (("t.csv", "--against", "none.csv"), "none.csv"),
        (("records", "--against", "t.csv"), "records are those of a project"),
        (("t.csv", "--against", "other.csv"), "none of the columns"),
    ):
        ended = fairlead(tmp_path, "drift", *arguments)
        assert ended.code == 2, ended
        assert said in ended.err


def test_a_table_against_the_model_that_was_trained(project):
    same = fairlead(project, "drift", "same.csv", "--json")
    assert same.code == 0
    assert not same.json["moved"]
    assert [r["decision"] for r in same.json["decisions"]] == ["yes"]
    moved = fairlead(project, "drift", "moved.csv", "--json").json
    assert moved["moved"]
    assert "income" in {m["name"] for m in moved["columns"] if m["moved"]}
    assert moved["reference"].startswith("model ")
    alone = fairlead(project, "drift", "moved.csv", "--no-scores", "--json").json
    assert (alone["scores"], alone["decisions"]) == ([], [])
    (bundle,) = (project / ".fairlead" / "bundles").iterdir()
    outside = fairlead(project.parent, "drift", str(project / "moved.csv"), "--against", str(bundle), "--json").json
    assert [m["name"] for m in outside["columns"]] == [m["name"] for m in moved["columns"]]


def test_a_table_that_lacks_columns_is_compared_by_those_it_has(project):
    pd.read_csv(project / "moved.csv")[["income"]].to_csv(project / "narrow.csv", index=False)
    found = fairlead(project, "drift", "narrow.csv", "--json").json
    assert found["lacking"]
    assert found["scores"] == []
    assert [m["name"] for m in found["columns"]] == ["income"]


def test_what_was_answered_against_the_model_and_hidden_columns_left_out(project):
    none = fairlead(project, "drift", "records")
    assert (none.code, "no record" in none.err) == (2, True)
    live = pd.read_csv(project / "moved.csv")
    rows = len(live)
    meta = {names.SEGMENT: ["s"] * rows, names.OFFSET: [0] * rows, names.ROW: list(range(rows)),
            names.KIND: ["prediction"] * rows, names.ARRIVED: [1.7e9] * rows, names.TIME: [1.7e9] * rows}  # fmt: skip
    cells = {f"in.{n}": live[n].tolist() for n in ("income", "kind")}
    yes = np.linspace(0.0, 1.0, rows)
    folder = layout.records_folder(project / ".fairlead", "loans") / "2024-01-01" / "00"
    folder.mkdir(parents=True)
    scores = {"out.p.yes": yes, "out.p.no": 1.0 - yes}
    parquet.write_table(pa.table({**meta, **cells, **scores}), folder / "s-0.parquet")
    found = fairlead(project, "drift", "records", "--json").json
    assert found["source"] == "records"
    assert found["rows"] == rows
    assert "income" in {m["name"] for m in found["columns"] if m["moved"]}
    assert found["decisions"][0]["now"] == pytest.approx(0.5, abs=0.03)
    text = (project / "fairlead.toml").read_text()
    (project / "fairlead.toml").write_text(text + '\n[capture]\nredact = ["kind"]\n')
    hidden = fairlead(project, "drift", "records", "--json").json
    (project / "fairlead.toml").write_text(text)
    assert "kind" not in {m["name"] for m in hidden["columns"]}
    assert "hidden" in hidden["left_out"]["kind"]
