"""Demand of the bike table, forecast: from `init` to answers over HTTP, truths told, windows scored."""

from __future__ import annotations

import json
import os
import re
import signal
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.conftest import Program, eventually, real_table
from tests.journeys.test_churn_loop import post, ready_url

import fairlead
from fairlead.contract.evidence import Lineage
from fairlead.doors.python import init
from fairlead.lab.stats.forecasts import seasonal_naive
from fairlead.ops.flow.history import history
from fairlead.runtime.capture import Records

LEARNED, HORIZON, LAGS = 3000, 4, 168
QUICK = """
[train]
learners = ["ridge", "lightgbm"]
trials = 2
folds = 2

[serve]
port = 0

[monitor]
window = "2d"
label_delay = "1h"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, fairlead.Project, pd.DataFrame]:
    """Trained on the oldest four months, judged and deployed; with the rows that came after."""
    folder = tmp_path_factory.mktemp("demand")
    table = pd.read_csv(real_table("bike-sharing-hour.csv"))
    table.iloc[:LEARNED].to_csv(folder / "train.csv", index=False)
    program = Program(folder)
    init(folder / "train.csv", "cnt", folder, task="forecasting", name="demand", horizon=HORIZON)
    path = folder / "fairlead.toml"
    text = path.read_text()
    for section in ("train", "serve", "monitor"):
        text = re.sub(rf"(?ms)^\[{section}\]\n.*?(?=^\[|\Z)", "", text)
    path.write_text(text + QUICK)
    project = fairlead.open(folder)
    trained = project.train()
    assert trained["parity"]["max_difference"] <= 1e-9
    judged = project.evaluate()
    assert judged["verdict"] == "pass", judged["checks"]
    assert {c["name"]: c["verdict"] for c in judged["checks"]}["beats.baseline"] == "pass"
    project.register()
    project.deploy()
    return program, project, table.iloc[LEARNED - LAGS : LEARNED + 24 * 8].reset_index(drop=True)


def rows_after(later: pd.DataFrame) -> tuple[list[dict[str, Any]], np.ndarray, np.ndarray]:
    """Requests for every origin of which the next values are known, those values, and the histories."""
    at = pd.to_datetime(later["dteday"]) + pd.to_timedelta(later["hr"], "h")
    counts = later["cnt"].to_numpy(dtype=float)
    whole = [
        place
        for place in range(LAGS - 1, len(later) - HORIZON)
        if at[place + HORIZON] - at[place - LAGS + 1] == pd.Timedelta(hours=LAGS + HORIZON - 1)
    ]
    histories = np.array([counts[place - LAGS + 1 : place + 1] for place in whole])
    truth = np.array([counts[place + 1 : place + HORIZON + 1] for place in whole])
    asked = [
        {"history": [[count] for count in history], "origin": at[place].isoformat() + "Z"}
        for history, place in zip(histories.tolist(), whole, strict=True)
    ]
    return asked, truth, histories


def test_it_found_the_season_and_says_what_it_learned(project: tuple[Program, fairlead.Project, pd.DataFrame]) -> None:
    program, opened, _ = project
    model = opened.workspace.settings.model
    assert (model.every, model.lags, model.time_columns) == ("1h", LAGS, ("dteday", "hr"))
    inspected = opened.inspect()
    assert inspected["signature"]["horizon"] == HORIZON
    assert inspected["seal"]["verified"]
    assert list((program.folder / ".fairlead" / "reports").glob("*/report.html"))


def test_asked_over_http_and_told_what_came(project: tuple[Program, fairlead.Project, pd.DataFrame]) -> None:
    program, opened, later = project
    asked, truth, histories = rows_after(later)
    assert len(asked) >= 100
    server = program.start("serve", "--port", "0")
    try:
        url = eventually(lambda: ready_url(program.folder / "serve.log"), what="the ready line")
        said = []
        for start in range(0, len(asked), 50):
            answer = post(f"{url}/predict/demand", asked[start : start + 50], request=f"r{start}")
            said += [one["forecast"] for one in answer["predictions"]]
            labels = [
                {"request": f"r{start}", "row": row, "label": list(steps)}
                for row, steps in enumerate(truth[start : start + 50].tolist())
            ]
            assert post(f"{url}/feedback/demand", labels) == {"accepted": len(labels), "rejected": []}
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        assert server.wait(60) == 0
    answers = np.array(said)
    assert answers.shape == truth.shape
    naive = min(np.abs(seasonal_naive(histories, HORIZON, season) - truth).mean() for season in (24, 168))
    assert np.abs(answers - truth).mean() < naive
    collected = opened.collect()
    assert (collected["records"], collected["labels"]) == (len(asked), len(asked))
    windows = [w for w in opened.watch()["windows"] if w["state"] == "scored"]
    errors = np.abs(answers - truth).mean(axis=1)
    assert len(windows) >= 2
    for window in windows:
        of = [datetime.fromisoformat(row["origin"]).astimezone(UTC).timestamp() for row in asked]
        inside = [window["start"] <= time < window["end"] for time in of]
        assert window["metrics"]["mae"] == pytest.approx(errors[inside].mean(), rel=1e-6)


def test_a_table_asks_and_a_table_tells(project: tuple[Program, fairlead.Project, pd.DataFrame]) -> None:
    program, opened, later = project
    log = program.folder / "serve.log"
    log.unlink(missing_ok=True)
    server = program.start("serve", "--port", "0")
    try:
        eventually(lambda: ready_url(log), what="the ready line")
        answer = opened.predict(later.iloc[: LAGS + 10])
        assert answer["rows"] == 1
        assert opened.feedback(later.iloc[LAGS : LAGS + 13])["rejected"] == []
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        assert server.wait(60) == 0
    opened.collect()
    origin = datetime.fromisoformat(answer["asked"][0]["origin"]).timestamp()
    records = Records(opened.workspace.home.root, "demand").joined(origin, origin + 1.0, tensors=False)
    newest = records.sort_by("arrived").to_pylist()[-1]
    assert [newest[f"out.t+{step}"] for step in range(1, HORIZON + 1)] == answer["predictions"][0]["forecast"]
    came = later["cnt"].iloc[LAGS + 10 : LAGS + 13].astype(float).tolist()
    assert json.loads(newest["label"]) == [*came, *[None] * (HORIZON - len(came))]
    # What was asked joins the table that the next model learns from, hour by hour.
    past = history(opened.workspace, opened.workspace.load(newest["bundle"]).signature)
    assert past.recorded > 100
    assert list(past.frame.columns) == list(later.columns)
    assert not past.frame.duplicated(["dteday", "hr"]).any()


@pytest.mark.long
def test_retrained_on_what_came_since(project: tuple[Program, fairlead.Project, pd.DataFrame]) -> None:
    """After what was asked and told above: the next model knows the values of the records."""
    _, opened, _ = project
    before = lineage_of(opened, "champion")
    done = opened.retrain()
    after = lineage_of(opened, done["bundle"])
    assert after.trained_to > before.trained_to
    assert after.rows > before.rows
    assert done["verdict"] in ("pass", "inconclusive", "fail")
    # The share kept for judging was chosen by what was new; all that was made of the rest is the same.
    assert set(opened.reproduce(done["bundle"])["differs"]) <= {"configuration"}


def lineage_of(opened: fairlead.Project, reference: str) -> Lineage:
    from fairlead.ops.flow.making import resolve_bundle

    ws = opened.workspace
    return ws.load(resolve_bundle(ws, reference)).manifest.lineage
