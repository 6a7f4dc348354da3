"""Data quality as a team lives it, on the bike table: a contract, a server, a sensor that stands still, a unit that
changes, rows that are refused; and each is told for what it is."""

from __future__ import annotations

import json
import os
import re
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Program, eventually, real_table
from tests.journeys.cli import fairlead
from tests.journeys.test_bike_loop import made, quick_bike, typed
from tests.journeys.test_churn_loop import post, ready_url

RULE = """\
  "hum":
    kind: number
    missing: 0.1
    range: [0, 1]
  "weathersit":
    categories: ["1", "2", "3", "4"]
    at_door: refuse
"""
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, Rows]:
    """A bike project that is deployed, with a contract; six weeks that come later."""
    program, later = made(tmp_path_factory.mktemp("bike"))
    quick_bike(program.folder)
    for verb in ("train", "evaluate", "register"):
        assert fairlead(program.folder, verb).code == 0
    settings = program.folder / "fairlead.toml"
    settings.write_text(settings.read_text().replace("[monitor]", '[monitor]\ncontract = "contract.yaml"'))
    assert fairlead(program.folder, "contract", "init").code == 0
    contract = program.folder / "contract.yaml"
    text = re.sub(r'(?m)^  "(hum|weathersit)":\n(?:    .*\n)+', "", contract.read_text())
    contract.write_text(text.replace("columns:\n", f"columns:\n{RULE}"))
    assert fairlead(program.folder, "deploy").code == 0
    return program, [typed(row) for row in later[: 6 * 168]]


@pytest.fixture(scope="module")
def served(project: tuple[Program, Rows]) -> Iterator[tuple[Program, str, list[dict[str, Any]]]]:
    """The weeks answered: a sensor stands still from the third on for four days, temperatures change to percent in the
    fifth. What a pass said before and after."""
    program, rows = project
    for row in rows[400:496]:
        row["hum"] = 0.55
    for row in rows[720:]:
        row["temp"] *= 100.0
    server = program.start("serve", "--port", "0")
    try:
        url = eventually(lambda: ready_url(program.folder / "serve.log"), what="the ready line")
        passes = [fairlead(program.folder, "watch", "--once", "--json").json]
        for start in range(0, len(rows), 168):
            post(f"{url}/predict/bike", rows[start : start + 168])
        for _ in range(30):
            with pytest.raises(urllib.error.HTTPError) as refused:
                post(f"{url}/predict/bike", [{**rows[0], "weathersit": 9}])
            assert refused.value.code == 422
            assert "breaks the data contract (weathersit is one of the agreed)" in refused.value.read().decode()
        post(f"{url}/predict/bike", [{**rows[-1], "hum": 1.5}])
        assert fairlead(program.folder, "collect").code == 0
        passes.append(fairlead(program.folder, "watch", "--once", "--json").json)
        yield program, url, passes
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)


@pytest.mark.long
def test_each_fault_is_told_for_what_it_is_and_nothing_else(
    served: tuple[Program, str, list[dict[str, Any]]],
) -> None:
    found = {(f["check"], *f.get("columns", ())): f for f in served[2][1]["findings"] if f.get("severity") != "info"}
    stuck = found["stuck", "hum"]
    assert 96 <= stuck["size"] <= 99
    assert "hold one value" in stuck["message"]
    unit = found["unit", "temp"]
    assert unit["evidence"]["factor"] == 100.0
    assert unit["low"] <= 100.0 <= unit["high"]
    assert found["refused:ExpectationBroken", "weathersit"]["evidence"]["refused"] == 30
    assert found["contract:temp.range", "temp"]["evidence"]["contract"] == 1
    # Of the data nothing else is told: what the faults do to answers, and what a growing town does, is others' to say.
    quality = [f for f in found.values() if f["area"] in ("quality", "contract", "traffic")]
    assert {column for f in quality for column in f.get("columns", ["none"])} == {"hum", "temp", "weathersit"}
    assert unit["first"] == stuck["first"] + (720 - 400) * 3600.0
    checked = fairlead(served[0].folder, "contract", "check", "--last", "500", "--json")
    assert checked.code == 3
    assert {b["rule"] for b in checked.json["breaches"]} == {"temp.range", "hum.range"}


@pytest.mark.long
def test_the_door_counts_what_breaks_the_contract(served: tuple[Program, str, list[dict[str, Any]]]) -> None:
    with urllib.request.urlopen(f"{served[1]}/metrics", timeout=10) as reply:
        lines = reply.read().decode().splitlines()
    told = {
        (re.findall(r'rule="([^"]+)"', line)[0], re.findall(r'action="([^"]+)"', line)[0]): float(line.split()[-1])
        for line in lines
        if line.startswith("fairlead_rows_breaking_contract_total{")
    }
    assert told["weathersit.categories", "refuse"] == 30
    assert told["hum.range", "count"] == 1
    assert told["temp.range", "count"] > 200


@pytest.mark.long
def test_a_contract_that_changes_is_in_the_audit_log_and_at_the_door_without_a_deployment(
    served: tuple[Program, str, list[dict[str, Any]]],
) -> None:
    program, url, _ = served
    contract = program.folder / "contract.yaml"
    before = contract.read_text()
    contract.write_text(before.replace('"4"]', '"4", "9"]').replace('version: "1"', 'version: "2"'))
    assert fairlead(program.folder, "watch", "--once").code == 0
    events = [e for e in fairlead(program.folder, "audit", "--json").json["newest"] if e["action"] == "contract"]
    assert [e["details"]["version"] for e in events][-1] == "2"
    row = typed(next(iter(rows_of(program))))
    assert len(post(f"{url}/predict/bike", [{**row, "weathersit": 9}])["predictions"]) == 1
    contract.write_text(contract.read_text().replace('"9"]', '"8"]'))
    found = fairlead(program.folder, "watch", "--once", "--json").json
    assert "contract:version" in {f["check"] for f in standing(program)}, found
    contract.write_text("version: [")
    assert fairlead(program.folder, "watch", "--once").code == 0
    assert {"contract:unreadable"} <= {f["check"] for f in standing(program)}


def rows_of(program: Program) -> list[dict[str, str]]:
    import csv

    with (program.folder / "train.csv").open() as file:
        return list(csv.DictReader(file))[:1]


def standing(program: Program) -> list[dict[str, Any]]:
    import msgspec

    import fairlead as library

    ws = library.open(program.folder).workspace
    return [msgspec.to_builtins(f) for f in ws.state.findings(ws.model)]


@pytest.mark.parametrize(
    ("table", "target"),
    [("telco-churn.csv", "Churn"), pytest.param("bike-sharing-hour.csv", "cnt", marks=pytest.mark.long)],
)
def test_a_contract_is_begun_from_a_model_and_kept_by_its_table(tmp_path: Path, table: str, target: str) -> None:
    import pandas as pd

    frame = pd.read_csv(real_table(table)).tail(1500)
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert fairlead(tmp_path, "init", "--data", "t.csv", "--target", target, "--name", "m").code == 0
    settings = tmp_path / "fairlead.toml"
    learner = "logistic" if target == "Churn" else "ridge"
    text = re.sub(r"(?ms)^\[train\]\n.*?(?=^\[|\Z)", "", settings.read_text())
    settings.write_text(f'{text}\n[train]\nlearners = ["{learner}"]\ntrials = 1\nfolds = 2\nseconds = 20\n')
    assert "fairlead train" in (refused := fairlead(tmp_path, "contract", "init")).err, refused
    assert fairlead(tmp_path, "train").code == 0
    made = fairlead(tmp_path, "contract", "init", "--json").json
    assert made["columns"] >= 10
    assert fairlead(tmp_path, "contract", "init").code == 2
    assert fairlead(tmp_path, "contract", "check", "t.csv").code == 0
    name = "MonthlyCharges" if target == "Churn" else "temp"
    frame.loc[frame.index[7:], name] = 1e6
    frame = frame.drop(columns=["gender" if target == "Churn" else "windspeed"])
    frame.to_csv(tmp_path / "bad.csv", index=False)
    ended = fairlead(tmp_path, "contract", "check", "bad.csv", "--json")
    assert ended.code == 3
    assert not ended.json["kept"]
    broken = {b["rule"]: b for b in ended.json["breaches"]}
    assert set(broken) == {"columns.required", f"{name}.range"}
    assert broken[f"{name}.range"]["broken"] == 1493
    assert broken[f"{name}.range"]["first_row"] == 7
    told = fairlead(tmp_path, "contract", "check", "bad.csv")
    assert "broken by 2 rules" in told.out
    assert json.loads(fairlead(tmp_path, "contract", "check", "none.csv", "--json").out)["exit"] == 2
