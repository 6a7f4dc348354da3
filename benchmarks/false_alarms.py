"""False alarms where nothing changes: `false-alarms-bike-shuffled` as JSON, or all tables into false-alarms.md.

    python benchmarks/false_alarms.py [--table bike] [--copies 10] [--first 0] [--learner ridge] [--data ../shared/data]
    python benchmarks/false_alarms.py --write [--copies 20] [--first 1000]

Rows of a table are shuffled over its windows, so that none differs from another but by chance; each copy is lived
through with the product's watcher. Targets: at most 1 performance alarm and 0.5 input alarms per 30 windows.
Windows of one copy share its first release, so what is unlucky there alarms again and again: intervals are of copies
drawn anew, and a few copies say next to nothing. Losses alone are drawn, for the promise alone: 12 held-out windows.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fairlead.contract.settings import ModelSettings, MonitorSettings, Settings
from fairlead.ops.monitor import reset, start, step
from fairlead.ops.rehearse import agrawal
from fairlead.ops.rehearse.copies import calm_copy
from fairlead.ops.rehearse.stage import Stage, one_thread
from rehearsal import bike_settings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "explanation" / "false-alarms.md"
BEGIN, END = "<!-- promises: begin -->", "<!-- promises: end -->"
HELD_OUT = 12


def per_30(windows: list[int], live: int) -> list[float]:
    """Windows with alarms per 30, with a 95 % interval from copies drawn anew. windows: of each copy."""
    rates = 30 * np.asarray(windows) / live
    drawn = np.random.default_rng(0).integers(0, len(rates), (4_000, len(rates)))
    low, high = np.quantile(rates[drawn].mean(axis=1), [0.025, 0.975])
    return [round(float(v), 3) for v in (rates.mean(), low, high)]


def settings_of(table: str) -> Settings:
    """How each table is watched: windows of some hundred rows, labels at once."""
    if table == "bike":
        return bike_settings()
    model = {
        "churn": ModelSettings(
            name="churn", task="classification", target="Churn", positive="Churned", time="at", exclude=("customerID",)
        ),
        "agrawal": ModelSettings(name="credit", task="classification", target="approved", positive="1", time="at"),
    }[table]
    return Settings(model=model, monitor=MonitorSettings(window="7d", label_delay="0s"))


def frame_of(table: str, data: Path) -> pd.DataFrame:
    """The rows, in an order that means nothing after it."""
    if table == "agrawal":
        return agrawal(15_000, (2,), seed=3, noise=0.05, rows_per_week=300)
    frame = pd.read_csv(data / {"bike": "bike-sharing-hour.csv", "churn": "telco-churn.csv"}[table])
    if table == "churn":
        # It has no times: a customer an hour makes weeks of 168.
        frame["at"] = pd.Timestamp("2025-01-06") + pd.to_timedelta(np.arange(len(frame)), unit="h")
    return frame


def shuffled(table: str, data: Path, learner: str, seeds: range) -> dict[str, Any]:
    """What wakes somebody on copies of a table."""
    started = time.process_time()
    with one_thread():
        stage = Stage.of(frame_of(table, data), settings_of(table), learner=learner)
        way, shelf = stage.models.parameters, stage.shelf
        lived = [calm_copy(stage.history, learner, way, seed, shelf) for seed in seeds]
    live = len(stage.history.live)
    performance = per_30([len(one.alarms) for one in lived], live)
    inputs = per_30([len(one.input_alarms) for one in lived], live)
    by = Counter(f"{alarm.area}/{alarm.check}" for one in lived for alarm in one.waking)
    return {
        "scenario": f"false-alarms-{table}-shuffled",
        "learner": learner,
        "copies": len(lived),
        "windows": len(lived) * live,
        "performance_alarms_per_30_windows": performance[0],
        "performance_interval": performance[1:],
        "input_alarms_per_30_windows": inputs[0],
        "input_interval": inputs[1:],
        "by": dict(by.most_common()),
        "cpu_s": round(time.process_time() - started, 1),
    }


def normal(rng: np.random.Generator, count: int) -> np.ndarray:
    """Mean losses of windows that are independent of each other."""
    return rng.normal(0.1, 0.01, count)


def skewed(rng: np.random.Generator, count: int) -> np.ndarray:
    """The same, of gamma's law with shape 4."""
    return 0.02 * rng.gamma(4.0, 1.0, count)


def autoregressive(phi: float) -> Callable[[np.random.Generator, int], np.ndarray]:
    """The same, each dependent on the one before."""

    def drawn(rng: np.random.Generator, count: int) -> np.ndarray:
        noise = rng.standard_normal(count)
        for i in range(1, count):
            noise[i] = phi * noise[i - 1] + np.sqrt(1.0 - phi * phi) * noise[i]
        return 0.1 + 0.01 * noise

    return drawn


LOSSES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "independent, normal": normal, "independent, skewed": skewed,
    "AR(1) 0.3": autoregressive(0.3), "AR(1) 0.6": autoregressive(0.6), "AR(1) 0.9": autoregressive(0.9),
}  # fmt: skip


def promised(losses: str, seeds: range, windows: int = 80, threshold: float = 30.0) -> list[float]:
    """Alarms of the promise per 30 windows with their interval, each alarm followed by a reset as by a retraining."""
    alarms = []
    for seed in seeds:
        drawn = LOSSES[losses](np.random.default_rng([seed, 5]), HELD_OUT + windows)
        promise = start(drawn[:HELD_OUT].tolist(), threshold)
        alarms.append(0)
        for t, loss in enumerate(drawn[HELD_OUT:].tolist()):
            done = step(promise, loss, 500, float(t))
            promise = reset(done.promise) if done.alarm else done.promise
            alarms[-1] += done.alarm
    return per_30(alarms, windows)


def page(data: Path, copies: int, first: int) -> list[str]:
    """The part of the page about promises, as a table."""
    seeds = range(first, first + copies)
    lines = [
        "## Where nothing changes: performance alarms per 30 windows",
        "",
        f"Shuffled copies of tables (seeds {first} to {first + copies - 1}; nothing was chosen on them), lived through",
        "with the first release, and below them losses alone, for the promise alone, three times as many seeds.",
        "At most 1 is the target; 30 windows of a week are 7 months, in which performance may alarm 2.1 times by its",
        "part of the budget. The promise's own bound is 1 where losses are independent; what it cannot know are weeks",
        "that depend on each other for longer than its held-out windows show.",
        "",
        "| what | copies | windows | performance | inputs | by |",
        "|---|---|---|---|---|---|",
    ]
    for table, learner in (("bike", "hist_gradient_boosting"), ("churn", "logistic"), ("agrawal", "logistic")):
        one = shuffled(table, data, learner, seeds)
        by = ", ".join(f"{name} {count}" for name, count in list(one["by"].items())[:4])
        cells = [
            f"{one[f'{part}_alarms_per_30_windows']:.2f} [{', '.join(f'{v:.2f}' for v in one[f'{part}_interval'])}]"
            for part in ("performance", "input")
        ]
        lines.append(f"| {table}, {learner} | {one['copies']} | {one['windows']:,} | {' | '.join(cells)} | {by} |")
        print(lines[-1], flush=True)
    for name in LOSSES:
        rate, low, high = promised(name, range(first, first + 3 * copies))
        lines.append(f"| losses {name} | {3 * copies} | {240 * copies:,} | {rate:.2f} [{low:.2f}, {high:.2f}] | | |")
        print(lines[-1], flush=True)
    return lines


def write(lines: list[str]) -> None:
    """Into the page, between its marks."""
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text("\n".join([before + BEGIN, *lines, END]) + after)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default, help="folder with bike-sharing-hour.csv")
    parser.add_argument("--table", default="bike", choices=("bike", "churn", "agrawal"))
    parser.add_argument("--copies", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="seed of the first copy")
    parser.add_argument("--learner", default="hist_gradient_boosting")
    parser.add_argument("--write", action="store_true", help="all tables, into docs/explanation/false-alarms.md")
    asked = parser.parse_args()
    if asked.write:
        write(page(asked.data, asked.copies, asked.first))
    else:
        print(
            json.dumps(shuffled(asked.table, asked.data, asked.learner, range(asked.first, asked.first + asked.copies)))
        )


if __name__ == "__main__":
    main()
