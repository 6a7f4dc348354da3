"""A small project with a trained model, and traffic recorded as the data plane does, a second a request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import fairlead
from fairlead.ops.flow import Loop, Workspace, release
from fairlead.runtime.capture import Spool, Tally, collect
from fairlead.runtime.wire import frames

CONFIG = """
[model]
name = "yes"
task = "classification"
target = "y"
positive = "yes"
[data]
train = "t.csv"
[train]
learners = ["logistic"]
folds = 3
trials = 1
calibrate = false
[gate]
beats = false
[monitor]
window = "200rows"
label_delay = "1m"
[evaluate]
robustness = false
explanations = false
find_slices = false
"""
BEGAN = 1_700_000_000.0


def rows_of(rng: np.random.Generator, rows: int, shift: float = 0.0, turned: float = 0.0) -> pd.DataFrame:
    """turned: share of truths that mean the other thing."""
    a, b = rng.normal(shift, 1.0, rows), rng.normal(0.0, 1.0, rows)
    c = rng.choice(["u", "v"], rows)
    p = 1.0 / (1.0 + np.exp(-(1.5 * a + 0.5 * b + (c == "u"))))
    event = (rng.random(rows) < p) ^ (rng.random(rows) < turned)
    return pd.DataFrame({"a": a, "b": b, "c": c, "y": np.where(event, "yes", "no")})


def trained(folder: Path) -> Path:
    """The project, version 1 deployed."""
    (folder / "fairlead.toml").write_text(CONFIG)
    rows_of(np.random.default_rng(0), 4000).to_csv(folder / "t.csv", index=False)
    project = fairlead.open(folder)
    bundle = project.train()["bundle"]
    project.evaluate(bundle)
    project.register(bundle)
    release.deploy(project.workspace, 1)
    return folder


class Served:
    """Traffic of a project, in its own time: event time goes by a second a request of ten rows."""

    def __init__(self, ws: Workspace) -> None:
        self.ws, self.number = ws, 0
        self.spool = Spool(ws.home.root / "spool", "i", "0", 1 << 30)
        self.said: list[tuple[str, int, str, float]] = []

    @property
    def now(self) -> float:
        return BEGAN + self.number

    def ask(self, frame: pd.DataFrame, *, bundle: str = "", shadow: str = "") -> list[tuple[str, int, str]]:
        """Answer rows, ten a request; returns request, row and truth of each. shadow: bundle that says the opposite,
        beside it and to nobody.
        """
        live = bundle or self.ws.state.version(self.ws.model, 1).bundle
        model = self.ws.load(live)
        columns = {"a": frame["a"].to_numpy(), "b": frame["b"].to_numpy(), "c": frame["c"].to_numpy(dtype=object)}
        scores = model.score_columns(columns)
        decided = model.decide(scores)
        schema = frames.Schema("yes", live, 1, model.signature, [], [])
        told = []
        for first in range(0, len(frame), 10):
            self.number += 1
            part = slice(first, first + 10)
            id = f"r{self.number}"
            cells = frame.iloc[part][list(model.signature.names)].to_numpy(dtype=object).tolist()
            one = frames.Prediction(
                self.now, 0.001, id, None, "yes", live, "champion", "v2", cells,
                [[] for _ in cells], None, list(decided[part]), scores[part].tolist(),
            )  # fmt: skip
            said, schemas = [frames.encode(one)], [schema]
            if shadow:
                schemas.append(frames.Schema("yes", shadow, 1, model.signature, [], []))
                said.append(frames.encode(frames.Shadow(
                    self.now, 0.001, id, None, "yes", shadow, "challenger", "v2", cells, [[] for _ in cells], None,
                    ["no" if d == "yes" else "yes" for d in decided[part]], scores[part, ::-1].tolist(),
                )))  # fmt: skip
            assert self.spool.append(said, schemas, Tally(1, len(cells), labels=0))
            told += [(id, i, str(y)) for i, y in enumerate(frame["y"].iloc[part])]
        return told

    def tell(self, told: list[tuple[str, int, str]], definition: str = "v1") -> None:
        """Send labels."""
        given = [frames.Given(id, row, None, None, label, None, None, definition) for id, row, label in told]
        for first in range(0, len(given), 100):
            part = given[first : first + 100]
            frame = frames.encode(frames.Label(self.now, "yes", None, part))
            assert self.spool.append([frame], [], Tally(0, 0, labels=len(part)))

    def watch(self) -> Any:
        """What a pass of the watcher finds."""
        self.spool.turn()
        collect(self.ws.home.root)
        self.ws.clock = lambda: self.now
        return Loop(self.ws.as_rule()).once()
