"""Three classes, gaps, a category and no time: the whole loop, steered by the program's verbs."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.conftest import Program, eventually
from tests.journeys.test_churn_loop import post, ready_url

import fairlead

NAMES = {0: "barolo", 1: "grignolino", 2: "barbera"}
QUICK = """
[train]
learners = ["logistic"]
trials = 1
folds = 3
seconds = 60

[serve]
port = 0

[monitor]
window = "100rows"
label_delay = "0s"

[rollout]
start = 0.5

[retrain]
when = ["performance"]
"""


def wines(rows: int) -> pd.DataFrame:
    """Wines drawn again and again with noise; some cells missing, a soil that says something."""
    from sklearn.datasets import load_wine

    rng = np.random.default_rng(7)
    whole = load_wine(as_frame=True).frame
    frame = whole.loc[rng.integers(0, len(whole), rows)].reset_index(drop=True)
    for name in frame.columns[:-1]:
        frame[name] = (frame[name] + 0.5 * frame[name].std() * rng.normal(size=rows)).round(3)
    soils = np.where(rng.random(rows) < 0.6, frame["target"].map({0: "clay", 1: "loam", 2: "sand"}), "chalk")
    frame["soil"] = np.where(rng.random(rows) < 0.1, None, soils)
    frame.loc[rng.random(rows) < 0.1, "ash"] = np.nan
    frame["kind"] = frame.pop("target").map(NAMES)
    return frame


def typed(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as a client would send them."""
    rows = frame.drop(columns=["kind"]).astype(object)
    return rows.where(rows.notna(), None).to_dict("records")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, pd.DataFrame]:
    """Trained, judged, registered and deployed; the rows kept back."""
    program = Program(tmp_path_factory.mktemp("wine"))
    frame = wines(2200)
    frame[:1200].to_csv(program.folder / "train.csv", index=False)
    assert program.json("init", "--data", "train.csv", "--target", "kind", "--name", "wine")["task"] == "classification"
    path = program.folder / "fairlead.toml"
    text = path.read_text()
    for section in ("train", "serve", "monitor", "rollout", "retrain"):
        text = re.sub(rf"(?ms)^\[{section}\]\n.*?(?=^\[|\Z)", "", text)
    path.write_text(text + QUICK)
    trained = program.json("train")
    assert trained["parity"]["flipped"] == 0
    assert program.json("evaluate")["verdict"] == "pass"
    program.run("register")
    program.run("deploy")
    return program, frame[1200:].reset_index(drop=True)


def serve(program: Program, rows: pd.DataFrame, name: str, truth: list[str]) -> list[dict[str, Any]]:
    """Serve these rows one request each, tell the truth about them, stop; the answers."""
    server = program.start("serve", "--port", "0")
    log: Path = program.folder / "serve.log"
    try:
        url = eventually(lambda: ready_url(log), what="the ready line")
        answers = [
            post(f"{url}/predict/wine", row, request=f"{name}-{n}")["predictions"][0]
            for n, row in enumerate(typed(rows))
        ]
        labels = [{"request": f"{name}-{n}", "label": kind} for n, kind in enumerate(truth)]
        assert post(f"{url}/feedback/wine", labels)["accepted"] == len(labels)
        refused = post(f"{url}/feedback/wine", {"request": f"{name}-0", "label": "merlot"})
        assert "barbera, barolo, grignolino" in refused["rejected"][0]["reason"]
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        assert server.wait(60) == 0
    return answers


def test_answers_are_those_of_the_trained_pipeline(project: tuple[Program, pd.DataFrame]) -> None:
    from fairlead.lab.tables import columns_of, open_table
    from fairlead.lab.train import score_pipeline, train

    program, later = project
    rows = later[:400]
    settings = fairlead.open(program.folder).workspace.settings
    candidate = train(open_table(str(program.folder / "train.csv")).frame(), settings).candidate
    classes = candidate.signature.classes
    assert classes == ("barbera", "barolo", "grignolino")
    scores = score_pipeline(candidate.answering, columns_of(rows, candidate.signature), candidate.signature)
    answers = serve(program, rows, "calm", rows["kind"].tolist())
    mine = np.array([[answer["probabilities"][c] for c in classes] for answer in answers])
    assert np.abs(mine - scores).max() <= 1e-9
    assert [answer["label"] for answer in answers] == [classes[i] for i in scores.argmax(axis=1)]
    watched = program.json("watch", "--once")
    scored = [w for w in watched["windows"] if w["state"] == "scored"]
    assert [w["labelled"] for w in scored] == [100] * 4
    assert all(w["metrics"]["accuracy"] > 0.85 for w in scored)
    assert not [f for f in watched["findings"] if f["area"] == "performance"]


def test_a_changed_meaning_is_alarmed_about_retrained_tried_and_promoted(
    project: tuple[Program, pd.DataFrame],
) -> None:
    program, later = project
    turned = {"barolo": "grignolino", "grignolino": "barbera", "barbera": "barolo"}
    rows = later[400:800]
    serve(program, rows, "turned", rows["kind"].map(turned).tolist())
    watched = program.json("watch", "--once")
    assert {"alert", "retrain", "canary"} <= {d["action"] for d in watched["decisions"]}
    # Both answer; every window holds rows of the new world alone.
    rows = later[800:]
    serve(program, rows, "trial", rows["kind"].map(turned).tolist())
    decided = program.json("watch", "--once")["decisions"]
    assert next(d["action"] for d in decided if d["action"] != "alert") == "promote"
    status = program.json("status")
    assert [(v["name"], v["version"]) for v in status["variants"]] == [("champion", 2)]
    assert not [f for f in status["findings"] if f["area"] == "performance"]
    doctor = program.json("doctor")
    assert doctor["verdict"] == "pass"
    assert doctor["reconciliation"]["captured"] == 1000
    assert program.json("audit")["ok"]
