"""How old what a model knows is: the newest row it was made with, whatever time a trial takes; live as rehearsed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

import fairlead
from fairlead.contract.settings import ModelSettings, MonitorSettings, RetrainSettings, Settings
from fairlead.doors.python import init
from fairlead.lab.train import train
from fairlead.ops.flow import closing, making
from fairlead.ops.flow.decide import decide
from fairlead.ops.flow.freshness import knows_until
from fairlead.ops.flow.gathering import Gathered
from fairlead.ops.flow.renewing import fresh_since
from fairlead.ops.flow.situation import Live, Situation
from fairlead.ops.flow.tracker import Tracker, read_tracker
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.rehearse import agrawal
from fairlead.ops.rehearse.models import Meter
from fairlead.ops.rehearse.replay import Policy, Replay
from fairlead.ops.rehearse.stage import Stage, one_thread

DAY = 86_400.0
BEGIN = pd.Timestamp("2024-01-01", tz="UTC").timestamp()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, str, float]:
    """A model of 300 hours, a part of which was kept back for judging; and the newest of them all."""
    folder: Path = tmp_path_factory.mktemp("freshness")
    random = np.random.default_rng(0)
    rows = pd.DataFrame({"at": pd.date_range("2024-01-01", periods=300, freq="h", tz="UTC").astype(str)})
    rows["x"] = random.normal(size=300)
    rows["y"] = rows["x"] + random.normal(size=300)
    rows.to_csv(folder / "t.csv", index=False)
    init(folder / "t.csv", "y", folder, time="at")
    ws = fairlead.open(folder).workspace
    rules = msgspec.structs.replace(ws.settings.train, folds=2, trials=1, learners=("ridge",))
    training = train(rows, msgspec.structs.replace(ws.settings, train=rules), root=folder)
    return ws, making.keep(ws, training, Gathered(rows)).bundle, BEGIN + 299 * 3600.0


def test_rows_kept_back_for_judging_are_known_and_a_trial_makes_no_younger(made: tuple[Workspace, str, float]) -> None:
    ws, bundle, newest = made
    assert ws.load(bundle).manifest.lineage.trained_to < newest
    tracker = Tracker(champion="another", released=BEGIN)
    closing.take_over(ws, tracker, bundle, newest + 60 * DAY)
    assert tracker.released == newest + 60 * DAY
    assert knows_until(ws, read_tracker(ws), bundle) == newest


def test_a_first_release_is_as_old_as_watching_however_old_its_table_is(made: tuple[Workspace, str, float]) -> None:
    ws, bundle, newest = made
    assert knows_until(ws, Tracker(champion=bundle, released=newest + 400 * DAY), bundle) == newest + 400 * DAY


def test_age_counts_from_what_is_known_or_the_newest_attempt() -> None:
    champion = Live("b", released_at=50 * DAY, trained_to=20 * DAY)
    assert fresh_since(champion, None) == 20 * DAY
    assert fresh_since(champion, 30 * DAY) == 30 * DAY
    assert fresh_since(champion, 10 * DAY) == 20 * DAY
    model = ModelSettings(name="m", task="classification", target="y", time="at")
    settings = Settings(model=model, retrain=RetrainSettings(when=("max_age:90d",)))
    asked = Situation("m", champion=champion, last_retrain_at=22 * DAY, scored_window=30, labelled_windows=30)
    assert decide(asked, [], settings, 111 * DAY) == []
    (decision,) = decide(asked, [], settings, 112 * DAY)
    assert decision.why == "the newest row it knows is 92 days old, and the last retraining was 90 days ago"


def test_a_rehearsed_model_whose_labels_come_late_is_as_old_as_its_newest_labelled_row() -> None:
    rows, learnt = 60, 12
    frame = agrawal(26 * rows, functions=(9,), seed=1, rows_per_week=rows)
    settings = Settings(
        model=ModelSettings(name="credit", task="classification", target="approved", positive="1", time="at"),
        monitor=MonitorSettings(window="7d", label_delay="14d"),
        retrain=RetrainSettings(when=("max_age:28d",), cool_down="0windows"),
    )
    with one_thread():
        stage = Stage.of(frame, settings, learner="logistic", learnt=learnt)
        policy = Policy("project", settings.retrain.when, gated=False, picked=False)
        replay = Replay(stage.history, stage.models, stage.watcher, policy)
        lived = replay.run(Meter())
    # Four windows after the last attempt, although the rows learnt from were two windows older than that.
    assert lived.retrains == [15, 19, 23]
    assert "the newest row it knows is 42 days old, and the last retraining was 28 days ago" in lived.told[-2].why
    assert replay._situation(0.0).champion.trained_to == stage.history.slots[21].end  # type: ignore[union-attr]
