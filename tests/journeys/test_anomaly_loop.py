"""Anomalies through the whole loop: a table without a target, then one whose labels judge."""

from __future__ import annotations

import json
import os
import re
import signal
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.conftest import Program, eventually

import fairlead
from fairlead.doors.python import init

QUICK = """
[train]
learners = ["isolation_forest"]
trials = 1
folds = 3
contamination = 0.05

[serve]
port = 0

[monitor]
window = "100rows"
label_delay = "0s"
"""


def payments(rows: int, seed: int, times: float = 1.0) -> pd.DataFrame:
    """Payments, every twentieth of them strange: large, and at night. times: by how much all amounts are larger."""
    random = np.random.default_rng(seed)
    strange = np.arange(rows) % 20 == 3
    amount = random.gamma(2.0, 40.0, rows) * np.where(strange, 15.0, 1.0) * times
    return pd.DataFrame(
        {
            "amount": amount.round(2),
            "hour": np.where(strange, 3, random.integers(7, 22, rows)),
            "kind": random.choice(["card", "transfer"], rows),
            "fraud": np.where(strange, "yes", "no"),
        }
    )


def quick_settings(folder: Path) -> None:
    path = folder / "fairlead.toml"
    text = path.read_text()
    for section in ("train", "serve", "monitor"):
        text = re.sub(rf"(?ms)^\[{section}\]\n.*?(?=^\[|\Z)", "", text)
    path.write_text(text + QUICK)


def asked(url: str, body: Any, request: str = "") -> Any:
    headers = {"content-type": "application/json", **({"x-request-id": request} if request else {})}
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=30) as reply:
        return json.loads(reply.read())


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(frame.drop(columns="fraud").to_json(orient="records"))
    return found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A project without a target, judged and deployed."""
    program = Program(tmp_path_factory.mktemp("payments"))
    payments(1600, 1).drop(columns="fraud").to_csv(program.folder / "train.csv", index=False)
    refused = program.run("init", "--data", "train.csv", expect=2)
    assert "--task clustering (groups) or --task anomaly" in refused.stderr
    made = program.json("init", "--data", "train.csv", "--task", "anomaly", "--name", "odd")
    assert made["task"] == "anomaly"
    quick_settings(program.folder)
    return program


def test_it_is_learned_judged_and_deployed_without_a_target(project: Program) -> None:
    opened = fairlead.open(project.folder)
    trained = opened.train()
    assert trained["learner"] == "isolation_forest"
    assert trained["leaderboard"][0]["metric"] == "instability"
    assert 0.01 <= trained["metrics"]["alert_rate"] <= 0.06
    assert trained["parity"]["flipped"] == 0
    judged = opened.evaluate()
    assert judged["verdict"] == "pass"
    checks = {check["name"]: check for check in judged["checks"]}
    assert checks["beats.baseline"]["verdict"] == "inconclusive"
    assert not checks["beats.baseline"]["refuses"]
    assert "stability" in judged["metrics"]
    page = Path(judged["report"]).read_text()
    assert "How strange rows are" in page
    assert "Label some rows" in page
    assert opened.register()["version"] == 1
    assert opened.deploy()["generation"] == 1


def test_it_answers_is_captured_corrected_and_watched(project: Program) -> None:
    usual, moved = payments(100, 2), payments(100, 3, times=8.0)
    server = project.start("serve", "--port", "0")
    try:
        url = eventually(lambda: ready_url(project.folder / "serve.log"), what="the ready line")
        told = asked(f"{url}/predict/odd", rows_of(usual), "first")["predictions"]
        again = asked(f"{url}/predict/odd", rows_of(moved), "second")["predictions"]
        plain = asked(f"{url}/v1/models/odd:predict", {"instances": rows_of(usual)})["predictions"]
        known = (usual["fraud"] == "yes").to_numpy()
        found = np.array([one["anomaly"] for one in told])
        assert (found & known).sum() >= 4
        assert found.sum() <= 10
        assert plain == found.tolist()
        score = np.array([one["score"] for one in told])
        assert score[known].min() > np.median(score)
        labels = [{"request": "first", "row": at, "label": bool(one)} for at, one in enumerate(known)]
        assert asked(f"{url}/feedback/odd", labels)["accepted"] == 100
        rejected = asked(f"{url}/feedback/odd", {"request": "first", "row": 1, "label": "maybe"})["rejected"]
        assert "Allowed: false, true" in rejected[0]["reason"]
        with urllib.request.urlopen(f"{url}/models/odd", timeout=10) as reply:
            form = reply.read().decode()
        assert "A row is an anomaly when its score is above" in form
        with urllib.request.urlopen(f"{url}/openapi.json", timeout=10) as reply:
            assert '"Larger is stranger."' in reply.read().decode()
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        assert server.wait(60) == 0
    opened = fairlead.open(project.folder)
    collected = opened.collect()
    assert (collected["records"], collected["labels"]) == (300, 100)
    watched = opened.watch()
    assert len({w["index"] for w in watched["windows"]}) >= 2
    first = next(w for w in watched["windows"] if w["state"] == "scored" and w["index"] == 0)
    assert first["labelled"] == 100
    assert first["metrics"]["roc_auc"] > 0.9
    assert {"alert_rate", "precision", "recall", "loss"} <= set(first["metrics"])
    drifted = [f for f in watched["findings"] if f["area"] in ("data_drift", "score_drift")]
    assert drifted
    assert not [f for f in watched["findings"] if f["area"] == "performance"]
    assert len(again) == 100
    records = pd.concat(pd.read_parquet(path) for path in (project.folder / ".fairlead" / "records").rglob("*.parquet"))
    assert set(records["out.label"]) == {"true", "false"}
    assert records["out.value"].notna().all()


def test_it_scores_tables_and_learns_again_from_what_was_asked(project: Program) -> None:
    opened = fairlead.open(project.folder)
    later = payments(40, 5)
    later.to_csv(project.folder / "later.csv", index=False)
    assert opened.score(project.folder / "later.csv", project.folder / "out.csv")["rows"] == 40
    scored = pd.read_csv(project.folder / "out.csv")
    assert list(scored.columns) == ["anomaly", "score"]
    assert scored["anomaly"].dtype == bool
    again = opened.retrain()
    assert "every row" in again["window"]
    assert again["verdict"] == "pass"


def test_labels_choose_and_judge(tmp_path: Path) -> None:
    payments(500, 1).to_csv(tmp_path / "train.csv", index=False)
    init(tmp_path / "train.csv", "fraud", tmp_path, task="anomaly", name="fraud")
    text = (tmp_path / "fairlead.toml").read_text()
    assert 'positive = "yes"' in text
    quick_settings(tmp_path)
    opened = fairlead.open(tmp_path)
    trained = opened.train()
    assert trained["leaderboard"][0]["metric"] == "1 - pr_auc"
    assert trained["metrics"]["roc_auc"] > 0.95
    judged = opened.evaluate()
    checks = {check["name"]: check for check in judged["checks"]}
    assert checks["beats.baseline"]["verdict"] == "pass"
    assert {"roc_auc", "pr_auc", "precision_at_k", "recall"} <= set(judged["metrics"])
    assert "ROC curve" in Path(judged["report"]).read_text()


def ready_url(log: Path) -> str | None:
    """The address in the ready line, once it is there."""
    found = re.search(r"ready: (\S+)", log.read_text())
    return found[1] if found else None
