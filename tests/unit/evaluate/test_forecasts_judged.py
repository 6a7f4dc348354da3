"""Sealed forecasts judged: by step, beside the naive, beside a champion that looks back further, and by the gate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from tests.unit.train.demand import HORIZON, demand, settings

from fairlead.contract.settings import GateSettings, Settings
from fairlead.lab.compile import write_bundle
from fairlead.lab.evaluate import evaluate, gate, write_report
from fairlead.lab.evaluate.forecasting.judging import asked_of
from fairlead.lab.evaluate.page import Written
from fairlead.lab.evaluate.words import summary
from fairlead.lab.train import train
from fairlead.lab.train.recorded import Trial
from fairlead.runtime.bundle import SigningKey, load


def shops() -> pd.DataFrame:
    return pd.concat([demand(30, 1, "north"), demand(30, 2, "south")], ignore_index=True)


def sealed(folder: Path, name: str, chosen: Settings, alpha: float = 1.0) -> tuple[Any, Any]:
    made = train(shops(), chosen, trial=Trial("ridge", {"alpha": alpha, "steps": "each"}))
    key = SigningKey.create(folder / f"{name}.key")
    write_bundle(made.candidate, folder / name, key)
    return load(folder / name, [key.public]), made


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("judged")
    good, made = sealed(folder, "good", settings(series="shop"))
    longer, _ = sealed(folder, "longer", settings(series="shop", lags=72))
    useless, _ = sealed(folder, "useless", settings(series="shop"), alpha=1e9)
    return {"good": good, "longer": longer, "useless": useless, "holdout": made.holdout, "board": made.leaderboard}


@pytest.fixture(scope="module")
def report(models: dict[str, Any]) -> Any:
    return evaluate(models["good"], models["holdout"], settings(series="shop"), champion=models["longer"],
                    parity={"flipped": 0, "rows": 1, "max_difference": 0.0, "tolerance": 1e-9},
                    leaderboard=models["board"])  # fmt: skip


def with_gate(**rules: Any) -> Settings:
    return msgspec.structs.replace(settings(series="shop"), gate=GateSettings(**rules))


def test_metrics_are_those_of_the_answers(models: dict[str, Any], report: Any) -> None:
    asked = asked_of(models["good"], models["holdout"], settings(series="shop"))
    error = asked.judged.scores - asked.rows.truth
    assert report.rows == len(error)
    assert report.metrics["mae"].value == pytest.approx(np.abs(error).mean())
    assert report.metrics["rmse"].value == pytest.approx(np.sqrt((error**2).mean()))
    assert report.metrics["mae"].low < report.metrics["mae"].value < report.metrics["mae"].high
    assert report.metrics["mase"].value < 1.0
    steps = report.forecasts.steps
    assert [one.step for one in steps] == list(range(1, HORIZON + 1))
    assert [one.error.value for one in steps] == pytest.approx(np.abs(error).mean(axis=0))
    assert report.block == report.rows // 8


def test_the_baseline_is_the_best_of_what_repeats(report: Any) -> None:
    assert [b.name for b in report.baselines] == ["seasonal_naive_24", "last_value"]
    assert report.forecasts.season == 24
    assert report.baselines[0].difference.high < 0.0
    assert report.loss.value < report.baselines[0].loss < report.baselines[1].loss


def test_series_are_told_and_what_came_is_shown(report: Any) -> None:
    found = report.forecasts
    assert (found.series, found.every, found.horizon) == (2, "1h", HORIZON)
    assert {one.name for one in found.worst} == {"north", "south"}
    shown = found.shown
    assert shown.series in {"north", "south"}
    assert shown.starts == tuple(range(0, len(shown.times), HORIZON))
    assert np.diff(shown.times).min() > 0.0
    whole = demand(30, 1 if shown.series == "north" else 2, shown.series).set_index("at")["count"]
    assert list(shown.truth) == [whole[pd.Timestamp(at, unit="s")] for at in shown.times]


def test_a_champion_that_looks_back_further_is_compared_where_both_answer(models: dict[str, Any], report: Any) -> None:
    assert report.champion is not None
    assert abs(report.champion.difference.value) < 0.05
    other = evaluate(models["useless"], models["holdout"], settings(series="shop"), champion=models["good"])
    assert other.champion is not None
    assert other.champion.difference.low > 0.0
    checks = {c.name: c for c in gate(other, with_gate()).checks}
    assert checks["no_worse_than.champion"].verdict == "fail"
    assert checks["beats.baseline"].verdict == "fail"


def test_the_gate_asks_for_metrics_by_their_intervals(report: Any) -> None:
    verdict = gate(report, with_gate(min={"mase": 1.0, "smape": 0.001}))
    checks = {c.name: c.verdict for c in verdict.checks}
    assert checks == {
        "rows": "pass", "parity": "pass", "min.mase": "pass", "min.smape": "fail", "beats.baseline": "pass",
        "no_worse_than.champion": checks["no_worse_than.champion"],
    }  # fmt: skip
    assert verdict.outcome == "fail"


def test_the_page_says_it_in_words_and_pictures(report: Any, tmp_path: Path) -> None:
    verdict = gate(report, with_gate())
    page = write_report(report, verdict, tmp_path)
    text = page.read_text()
    for part in ("Forecasts and what came", "Error by step", "By how far ahead", "Where it is worst, of 2 series"):
        assert part in text
    told = " ".join(summary(report, verdict))
    assert "It forecasts the next 6 hours, for 2 series, and is off by" in told
    assert "Compared with repeating the value 24 steps before, the best that needs no model" in told
    again = msgspec.json.decode((tmp_path / "report.json").read_bytes(), type=Written)
    assert again.report.forecasts == report.forecasts


@pytest.mark.long
def test_intervals_of_overlapping_forecasts_hold_the_truth_as_often_as_they_say() -> None:
    """The interval of the mean error, where neighbouring errors are alike over a horizon and a day has a rhythm."""
    from fairlead.lab.evaluate.forecasting.judging import block_of
    from fairlead.lab.stats.intervals import bootstrap
    from fairlead.lab.tables.series import Geometry, SeriesRows
    from fairlead.lab.tables.steps import Step

    held, draws, rows = 0, 200, 1000
    geometry = Geometry(24, 6, Step(3600.0), (24,))
    for seed in range(draws):
        random = np.random.default_rng(seed)
        noise = random.normal(size=rows + 6)
        rhythm = 1.0 + 0.5 * np.sin(np.arange(rows + 6) * 2 * np.pi / 24)
        size = np.lib.stride_tricks.sliding_window_view(np.abs(noise * rhythm), 6)[:rows].mean(axis=1)
        blank = SeriesRows(geometry, None, np.arange(rows) * 3600.0, np.zeros((rows, 1, 1)), np.zeros((rows, 6)))
        found = bootstrap(size, seed=seed, draws=300, block=block_of(blank))
        truth = np.sqrt(2 / np.pi) * rhythm[:24].mean()
        held += found.low <= truth <= found.high
    assert held / draws >= 0.88
