"""Forecasts by tables alone: asked with the newest values, told what came, watched, taught anew and tried."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.conftest import Program, eventually
from tests.journeys.test_churn_loop import ready_url

import fairlead
from fairlead.contract.errors import ConfigInvalid, NotOffered
from fairlead.runtime.capture import Records

pytestmark = pytest.mark.long  # a model is trained twice; the journey of demand is the short one

CONFIG = """
[model]
name = "demand"
task = "forecasting"
target = "sold"
time = "at"
series = "shop"
horizon = 3
lags = 24
every = "1h"
[data]
train = "sold.csv"
[train]
learners = ["ridge"]
trials = 1
folds = 2
[gate]
beats = false
[serve]
port = 0
[monitor]
window = "1d"
label_delay = "0s"
"""
LEARNED, SHOPS = 24 * 14, ("north", "south")


def sold(hours: int, first: int = 0) -> pd.DataFrame:
    """What two shops sold by the hour: a day's wave, of which the second shop has twice as much."""
    at = pd.date_range("2026-01-01", periods=first + hours, freq="h")[first:]
    noise = np.random.default_rng(first).normal(0.0, 1.0, (len(SHOPS), hours))
    wave = 50.0 + 20.0 * np.sin(2 * np.pi * at.hour.to_numpy() / 24)
    parts = [pd.DataFrame({"at": at, "shop": shop, "sold": (number + 1) * wave + noise[number]})
             for number, shop in enumerate(SHOPS)]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def bundle_of(project: fairlead.Project, version: int) -> str:
    return project.workspace.state.version("demand", version).bundle


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> fairlead.Project:
    folder = tmp_path_factory.mktemp("demand")
    (folder / "fairlead.toml").write_text(CONFIG)
    sold(LEARNED).to_csv(folder / "sold.csv", index=False)
    made = fairlead.open(folder)
    made.train()
    assert made.evaluate()["verdict"] == "pass"
    made.register()
    made.deploy()
    return made


def test_asked_told_watched_and_taught_anew(project: fairlead.Project) -> None:
    folder = Path(project.workspace.project.root)
    program = Program(folder)
    server = program.start("serve", "--port", "0")
    try:
        eventually(lambda: ready_url(folder / "serve.log"), what="the ready line")
        known = sold(LEARNED + 50)
        for hours in range(LEARNED, LEARNED + 50):
            # Every hour, with the day before it: what a program would send.
            answer = project.predict(
                known[known["at"] < known["at"].min() + pd.Timedelta(hours=hours)].groupby("shop").tail(24)
            )
            assert [one["shop"] for one in answer["asked"]] == list(SHOPS)
        north, south = (one["forecast"] for one in answer["predictions"])
        assert np.mean(south) == pytest.approx(2 * np.mean(north), rel=0.15)
        came = known[known["at"] >= known["at"].min() + pd.Timedelta(hours=LEARNED)]
        told = project.feedback(came)
        assert told["rejected"] == []
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        assert server.wait(20) == 0
    project.collect()
    records = Records(project.workspace.home.root, "demand").joined(None, None)
    assert records.num_rows == 50 * len(SHOPS)
    # Every forecast has a truth, of whatever steps there are.
    assert records.column("label").null_count == 0
    assert records.column("label").to_pylist()[-1].endswith(",null,null]")
    windows = [w for w in project.watch()["windows"] if w["state"] == "scored"]
    assert windows
    assert all(w["metrics"]["mae"] < 5.0 for w in windows)
    renewed = project.retrain()
    assert renewed["version"] == 2
    # The hours that were asked about are among those that are learned from now.
    lineage = project.workspace.load(renewed["bundle"]).manifest.lineage
    learned = project.workspace.load(bundle_of(project, 1)).manifest.lineage
    assert lineage.rows > learned.rows + 40 * len(SHOPS)
    assert {v["name"] for v in project.status()["variants"]} == {"champion", "challenger"}


def test_what_is_not_offered_is_refused_by_name(project: fairlead.Project) -> None:
    with pytest.raises(NotOffered, match="a forecast goes by a whole history"):
        project.explain(sold(LEARNED))
    with pytest.raises(ConfigInvalid, match="comes step by step"):
        project.rehearse()


def test_a_table_is_scored_a_series_a_row(project: fairlead.Project, tmp_path: Path) -> None:
    done = project.score(sold(100), tmp_path / "out.csv")
    assert done["rows"] == len(SHOPS)
    found = pd.read_csv(tmp_path / "out.csv")
    assert found.columns.tolist() == ["shop", "origin", "t+1", "t+2", "t+3"]
    assert found["shop"].tolist() == list(SHOPS)
