"""A report with figures of all rows and the rest of a sample: the same as a report made here, within what it tells."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from fairlead.contract.engines import EngineSettings
from fairlead.contract.errors import UsageError
from fairlead.contract.signature import Column, Signature
from fairlead.doors.python.project import Project, init
from fairlead.lab.evaluate import elsewhere
from fairlead.lab.evaluate.elsewhere import Elsewhere, Extent, _joined, stretch_of
from fairlead.lab.evaluate.folded import refuse
from fairlead.lab.tables.engines import engine_of
from fairlead.ops.flow import making
from fairlead.ops.flow.judging_elsewhere import judge_on_engine
from fairlead.reach.score.engines import score_on

Judged = tuple[dict[str, Any], dict[str, Any], Elsewhere]
ROWS = 700
UNLABELLED = 7
FOLDED = {
    "classification": {"roc_auc", "pr_auc", "accuracy", "mcc", "specificity", "balanced_accuracy", "log_loss"},
    "regression": {"rmse", "r2", "mae", "bias"},
}


def table(task: str) -> pd.DataFrame:
    random = np.random.default_rng(4)
    size, colour = random.normal(size=ROWS), random.choice(["red", "green"], ROWS)
    pull = size + (colour == "red") + random.normal(scale=0.6, size=ROWS)
    at = pd.date_range("2026-01-01", periods=ROWS, freq="h").strftime("%Y-%m-%dT%H:%M:%S")
    truth = np.where(pull > 0.5, "yes", "no") if task == "classification" else 50 + 10 * pull
    found = pd.DataFrame({"no": np.arange(ROWS), "at": at, "size": size, "colour": colour, "y": truth})
    if task == "regression":
        # In no order of time, and some of them without a truth.
        found = found.sample(frac=1.0, random_state=1).reset_index(drop=True)
        found.loc[::100, "y"] = np.nan
    return found


@pytest.fixture(scope="module", params=["classification", "regression"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two models of one table, of which the older answers."""
    folder = tmp_path_factory.mktemp(request.param)
    rows = folder / "rows.csv"
    table(request.param).to_csv(rows, index=False)
    made = init(rows, "y", folder, id="no", **({"time": "at"} if request.param == "regression" else {}))
    file = folder / "fairlead.toml"
    learner = "logistic" if request.param == "classification" else "ridge"
    text = file.read_text().replace("trials = 30", "trials = 1")
    file.write_text(text.replace("folds = 5", f'folds = 2\nlearners = ["{learner}"]'))
    made.train()
    return Project(folder)


@pytest.fixture(scope="module")
def judged(project: Project) -> Judged:
    """(report made here, report of the engine, what it told)."""
    ws, rows = project.workspace, project.folder / "rows.csv"
    bundle = making.resolve_bundle(ws, None)
    here = making.judge(ws, bundle, frame=pd.read_csv(rows))
    before = Path(here.report).with_name("report.json").read_bytes()
    engine = engine_of(EngineSettings())
    there, told = judge_on_engine(ws, bundle, engine, str(rows))
    assert there.verdict.outcome == here.verdict.outcome
    after = Path(there.report).with_name("report.json").read_bytes()
    return json.loads(before), json.loads(after), told


def test_each_figure_is_that_of_a_report_made_here(judged: Judged) -> None:
    here, there, told = judged
    assert told.whole
    assert set(told.by_sample) <= {"lift_at_10", "gain_at_10", "median_ae"}
    assert FOLDED[here["report"]["task"]] <= set(told.judged.metrics)
    a, b = here["report"], there["report"]
    assert set(a["metrics"]) == set(b["metrics"])
    for name, found in a["metrics"].items():
        off = told.judged.off_by.get(name, 0.0)
        assert abs(b["metrics"][name]["value"] - found["value"]) <= off + 1e-12 * max(1.0, abs(found["value"])), name
    assert b["loss"]["value"] == pytest.approx(a["loss"]["value"], rel=1e-12)
    for one, other in zip(a["baselines"], b["baselines"], strict=True):
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-12), one["name"]
        assert other["difference"]["value"] == pytest.approx(one["difference"]["value"], rel=1e-9), one["name"]
    alike = set(a) - {"metrics", "loss", "baselines", "notes", "record", "start", "end"}
    assert {n: a[n] for n in alike} == {n: b[n] for n in alike}
    assert any("judged by the engine local" in note for note in b["notes"])


def test_intervals_are_about_as_wide_as_those_made_here(judged: Judged) -> None:
    here, there, _ = judged
    for name in ("log_loss", "accuracy", "roc_auc", "rmse", "mae"):
        if name in here["report"]["metrics"]:
            a, b = here["report"]["metrics"][name], there["report"]["metrics"][name]
            assert (b["high"] - b["low"]) == pytest.approx(a["high"] - a["low"], rel=0.6), name


def test_of_more_rows_the_rest_is_of_a_sample_and_says_so(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "SAMPLE_ROWS", 200)
    ws = project.workspace
    bundle = making.resolve_bundle(ws, None)
    found, told = judge_on_engine(ws, bundle, engine_of(EngineSettings()), str(project.folder / "rows.csv"))
    task = ws.settings.model.task
    assert told.sampled == 175
    assert not told.whole
    rows = next(c for c in found.verdict.checks if c.name == "rows")
    assert rows.value == ROWS - (UNLABELLED if task == "regression" else 0)
    text = Path(found.report).with_name("report.json").read_text()
    assert "175 rows from all over the table" in text
    if task == "regression":
        assert "last_value" in told.left_out
        assert "7 rows without a truth were left out" in text


def test_what_does_not_add_up_is_refused_by_name() -> None:
    x = (Column("x", "number"),)
    for told, why in (
        (Signature("clustering", x), "task clustering"),
        (Signature("regression", x, target="y", quantile=0.9), "a quantile"),
        (Signature("classification", x, target="y", classes=("a", "b"), group="g"), "a ranking"),
    ):
        with pytest.raises(UsageError, match=f"{why}.*--engine local"):
            refuse(told)


def test_series_that_are_forecast_whole_are_refused_with_what_to_do() -> None:
    model: Any = SimpleNamespace(signature=Signature("forecasting", (Column("x", "number"),)))
    project: Any = None
    with pytest.raises(UsageError, match="from the whole of each: score it here, with --engine local"):
        score_on(engine_of(EngineSettings()), model, Path(), (), pa.table({"x": [1.0]}), None, project)


def test_stretches_of_time_are_windows_and_never_fewer_than_eight() -> None:
    day = 86_400.0
    extent = _joined([Extent(500, [], 1.0, 10 * day, 40 * day), Extent(500, [], 2.0, 0.0, 12 * day)])
    assert (extent.rows, extent.total, extent.low, extent.high) == (1_000, 3.0, 0.0, 40 * day)
    assert stretch_of(extent, "1d") == day
    assert stretch_of(extent, "30d") == 5 * day
    assert stretch_of(extent, "100rows") == 4 * day
    assert stretch_of(Extent(10, [], 0.0, 0.0, day), "1d") == 0.0
    assert stretch_of(Extent(100), "1d") == 0.0
