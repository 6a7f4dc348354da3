"""The bike table, a regression in composed event time, through the whole loop: by hand, and by `up` alone."""

from __future__ import annotations

import csv
import os
import re
import signal
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Program, eventually, real_table
from tests.journeys.test_churn_loop import post, ready_url, split_table

import fairlead

LATER = 3476
QUICK = """
[train]
learners = ["hist_gradient_boosting"]
trials = 1
folds = 3
seconds = 60

[serve]
port = 0

[monitor]
window = "7d"
label_delay = "1d"

[rollout]
start = 0.3

[retrain]
when = ["performance"]
window = "last:16"
"""
LEAKS = ("casual", "registered", "cnt")
Rows = list[dict[str, str]]


def typed(row: dict[str, str]) -> dict[str, Any]:
    """A CSV row as a client would send it."""
    reals = {"temp", "atemp", "hum", "windspeed"}
    return {
        name: cell if name == "dteday" else float(cell) if name in reals else int(cell)
        for name, cell in row.items()
        if name not in LEAKS
    }


def quick_bike(folder: Path) -> None:
    """Shorten the search and the wait for labels; everything else stays as `init` wrote it."""
    path = folder / "fairlead.toml"
    text = path.read_text()
    for section in ("train", "serve", "monitor", "rollout", "retrain"):
        text = re.sub(rf"(?ms)^\[{section}\]\n.*?(?=^\[|\Z)", "", text)
    path.write_text(text + QUICK)


def made(folder: Path) -> tuple[Program, Rows]:
    """A project made by `init` on the oldest rows; the later ones."""
    program = Program(folder)
    later = split_table(real_table("bike-sharing-hour.csv"), folder, LATER)
    program.run("init", "--data", "train.csv", "--target", "cnt", "--name", "bike")
    return program, later


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, Rows]:
    """Trained, judged, registered and deployed."""
    program, later = made(tmp_path_factory.mktemp("bike"))
    settings = fairlead.open(program.folder).workspace.settings
    assert settings.model.task == "regression"
    assert settings.model.time_columns == ("dteday", "hr")
    assert settings.model.id == "instant"
    assert set(settings.model.exclude) == {"casual", "registered"}
    quick_bike(program.folder)
    trained = program.json("train")
    assert trained["parity"]["max_difference"] <= 1e-9
    judged = program.json("evaluate")
    assert judged["verdict"] == "pass"
    assert judged["metrics"]["r2"] > 0.8
    program.run("register")
    program.run("deploy")
    return program, later


def test_served_as_trained_and_watched_by_weeks(project: tuple[Program, Rows]) -> None:
    program, later = project
    expected = trained_pipeline_says(program, later)
    server = program.start("serve", "--port", "0")
    try:
        url = eventually(lambda: ready_url(program.folder / "serve.log"), what="the ready line")
        for start in range(0, len(later), 200):
            part = later[start : start + 200]
            answers = post(f"{url}/predict/bike", [typed(row) for row in part], request=f"r{start}")["predictions"]
            worst = max(abs(a - b) for a, b in zip(answers, expected[start : start + 200], strict=True))
            assert worst <= 1e-9
            labels = [label_for(row, start, at) for at, row in enumerate(part)]
            assert post(f"{url}/feedback/bike", labels) == {"accepted": len(part), "rejected": []}
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        assert server.wait(60) == 0
    collected = program.json("collect")
    assert (collected["records"], collected["labels"]) == (len(later), len(later))
    scored = [w for w in program.json("watch", "--once")["windows"] if w["state"] == "scored"]
    assert len(scored) >= 19
    assert all(w["end"] - w["start"] == 7 * 86_400 for w in scored)
    assert all(w["labelled"] == w["rows"] for w in scored)
    assert all(20 < w["metrics"]["mae"] < 90 for w in scored)
    assert program.json("doctor")["verdict"] == "pass"
    assert program.json("audit")["ok"]


def label_for(row: dict[str, str], start: int, at: int) -> dict[str, Any]:
    """By request and row, or by key and time: every second one each way."""
    if at % 2:
        return {"request": f"r{start}", "row": at, "label": int(row["cnt"])}
    return {"key": int(row["instant"]), "time": [row["dteday"], int(row["hr"])], "label": float(row["cnt"])}


def trained_pipeline_says(program: Program, rows: Rows) -> list[float]:
    """Answers of the sklearn pipeline itself, trained again from the same seed."""
    from fairlead.lab.tables import columns_of, open_table
    from fairlead.lab.train import score_pipeline, train

    settings = fairlead.open(program.folder).workspace.settings
    candidate = train(open_table(str(program.folder / "train.csv")).frame(), settings).candidate
    path = program.folder / "later.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    columns = columns_of(open_table(str(path)).frame(), candidate.signature)
    return [float(v) for v in score_pipeline(candidate.answering, columns, candidate.signature)[:, 0]]


def test_retrained_tried_promoted_and_rolled_back_by_hand(project: tuple[Program, Rows]) -> None:
    program, _ = project
    status = program.json("status")
    if any(v["name"] == "challenger" for v in status["variants"]):
        program.run("promote")
    before = champion(program)
    done = program.json("retrain")
    assert done["verdict"] == "pass"
    assert not done["waits_for"]
    shown = program.json("inspect", done["bundle"])
    kinds = {c["name"]: c["kind"] for c in shown["signature"]["columns"]}
    # Rows that come back from records are read as the table's were.
    assert kinds["hr"] == kinds["mnth"] == "integer"
    assert kinds["weathersit"] == kinds["season"] == "category"
    # A trial by hand is judged on rows that neither has seen, from now on: nothing is decided yet.
    assert [d["action"] for d in program.json("watch", "--once")["decisions"]] in ([], ["hold"])
    promoted = program.json("promote")
    assert (promoted["champion"], promoted["previous"]) == (done["version"], before)
    # What its predecessor broke is not held against it.
    assert "retrain" not in {d["action"] for d in program.json("watch", "--once")["decisions"]}
    assert program.json("rollback")["champion"] == before
    assert program.json("status")["models"][0]["hold"] == "rolled_back"
    assert program.json("release")["hold"] == ""
    assert program.json("pin")["hold"] == "pinned"
    assert program.json("freeze")["hold"] == "frozen"
    assert program.json("release")["hold"] == ""
    assert champion(program) == before
    assert program.json("audit")["ok"]


def champion(program: Program) -> int:
    """The version that answers."""
    return int(next(v["version"] for v in program.json("status")["variants"] if v["name"] == "champion"))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_scored_in_batch(project: tuple[Program, Rows], ending: str) -> None:
    from fairlead.lab.tables import open_table

    program, later = project
    assert program.json("score", "later.csv", f"out.{ending}")["rows"] == len(later)
    frame = open_table(str(program.folder / f"out.{ending}")).frame()
    assert list(frame.columns) == ["instant", "dteday", "hr", "value"]
    assert frame["instant"].astype(int).tolist() == [int(row["instant"]) for row in later]


def test_up_retrains_and_promotes_when_the_world_changes(tmp_path: Path) -> None:
    program, later = made(tmp_path)
    quick_bike(tmp_path)
    process = program.start("up", "--port", "0", "--every", "0.2")
    project = fairlead.open(tmp_path)
    try:
        url = eventually(lambda: ready_url(tmp_path / "up.log"), within_s=60, what="the ready line of up")
        for number, week in enumerate(weeks_of(later)[1:16]):
            world = week if number < 2 else six_hours_later(week)
            for start in range(0, len(world), 24):
                day = world[start : start + 24]
                post(f"{url}/predict/bike", [typed(row) for row in day], request=f"q{number}-{start}")
                labels = [
                    {"request": f"q{number}-{start}", "row": at, "label": int(row["cnt"])} for at, row in enumerate(day)
                ]
                post(f"{url}/feedback/bike", labels)
            eventually(lambda n=number: weeks_scored(project) >= n, within_s=40, what=f"{number} weeks scored")
            if promoted_version(project) > 1:
                break
        decided = [d.decision.action for d in project.workspace.state.decisions("bike") if d.outcome == "done"]
        assert promoted_version(project) > 1, decided
        assert {"alert", "retrain", "canary", "promote"} <= set(decided)
    finally:
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(60) == 0
    assert program.json("doctor")["verdict"] == "pass"
    assert program.json("audit")["ok"]


def weeks_of(rows: Rows) -> list[Rows]:
    """Rows by calendar week."""
    weeks: dict[int, Rows] = {}
    for row in rows:
        weeks.setdefault((date.fromisoformat(row["dteday"]) - date(1970, 1, 5)).days // 7, []).append(row)
    return [weeks[number] for number in sorted(weeks)]


def six_hours_later(week: Rows) -> Rows:
    """The same week in a city that gets up six hours earlier: another relation of hour to demand."""
    demand = {(row["dteday"], int(row["hr"])): row["cnt"] for row in week}
    return [{**row, "cnt": demand.get((row["dteday"], (int(row["hr"]) + 6) % 24), row["cnt"])} for row in week]


def weeks_scored(project: fairlead.Project) -> int:
    """Windows whose labels were judged and whose decisions were carried out."""
    ws = project.workspace
    scored = sum(w.state == "scored" for w in ws.state.windows("bike"))
    return 0 if ws.state.unfinished("bike") else scored


def promoted_version(project: fairlead.Project) -> int:
    """The champion's version."""
    return int(next(v["version"] for v in project.status()["variants"] if v["name"] == "champion"))
