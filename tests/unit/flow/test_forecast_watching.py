"""Forecasts watched by their records: real bundles, spool, collector and files; truths are lists, due step by step."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

sys.path.append(str(Path(__file__).parent.parent / "bundle"))

from bundle_samples import LINEAGE, write_files
from forecast_samples import HORIZON, LAGS, SIGNATURE, STEP, WEIGHTS, WIDE, files

import fairlead
from fairlead.contract import records as names
from fairlead.contract.evidence import Attestation
from fairlead.contract.profile import HeldOut, Reference
from fairlead.contract.settings import ModelSettings, MonitorSettings, Settings
from fairlead.contract.signature import Signature
from fairlead.lab.stats import bins_for, loss_clip, losses, metrics, profile, score_bins, with_histories
from fairlead.lab.tables import event_times
from fairlead.lab.tables.series_now import times_after
from fairlead.lab.tables.steps import MONTH_S, Step
from fairlead.ops.flow import Loop, Workspace, making, release
from fairlead.ops.flow.forecasts import blocks_of, label_delay, recorded_rows
from fairlead.ops.flow.history import history
from fairlead.ops.flow.tracker import read_tracker
from fairlead.ops.flow.trial import losses_between, trial_of
from fairlead.ops.flow.view import View, read_view
from fairlead.runtime.bundle import attest, seal, verify
from fairlead.runtime.capture import Records, Spool, Tally, collect, reconcile
from fairlead.runtime.capture.forecasts import label_of
from fairlead.runtime.wire import frames

CONFIG = """
[model]
name = "riders"
task = "forecasting"
target = "riders"
time = "at"
series = "station"
horizon = 3
lags = 4
every = "1h"
covariates = ["temp"]
[data]
train = "riders.csv"
[monitor]
window = "2d"
label_delay = "0s"
[rollout]
max_loss = 0.5
"""
DAY = 86_400.0
BEGAN = np.floor((time.time() - 60 * DAY) / (2 * DAY)) * 2 * DAY
"""The first value of the table, where a window begins; the records begin 20 days later."""
SERVED = BEGAN + 20 * DAY


def series(hours: int, first: float = BEGAN, level: float = 50.0) -> pd.DataFrame:
    """Riders by the hour, a day's wave and noise; it is never warm or cold."""
    at = first + STEP * np.arange(hours)
    noise = np.random.default_rng(int(first) % 1000).normal(0.0, 2.0, hours)
    riders = level + 10.0 * np.sin(2 * np.pi * at / DAY) + noise
    return pd.DataFrame({"seconds": at, "riders": riders, "temp": np.zeros(hours)})


def rows_of(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Histories (n, lags, 2), origins (n,) and truths (n, horizon)."""
    values = frame[["riders", "temp"]].to_numpy()
    last = np.arange(LAGS - 1, len(frame) - HORIZON)
    past = np.stack([values[at - LAGS + 1 : at + 1] for at in last])
    truth = np.stack([values[at + 1 : at + 1 + HORIZON, 0] for at in last])
    return past, frame["seconds"].to_numpy()[last], truth


def reference(weights: np.ndarray) -> Reference:
    """What the first 20 days looked like, a day a block."""
    past, origins, truth = rows_of(series(20 * 24))
    flat = past.reshape(len(past), -1)
    scores = flat[:, [-WIDE]] * weights[1 + LAGS * WIDE - WIDE] + flat[:, [-1]] * weights[LAGS * WIDE]
    clip = loss_clip(np.abs(scores - truth).mean(axis=1))
    columns = with_histories({"history": flat, "origin": origins}, SIGNATURE)
    bins, scored = bins_for(columns, SIGNATURE), score_bins(SIGNATURE, scores)
    days = np.floor(origins / DAY)

    def of(rows: np.ndarray) -> Any:
        part = {name: values[rows] for name, values in columns.items()}
        start = float(origins[rows][0])
        return profile(part, bins, scores=scores[rows], score_bins=scored, start=start, end=start + DAY)

    groups = [np.flatnonzero(days == day) for day in np.unique(days)]
    held = tuple(
        HeldOut(
            float(origins[rows][0]), float(origins[rows][-1]), len(rows),
            float(losses("forecasting", truth[rows], scores[rows], SIGNATURE, clip).mean()),
            metrics("forecasting", truth[rows], scores[rows], SIGNATURE),
        )
        for rows in groups
    )  # fmt: skip
    return Reference(of(np.arange(len(origins))), tuple(of(rows) for rows in groups), held, clip)


def sealed(ws: Workspace, folder: Path, weights: np.ndarray) -> None:
    """A version more, with a verdict that lets it pass."""
    seal(write_files(folder, files(reference=reference(weights), weights=weights)), "riders", LINEAGE, "linear", "1",
         ws.key)  # fmt: skip
    bundle = verify(folder, (ws.key.public,)).id
    ws.store.add(folder)
    passed = {"model": ws.model, "outcome": "pass", "checks": []}
    attest(ws.home.attestations, Attestation(bundle, "verdict", ws.clock(), "test", passed), ws.key)
    making.register(ws, bundle)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two versions: one repeats the newest value, the other says a tenth of it."""
    folder = tmp_path_factory.mktemp("riders")
    (folder / "fairlead.toml").write_text(CONFIG)
    table = series(20 * 24)
    table.insert(0, "at", pd.to_datetime(table.pop("seconds"), unit="s"))
    table.assign(station="a").to_csv(folder / "riders.csv", index=False)
    ws = fairlead.open(folder).workspace
    sealed(ws, folder / "one", WEIGHTS)
    poor = WEIGHTS.copy()
    poor[1 + LAGS * WIDE - WIDE] = 0.1
    sealed(ws, folder / "two", poor)
    return folder


@pytest.fixture
def ws(home: Path, tmp_path: Path) -> Workspace:
    """The project anew, its first version deployed."""
    shutil.copytree(home, tmp_path / "p")
    found = fairlead.open(tmp_path / "p").workspace
    release.deploy(found, 1)
    return found


class Traffic:
    """Answers of deployed bundles, recorded as the data plane does, one an hour."""

    def __init__(self, ws: Workspace) -> None:
        self.ws, self.number = ws, 0
        self.spool = Spool(ws.home.root / "spool", "i", "0", 1 << 30)

    def ask(self, bundle: str, frame: pd.DataFrame, told: int | None = HORIZON) -> None:
        """One request a row. told: steps of each truth that are said; None: no truth."""
        model = self.ws.load(bundle)
        past, origins, truth = rows_of(frame)
        scores = model.score_columns({"history": past.reshape(len(past), -1), "origin": origins})
        schema = frames.Schema("riders", bundle, 1, model.signature, [], ["station"])
        for cell, at, said, right in zip(past, origins.tolist(), scores.tolist(), truth.tolist(), strict=True):
            self.number += 1
            id = f"r{self.number}"
            one = frames.Prediction(time.time(), 0.001, id, None, "riders", bundle, "champion", "native",
                                    [[cell.tobytes(), at]], [["a"]], None, None, [said])  # fmt: skip
            encoded = [frames.encode(one)]
            if told is not None:
                given = frames.Given(None, 0, "a", at, label_of(right[:told], HORIZON), None, None, "v1")
                encoded.append(frames.encode(frames.Label(time.time(), "riders", None, [given])))
            assert self.spool.append(encoded, [schema], Tally(1, 1, labels=int(told is not None)))
        collect(self.ws.home.root)


def bundles(ws: Workspace) -> list[str]:
    return [ws.state.version(ws.model, number).bundle for number in (1, 2)]


def test_windows_are_scored_when_the_last_step_is_due_and_a_new_level_is_found(ws: Workspace) -> None:
    traffic = Traffic(ws)
    champion = bundles(ws)[0]
    calm = series(4 * 24 + 6, SERVED)
    traffic.ask(champion, calm)
    done = Loop(ws).once()
    assert not done.findings
    closed = ws.state.windows(ws.model)
    assert [window.state for window in closed] == ["scored", "closed"]
    assert {"mae", "rmse", "loss"} <= set(closed[0].metrics)
    past, origins, truth = rows_of(calm)
    inside = (origins >= closed[0].start) & (origins < closed[0].end)
    assert closed[0].metrics["mae"] == pytest.approx(
        np.abs(ws.load(champion).score_columns({"history": past.reshape(len(past), -1), "origin": origins})
               - truth)[inside].mean()
    )  # fmt: skip
    traffic.ask(champion, series(5 * 24, SERVED + 4 * DAY, level=300.0))
    found = Loop(ws).once().findings
    drifted = {finding.columns for finding in found if finding.check == "drift"}
    assert {("history (newest)",), ("history (mean)",)} <= drifted
    assert ("origin",) not in {finding.columns for finding in found}
    assert reconcile(ws.home.root).ok


def test_only_steps_that_are_due_count(ws: Workspace) -> None:
    traffic = Traffic(ws)
    champion = bundles(ws)[0]
    frame = series(30, SERVED)
    traffic.ask(champion, frame, told=1)
    view = read_view(Records(ws.home.root, ws.model), None, None, ws.load(champion).signature)
    _, origins, truth = rows_of(frame)
    assert view.labelled.all()
    assert np.array_equal(np.isfinite(view.labels), [[True, False, False]] * len(origins))
    assert np.array_equal(view.labels[:, 0], truth[:, 0])
    assert np.array_equal(view.times, origins)
    model = ws.load(champion)
    clip = model.reference.loss_clip
    first = losses("forecasting", view.labels, view.answered(), SIGNATURE, clip)
    assert np.allclose(first, np.clip(np.abs(view.answered()[:, 0] - truth[:, 0]) / clip, 0, 1))


def test_a_challenger_is_judged_by_blocks_of_forecasts(ws: Workspace) -> None:
    first, second = bundles(ws)
    traffic = Traffic(ws)
    traffic.ask(first, series(30, SERVED))
    Loop(ws).once()
    release.deploy(ws, 2, mode="canary", share=0.5, why="tried", event_time=SERVED + DAY)
    for day in (1, 2, 3):
        traffic.ask(first, series(24 + HORIZON + LAGS - 1, SERVED + day * DAY))
    found = losses_between(ws, first, second, SERVED + DAY, SERVED + 3 * DAY)
    assert found is not None
    # Two days of hourly forecasts, three hours each: nine hours share a truth with their neighbours.
    assert len(found.old) == 2 * 24 // HORIZON
    assert (found.new > found.old).all()
    intent = ws.state.intent(ws.model)
    assert intent is not None
    Loop(ws).once()
    trial = trial_of(ws, intent, read_tracker(ws))
    assert trial is not None
    assert trial.verdict is not None
    assert trial.verdict.mean > 0.2
    assert trial.floor_holds is False


def test_what_was_served_joins_the_table_that_is_learned_from(ws: Workspace) -> None:
    champion = bundles(ws)[0]
    traffic = Traffic(ws)
    after = series(40, SERVED)
    traffic.ask(champion, after)
    past = history(ws, ws.load(champion).signature)
    old = pd.read_csv(ws.project.root / "riders.csv")
    assert list(past.frame.columns) == list(old.columns)
    assert len(past.frame) == len(old) + len(after)
    assert past.recorded == len(after)
    new = past.frame.iloc[len(old) :]
    assert np.allclose(new["riders"].to_numpy(dtype=float), after["riders"])
    # The newest covariates are those of the last origin.
    assert np.isfinite(new["temp"].to_numpy(dtype=float)).sum() == len(after) - HORIZON
    assert set(new["station"]) == {"a"}
    assert np.allclose(past.times[len(old) :], after["seconds"])
    assert np.array_equal(event_times(new, "at"), after["seconds"])


def test_a_truth_counts_before_a_history_and_a_later_record_before_an_earlier_one() -> None:
    one = Signature("forecasting", SIGNATURE.columns, target="y", horizon=2, step=60.0)
    settings = Settings(model=ModelSettings(name="m", task="forecasting", target="y", covariates=("c",)))
    history_of = [[0.0] * 8, [9.0] * 8]
    kind = pa.list_(pa.field("element", pa.float64(), nullable=False), 8)
    table = pa.table({
        names.TIME: [0.0, 60.0], names.BUNDLE: ["b", "b"], "in.history": pa.array(history_of, kind),
        "in.origin": [0.0, 60.0], names.LABEL: ["[5.0,6.0]", None], names.DEFINITION: ["v1", None],
    })  # fmt: skip
    rows = recorded_rows([table], table.drop_columns(["in.history"]), one, settings)
    assert list(rows.columns) == ["seconds", "y", "c"]
    assert rows["seconds"].tolist() == [-180.0, -120.0, -60.0, 0.0, 60.0, 120.0]
    assert rows["y"].tolist() == [0.0, 9.0, 9.0, 9.0, 5.0, 6.0]
    joined = table.drop_columns(["in.history"])
    assert recorded_rows([table.slice(0, 1), table.slice(1, 1)], joined, one, settings).equals(rows)
    assert len(recorded_rows([table.drop_columns(["in.history"])], table, one, settings)) == 0


def test_months_are_those_of_the_calendar() -> None:
    origin = pd.Timestamp("2026-01-01", tz="UTC").timestamp()
    said = pd.to_datetime(times_after(np.array([origin]), np.arange(-1, 3), Step(MONTH_S, months=True))[0], unit="s")
    assert said.strftime("%Y-%m-%d").tolist() == ["2025-12-01", "2026-01-01", "2026-02-01", "2026-03-01"]


def test_a_truth_is_due_after_the_last_step() -> None:
    settings = Settings(model=ModelSettings(name="m", task="forecasting"), monitor=MonitorSettings(label_delay="1h"))
    assert label_delay(settings, SIGNATURE) == 3600.0 + 3 * STEP
    assert label_delay(settings, Signature("regression", ())) == 3600.0
    assert blocks_of(np.array([0.0, 3 * STEP - 1, 3 * STEP, 9 * STEP]), SIGNATURE).tolist() == [0, 0, 1, 2]


def test_records_without_forecasts_have_none() -> None:
    table = pa.table({names.TIME: [0.0], names.BUNDLE: ["b"], names.LABEL: ["7"], names.DEFINITION: ["v1"]})
    view = View(table, SIGNATURE)
    assert view.labelled.tolist() == [False]
    assert np.isnan(view.answered()).all()


def test_a_series_is_forgotten_by_its_name(ws: Workspace) -> None:
    champion = bundles(ws)[0]
    traffic = Traffic(ws)
    traffic.ask(champion, series(10, SERVED))
    traffic.spool.close()
    ws.home.run.mkdir(exist_ok=True)
    (ws.home.run / "instance-i.lock").touch()
    assert Records(ws.home.root, ws.model).joined(None, None).num_rows == 4
    project = fairlead.open(ws.project.root)
    assert project.forget("b")["records"] == 0
    assert project.forget("a")["records"] == 4
    assert Records(ws.home.root, ws.model).joined(None, None).num_rows == 0
    assert history(ws, ws.load(champion).signature).recorded == 0
