"""The churn table through the whole loop, step by step, by the program as a user runs it."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Program, eventually

QUICK = """
[train]
learners = ["logistic"]
trials = 2
folds = 3
seconds = 60

[serve]
port = 0

[monitor]
window = "500rows"
label_delay = "0s"
"""


def quick_settings(folder: Path) -> None:
    """Shorten the search; everything else stays as `init` wrote it."""
    path = folder / "fairlead.toml"
    text = path.read_text()
    for section in ("train", "serve", "monitor"):
        text = re.sub(rf"(?ms)^\[{section}\]\n.*?(?=^\[|\Z)", "", text)
    path.write_text(text + QUICK)


def split_table(source: Path, folder: Path, kept_back: int) -> list[dict[str, str]]:
    """The table without its last rows as train.csv; those rows."""
    with source.open() as file:
        rows = list(csv.DictReader(file))
    with (folder / "train.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows[:-kept_back])
    return rows[-kept_back:]


def typed(row: dict[str, str]) -> dict[str, Any]:
    """A CSV row as a client would send it: numbers as numbers, blanks as null, no target."""
    numbers = {"tenure": int, "MonthlyCharges": float, "TotalCharges": float}
    return {
        name: (numbers[name](cell) if cell.strip() else None) if name in numbers else cell
        for name, cell in row.items()
        if name != "Churn"
    }


def post(url: str, body: Any, request: str = "") -> Any:
    """POST JSON, the decoded answer."""
    headers = {"content-type": "application/json", **({"x-request-id": request} if request else {})}
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=30) as reply:
        return json.loads(reply.read())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, list[dict[str, str]]]:
    """A project made by `init` on the first 5,000 customers, trained; the rest kept back."""
    from tests.conftest import real_table

    program = Program(tmp_path_factory.mktemp("churn"))
    later = split_table(real_table("telco-churn.csv"), program.folder, 2043)
    made = program.json("init", "--data", "train.csv", "--target", "Churn", "--name", "churn")
    assert made["task"] == "classification"
    assert made["rows"] == 5000
    quick_settings(program.folder)
    return program, later


def test_train_seal_judge_register_deploy(project: tuple[Program, list[dict[str, str]]]) -> None:
    program, _ = project
    trained = program.json("train")
    assert trained["parity"]["flipped"] == 0
    assert trained["parity"]["max_difference"] <= 1e-9
    assert any(row.get("baseline") for row in trained["leaderboard"])
    program.run("deploy", expect=1)  # nothing is registered yet
    judged = program.json("evaluate")
    assert judged["verdict"] == "pass"
    page = Path(judged["report"])
    assert page.exists() or (program.folder / page).exists()
    registered = program.json("register")
    assert registered["version"] == 1
    assert program.json("register")["version"] == 1
    deployed = program.json("deploy")
    assert deployed["confirmed"] is None
    shown = program.json("inspect")
    assert shown["seal"]["verified"]
    assert shown["attestations"]


def test_served_captured_labelled_watched(project: tuple[Program, list[dict[str, str]]]) -> None:
    program, later = project
    server = program.start("serve", "--port", "0")
    try:
        url = eventually(lambda: ready_url(program.folder / "serve.log"), what="the ready line")
        answers = {}
        for number, row in enumerate(later):
            body = post(f"{url}/predict/churn", typed(row), request=f"r{number}")
            answers[f"r{number}"] = body["predictions"][0]
        expected = trained_pipeline_says(program, later)
        for number, chance in enumerate(expected):
            assert abs(answers[f"r{number}"]["probabilities"]["Churned"] - chance) <= 1e-9
            assert answers[f"r{number}"]["label"] == ("Churned" if chance > 0.5 else "Stayed")
        labels = [{"request": f"r{n}", "row": 0, "label": row["Churn"]} for n, row in enumerate(later)]
        for start in range(0, len(labels), 500):
            told = post(f"{url}/feedback/churn", labels[start : start + 500])
            assert told["accepted"] == len(labels[start : start + 500])
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        assert server.wait(60) == 0
    collected = program.json("collect")
    assert collected["records"] == len(later)
    assert collected["labels"] == len(later)
    watched = program.json("watch", "--once")
    scored = [w for w in watched["windows"] if w["state"] == "scored"]
    assert len(scored) == 4
    assert all(w["labelled"] == w["rows"] == 500 for w in scored)
    assert all(0.75 < w["metrics"]["roc_auc"] < 0.92 for w in scored)
    assert not [f for f in watched["findings"] if f["area"] == "performance"]
    doctor = program.json("doctor")
    assert doctor["verdict"] == "pass"
    assert doctor["reconciliation"]["captured"] == len(later)
    assert program.json("audit")["ok"]


def test_batch_scoring_says_what_the_server_would(project: tuple[Program, list[dict[str, str]]]) -> None:
    import pandas as pd

    program, later = project
    expected = trained_pipeline_says(program, later)
    for out in ("out.parquet", "out.csv"):
        done = program.json("score", "later.csv", out)
        assert done["rows"] == len(later)
        assert done["rejected"] == 0
    scored = pd.read_parquet(program.folder / "out.parquet")
    assert list(scored["customerID"]) == [row["customerID"] for row in later]
    assert abs(scored["Churned"].to_numpy() - expected).max() <= 1e-9
    assert list(pd.read_csv(program.folder / "out.csv")["label"]) == list(scored["label"])
    (program.folder / "bad.csv").write_text("customerID,tenure\nA,three\n")
    program.run("score", "bad.csv", "bad.parquet", expect=2)
    assert not (program.folder / "bad.parquet").exists()


def ready_url(log: Path) -> str | None:
    """The address in the ready line, once it is there."""
    found = re.search(r"ready: (\S+)", log.read_text())
    return found[1] if found else None


def trained_pipeline_says(program: Program, rows: list[dict[str, str]]) -> list[float]:
    """Chances of the positive class by the trained sklearn pipeline itself, trained again from the same seed."""
    import fairlead
    from fairlead.lab.tables import columns_of, open_table
    from fairlead.lab.train import score_pipeline, train

    ws = fairlead.open(program.folder).workspace
    frame = open_table(str(program.folder / "train.csv")).frame()
    candidate = train(frame, ws.settings).candidate
    path = program.folder / "later.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    columns = columns_of(open_table(str(path)).frame(), candidate.signature)
    scores = score_pipeline(candidate.answering, columns, candidate.signature)
    return [float(p) for p in scores[:, candidate.signature.classes.index("Churned")]]
