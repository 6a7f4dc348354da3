"""What watching costs: CPU seconds of one watcher a window.

Scenario `watch`: a sealed logistic model of ten columns (six numbers, four categories) with 200 days of reference,
windows of 500, 5,000 and 50,000 rows, every row recorded as the data plane records it and labelled. `cpu_s_500` and
its like are CPU seconds a window, inputs and labels judged, reports and gauges written; `rows_a_second_500` is how many
rows a second one watcher on one core keeps up with. `inputs_only_s_500` is the same without any label.

    python -m benchmarks watch
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd

import fairlead
from fairlead.ops.flow import Loop, release
from fairlead.runtime.capture import Spool, Tally, collect
from fairlead.runtime.wire import frames

NUMBERS = ("a", "b", "c", "d", "e", "f")
CATEGORIES = {"g": ("u", "v"), "h": ("x", "y", "z"), "i": ("k", "l", "m", "n"), "j": ("one", "two")}
DAYS, A_DAY = 200, 100
LIVE_A_DAY = 10_000
DAY = 86_400.0
BEGAN = 1_700_006_400.0
A_REQUEST = 25
WINDOWS = {500: (24, 40), 5_000: (4, 12), 50_000: (2, 3)}
"""Windows before what is counted, and those that are, by rows a window."""
CONFIG = """
[model]
name = "watched"
task = "classification"
target = "y"
positive = "yes"
time = "at"
[data]
train = "rows.csv"
[train]
learners = ["logistic"]
folds = 3
trials = 1
calibrate = false
[gate]
beats = false
[evaluate]
robustness = false
explanations = false
find_slices = false
[monitor]
window = "ROWSrows"
label_delay = "1m"
[retrain]
when = []
"""


def rows_of(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    """Rows and their truth."""
    made: dict[str, Any] = {name: rng.normal(0.0, 1.0, rows) for name in NUMBERS}
    made |= {name: rng.choice(np.array(told, dtype=object), rows) for name, told in CATEGORIES.items()}
    p = 1.0 / (1.0 + np.exp(-(1.5 * made["a"] + 0.5 * made["b"] + (made["g"] == "u"))))
    return pd.DataFrame({**made, "y": np.where(rng.random(rows) < p, "yes", "no")})


def trained(folder: Path, rows: int) -> Path:
    """The project, version 1 deployed."""
    (folder / "fairlead.toml").write_text(CONFIG.replace("ROWS", str(rows)))
    table = rows_of(np.random.default_rng(0), DAYS * A_DAY)
    seconds = BEGAN - DAYS * DAY + np.arange(len(table)) * DAY / A_DAY
    table.insert(0, "at", pd.to_datetime(seconds, unit="s").strftime("%Y-%m-%dT%H:%M:%SZ"))
    table.to_csv(folder / "rows.csv", index=False)
    project = fairlead.open(folder)
    bundle = project.train()["bundle"]
    project.evaluate(bundle)
    project.register(bundle)
    release.deploy(project.workspace, 1)
    return folder


class Traffic:
    """Requests of a project, recorded; time goes by with them."""

    def __init__(self, folder: Path, labels: bool) -> None:
        self.ws, self.labels = fairlead.open(folder).workspace, labels
        self.rng, self.number = np.random.default_rng(1), 0
        self.spool = Spool(self.ws.home.root / "spool", "i", "0", 1 << 32)
        self.ws.clock = lambda: self.now

    @property
    def now(self) -> float:
        return BEGAN + self.number * DAY / LIVE_A_DAY

    def come(self, rows: int) -> None:
        """So many rows are answered, labelled and collected."""
        bundle = self.ws.state.version("watched", 1).bundle
        model = self.ws.load(bundle)
        frame = rows_of(self.rng, rows)
        names = list(model.signature.names)
        scores = model.score_columns({name: frame[name].to_numpy() for name in names})
        decided, cells = model.decide(scores), frame[names].to_numpy(dtype=object).tolist()
        schema = frames.Schema("watched", bundle, 1, model.signature, [], ["at"])
        for first in range(0, rows, A_REQUEST):
            part = slice(first, min(first + A_REQUEST, rows))
            id, asked = f"r{self.number}", part.stop - part.start
            passes = [[self.now] for _ in range(asked)]
            said = [frames.encode(frames.Prediction(
                self.now, 0.001, id, None, "watched", bundle, "champion", "v2", cells[part], passes, None,
                list(decided[part]), scores[part].tolist(),
            ))]  # fmt: skip
            truths = frame["y"].iloc[part].tolist() if self.labels else []
            if truths:
                given = [frames.Given(id, at, None, None, told, None, None, "v1") for at, told in enumerate(truths)]
                said.append(frames.encode(frames.Label(self.now + 1.0, "watched", None, given)))
            if not self.spool.append(said, [schema], Tally(1, asked, labels=len(truths))):
                raise RuntimeError("the spool took no more")
            self.number += asked
        self.spool.turn()
        collect(self.ws.home.root)


def cost_of(folder: Path, rows: int, labels: bool) -> tuple[float, float]:
    """CPU seconds a window, and the spread over the passes it was taken in (standard deviation).

    Rows come two windows at a time, as to a watcher that looks every now and then.
    """
    traffic = Traffic(folder, labels)
    loop = Loop(traffic.ws.as_rule())
    before, counted = WINDOWS[rows]
    taken: list[float] = []
    for number in range(0, before + counted, 2):
        traffic.come(2 * rows)
        began = time.process_time()
        done = loop.once()
        spent = time.process_time() - began
        closed = len({window.index for window in done.windows})
        if number >= before and closed:
            taken.append(spent / 2)
    return float(np.mean(taken)), float(np.std(taken))


def main() -> None:
    chosen = [int(part) for part in sys.argv[1:]] or list(WINDOWS)
    answer: dict[str, Any] = {"scenario": "watch", "columns": len(NUMBERS) + len(CATEGORIES)}
    spread: dict[str, float] = {}
    for rows in chosen:
        for labels, name in ((True, "cpu_s"), (False, "inputs_only_s")):
            with tempfile.TemporaryDirectory() as made:
                found, apart = cost_of(trained(Path(made), rows), rows, labels)
            answer[f"{name}_{rows}"], spread[f"{name}_{rows}"] = round(found, 4), round(apart, 4)
        answer[f"rows_a_second_{rows}"] = round(rows / answer[f"cpu_s_{rows}"])
    print(json.dumps({**answer, "spread": spread}))


if __name__ == "__main__":
    main()
